using LightVM.Configuration;
using LightVM.Consoles;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Migration;
using LightVM.Pools;

namespace LightVM.Noxs;

/// <summary>
/// Names and configurations of all domains: of those without a store from their records in /run, of all others from the store. Where no
/// store runs, the former are all there is: whatever is about one of them works, and a pass over all domains does.
/// </summary>
/// <param name="store">Becomes this one's.</param>
/// <param name="hasStore">Whether the store can be reached now.</param>
/// <param name="knownToStore">The uuids that the store has by a name, as far as has been heard without asking it.</param>
/// <param name="openConsole">The console of a domain without a store.</param>
/// <param name="watchEnds">What tells of ends of domains without a store; the argument for one that tells of all others, null where there is none.</param>
internal sealed class NoxsDirectory(
    IDomainDirectory store,
    NoxsDomains noxs,
    Func<bool> hasStore,
    Func<string, IReadOnlyList<Guid>> knownToStore,
    Func<DomainKey, Func<bool>, IGuestConsole> openConsole,
    Func<IDomainWatch?, IDomainWatch> watchEnds) : IDomainDirectory
{
    private static readonly DirectoryEntry ControlDomain = new("Domain-0", null); // what xen-init-dom0 would write

    public NoxsDomains Noxs => noxs;

    IShellRecords IDomainDirectory.Shells => store.Shells;

    public Guid Boot => store.Boot;

    public DirectoryEntry? Find(DomainKey key)
    {
        if (noxs.Registry.Find(key) is { } record) return new DirectoryEntry(record.Name, record.StartTime);
        return AskStore<DirectoryEntry?>(() => store.Find(key), key.Id == 0 ? ControlDomain : null);
    }

    public void Refresh()
    {
        TakeInRecords();
        TellStore(store.Refresh);
    }

    public void TakeInChanges()
    {
        TakeInRecords();
        TellStore(store.TakeInChanges);
    }

    public IReadOnlyList<Guid> UuidsByName(string name)
    {
        var own = noxs.Registry.UuidsByName(name);
        return [.. own, .. AskStore(() => store.UuidsByName(name), [])];
    }

    /// <summary>Refuses a host whose store cannot be reached: a domain with one is about to be made. Errors: XenstoreUnavailable.</summary>
    public void RequireStore()
    {
        if (!hasStore()) throw new LvmException(ErrorIds.XenstoreUnavailable, "its guest needs Xenstore, which cannot be reached");
    }

    /// <summary>Refuses a name that another domain has, as far as that is known without a question to the store. Errors: DomainNameTaken.</summary>
    public void RequireFreeWithoutStore(IHypervisor hypervisor, string name, DomainKey? except)
    {
        var namesakes = noxs.Registry.UuidsByName(name).Concat(knownToStore(name)).Where(uuid => uuid != except?.Uuid).ToHashSet();
        if (namesakes.Count == 0 && name != ControlDomain.Name) return;
        foreach (var domain in hypervisor.ListDomains())
        {
            if (domain.Key == except || domain.State == DomainState.Dying) continue;
            if (namesakes.Contains(domain.Key.Uuid) || (domain.Key.Id == 0 && name == ControlDomain.Name))
                throw new LvmException(ErrorIds.DomainNameTaken, $"domain {domain.Key} has the name '{name}' already");
        }
    }

    public IDisposable ReserveName(string name) => store.ReserveName(name);

    public IDisposable HoldDomain(Guid uuid, TimeSpan patience) => store.HoldDomain(uuid, patience);

    public int? FindNodeQuota() => AskStore(store.FindNodeQuota, null);

    public void Publish(DomainPublication publication)
    {
        if (IsNoxs(publication)) noxs.Publish(publication, isShell: false);
        else
        {
            noxs.Registry.Remove(publication.Key.Uuid); // it may have been one without a store before
            store.Publish(publication);
        }
    }

    public void PublishRings(DomainPublication publication)
    {
        if (IsNoxs(publication)) noxs.PublishRings(publication);
        else store.PublishRings(publication);
    }

    public void PublishShell(DomainPublication publication)
    {
        if (IsNoxs(publication)) noxs.Publish(publication, isShell: true);
        else store.PublishShell(publication);
    }

    public void PublishAs(DomainPublication publication, DomainPublication shell, IReadOnlyList<NetworkDevice> changed)
    {
        if (IsNoxs(publication)) noxs.PublishAs(publication, shell, changed);
        else store.PublishAs(publication, shell, changed);
    }

    public void Rename(DomainKey key, string newName)
    {
        if (noxs.Registry.FindNow(key) is { } record) noxs.Registry.Save(key.Uuid, record with { Name = newName });
        else store.Rename(key, newName);
    }

    public DomainConfig? FindConfig(DomainKey key) => noxs.Registry.FindNow(key) is not { } record ? store.FindConfig(key) : record.StartTime is null ? null : record.Config;

    public void SaveConfig(DomainKey key, DomainConfig config)
    {
        if (noxs.Registry.FindNow(key) is { } record) noxs.Registry.Save(key.Uuid, record with { Config = config });
        else store.SaveConfig(key, config);
    }

    public IReadOnlyList<Guid> ListConfigs() => [.. store.ListConfigs(), .. noxs.Registry.List().Where(entry => entry.Value.StartTime is not null).Select(entry => entry.Key)];

    public void RemoveConfig(Guid uuid)
    {
        if (noxs.Registry.Find(uuid) is not null) noxs.Forget(uuid);
        else store.RemoveConfig(uuid);
    }

    public void BeginRestart(Guid uuid, DomainConfig config) => store.BeginRestart(uuid, config);

    public void EndRestart(Guid uuid) => store.EndRestart(uuid);

    public IReadOnlyList<(Guid Uuid, DomainConfig Config)> UnfinishedRestarts() => store.UnfinishedRestarts();

    public void NoteSuspension(Guid uuid, Suspension suspension) => store.NoteSuspension(uuid, suspension);

    public void EndSuspension(Guid uuid) => store.EndSuspension(uuid);

    public IReadOnlyList<(Guid Uuid, Suspension Suspension)> Suspensions() => store.Suspensions();

    public Arrival? FindArrival(Guid ticket) => store.FindArrival(ticket);

    public void SaveArrival(Guid ticket, Arrival arrival) => store.SaveArrival(ticket, arrival);

    public void RemoveArrival(Guid ticket) => store.RemoveArrival(ticket);

    public IReadOnlyList<(Guid Ticket, Arrival Arrival)> Arrivals() => store.Arrivals();

    public void NoteResumed(DomainKey key)
    {
        if (noxs.Registry.Find(key) is null) store.NoteResumed(key);
    }

    public IDomainWatch Watch()
    {
        var others = AskStore<IDomainWatch?>(store.Watch, null);
        return others is not null && noxs.Registry.List().Count == 0 ? others : watchEnds(others);
    }

    public void Settle(DomainKey key)
    {
        if (noxs.Registry.Find(key) is null) TellStore(() => store.Settle(key));
    }

    public void Withdraw(DomainKey key)
    {
        if (noxs.Registry.Find(key.Uuid) is { } record)
        {
            if (record.Id == key.Id) noxs.Forget(key.Uuid);
        }
        else
        {
            TellStore(() => store.Withdraw(key));
        }
    }

    public IGuestConsole OpenConsole(DomainKey key, Func<bool> exists) => noxs.Registry.Find(key) switch
    {
        null => store.OpenConsole(key, exists),
        { Config.Console: false } => throw new LvmException(ErrorIds.ConsoleUnavailable, "it has no console"),
        _ => openConsole(key, exists),
    };

    public void Dispose()
    {
        noxs.Dispose();
        store.Dispose();
    }

    private static bool IsNoxs(DomainPublication publication) => publication.Config.DeviceMethod == DeviceMethod.Noxs;

    /// <summary>Asks the store, where it runs: it may have ended since it was last asked.</summary>
    private T AskStore<T>(Func<T> ask, T otherwise)
    {
        if (!hasStore()) return otherwise;
        try
        {
            return ask();
        }
        catch (LvmException error) when (error.ErrorId == ErrorIds.XenstoreUnavailable)
        {
            return otherwise;
        }
    }

    private void TellStore(Action tell) => AskStore(() =>
    {
        tell();
        return 0;
    }, 0);

    private void TakeInRecords()
    {
        noxs.Registry.TakeInChanges();
        noxs.ReconcileOnce();
    }
}
