using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Domains;

/// <summary>Finds the domains that texts stand for, among those of one listing: any number of texts for the price of one pass.</summary>
public sealed class DomainLookup
{
    private readonly ILookup<string, Domain> _byName;
    private readonly Dictionary<uint, Domain> _byId = [];
    private readonly Dictionary<Guid, Domain> _byUuid = [];

    public DomainLookup(IReadOnlyList<Domain> domains)
    {
        _byName = domains.Where(domain => domain.State != DomainState.Dying).ToLookup(domain => domain.Name, StringComparer.Ordinal);
        foreach (var domain in domains)
        {
            _byId.TryAdd(domain.Id, domain);
            _byUuid.TryAdd(domain.Uuid, domain);
        }
    }

    /// <summary>The domain with a name, an id or a uuid written as text, in this order. Errors: DomainNotFound, DomainAmbiguous.</summary>
    public Domain Find(string reference)
    {
        var named = _byName[reference].ToList();
        if (named.Count > 1) throw new LvmException(ErrorIds.DomainAmbiguous, $"{named.Count} domains have the name '{reference}': ids {string.Join(", ", named.Select(domain => domain.Id))}");
        if (named.Count == 1) return named[0];
        var found = uint.TryParse(reference, out var id) ? _byId.GetValueOrDefault(id)
            : Guid.TryParse(reference, out var uuid) ? _byUuid.GetValueOrDefault(uuid)
            : null;
        return found ?? throw new LvmException(ErrorIds.DomainNotFound, $"there is no domain with the name, id or uuid '{reference}'");
    }
}
