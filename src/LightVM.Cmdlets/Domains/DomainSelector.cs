using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Cmdlets.Domains;

/// <summary>A name as the user gave it.</summary>
/// <param name="Text">The name, or the pattern.</param>
/// <param name="Matches">What the pattern matches; null where the text is meant as it is.</param>
internal readonly record struct NamePattern(string Text, Predicate<string>? Matches = null);

/// <summary>A domain that was meant, or the error that there is instead.</summary>
/// <param name="Target">What an error about it names: the domain, or the text that found none.</param>
internal readonly record struct Selection(object Target, Domain? Domain, LvmException? Error)
{
    public static Selection Of(Domain domain) => new(domain, domain, null);

    public static Selection Failed(object target, LvmException error) => new(target, null, error);
}

/// <summary>
/// Finds the domains that names, ids, uuids or objects stand for. Names are told apart by case, as Xen does. One that finds
/// nothing is an error of its own and leaves the others alone; a pattern that matches nothing is none.
/// </summary>
/// <param name="host">Where the domains are.</param>
/// <param name="forChange">
/// Whether they are to be changed. Then patterns pass over the control domain and domains that are dying, a name that two
/// domains share is ambiguous, and the control domain itself is refused.
/// </param>
internal sealed class DomainSelector(LvmHost host, bool forChange)
{
    /// <summary>Whether domains are found, too, that wait in a pool and are nobody's yet. By their ids and uuids they always are.</summary>
    public bool IncludesShells { get; init; }

    public IEnumerable<Selection> All() => host.ListDomains(IncludesShells).Select(Selection.Of);

    /// <summary>The domains of names and patterns, each once, in the order of the names and then of the ids.</summary>
    public IEnumerable<Selection> ByName(IEnumerable<NamePattern> names)
    {
        var domains = host.ListDomains(IncludesShells);
        var seen = new HashSet<DomainKey>();
        return names.SelectMany(name => name.Matches is null ? Named(domains, name.Text) : Matching(domains, name.Matches))
            .Where(selection => selection.Domain is null || seen.Add(selection.Domain.Key))
            .ToList();
    }

    public IEnumerable<Selection> ById(IEnumerable<uint> ids) => ids.Select(id => Find(id, () => host.GetDomain(id)));

    public IEnumerable<Selection> ByUuid(IEnumerable<Guid> uuids) => uuids.Select(uuid => Find(uuid, () => host.GetDomain(uuid)));

    /// <summary>The domains of objects: as they are now to be looked at, as they were to be changed (the engine looks again).</summary>
    public IEnumerable<Selection> ByObject(IEnumerable<Domain> domains) =>
        domains.Select(domain => Find(domain, () => forChange ? domain : host.GetDomain(domain.Key)));

    private IEnumerable<Selection> Matching(IEnumerable<Domain> domains, Predicate<string> matches) =>
        domains.Where(domain => matches(domain.Name) && !(forChange && (domain.IsControlDomain || domain.State == DomainState.Dying)))
            .Select(Selection.Of);

    private IEnumerable<Selection> Named(IEnumerable<Domain> domains, string name)
    {
        var named = domains.Where(domain => domain.Name == name && !(forChange && domain.State == DomainState.Dying)).ToList();
        if (named.Count == 0) return [Selection.Failed(name, new LvmException(ErrorIds.DomainNotFound, $"there is no domain with the name '{name}'"))];
        if (!forChange) return named.Select(Selection.Of);
        if (named.Count == 1) return [Guarded(named[0], named[0])];
        var ids = string.Join(", ", named.Select(domain => domain.Id));
        return [Selection.Failed(name, new LvmException(ErrorIds.DomainAmbiguous, $"{named.Count} domains have the name '{name}': ids {ids}"))];
    }

    private Selection Find(object target, Func<Domain> find)
    {
        try
        {
            return Guarded(target, find());
        }
        catch (LvmException error)
        {
            return Selection.Failed(target, error);
        }
    }

    /// <summary>The control domain is refused before anybody is asked whether to go on.</summary>
    private Selection Guarded(object target, Domain domain) =>
        forChange && domain.IsControlDomain
            ? Selection.Failed(target, new LvmException(ErrorIds.DomainProtected, $"'{domain}' is the control domain"))
            : Selection.Of(domain);
}
