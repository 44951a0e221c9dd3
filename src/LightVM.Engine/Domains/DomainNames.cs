using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Domains;

internal static class DomainNames
{
    /// <summary>The control domain's name, which Xen's own start-up gives it (xen-init-dom0).</summary>
    private const string ControlDomain = "Domain-0";

    /// <summary>Refuses a name that a domain other than <paramref name="except"/> has. Errors: DomainNameTaken.</summary>
    public static void RequireFree(IHypervisor hypervisor, IDomainDirectory directory, string name, DomainKey? except = null)
    {
        directory.Refresh();
        RequireFreeAsKnown(hypervisor, directory, name, except);
    }

    /// <summary>
    /// The same by what has been heard of up to now, which is no question to the store. What happened this very moment is known once the
    /// name is published, for the store's answer comes behind it: then it is asked for again.
    /// </summary>
    public static void RequireFreeAsKnown(IHypervisor hypervisor, IDomainDirectory directory, string name, DomainKey? except = null)
    {
        directory.TakeInChanges();
        var namesakes = directory.UuidsByName(name);
        // The control domain's uuid differs between the hypervisor and the store, where it has one at all.
        if (namesakes.All(uuid => uuid == except?.Uuid) && name != ControlDomain) return;
        // Only now is the list of all domains worth its price: what is published may be a remnant.
        foreach (var domain in hypervisor.ListDomains())
        {
            if (domain.Key == except || domain.State == DomainState.Dying) continue;
            if (namesakes.Contains(domain.Key.Uuid) || directory.Find(domain.Key)?.Name == name)
                throw new LvmException(ErrorIds.DomainNameTaken, $"domain {domain.Key} has the name '{name}' already");
        }
    }
}
