using System.Diagnostics;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Migration;
using LightVM.Noxs;
using LightVM.Pools;
using LightVM.Services;
using LightVM.Simulation;
using LightVM.Xen;

namespace LightVM.Hosts;

/// <summary>
/// A host on which domains run: the way into the engine. Its handles stay open until it is disposed, and its members may be
/// called from several threads. Every failure is an <see cref="LvmException"/> with an id of <see cref="ErrorIds"/>.
/// </summary>
public sealed class LvmHost : IDisposable
{
    private readonly IHypervisor _hypervisor;
    private readonly IDomainDirectory _directory;
    private readonly HostContext _context;
    private List<DomainInfo>? _listBuffer;

    /// <summary>A host out of its parts, which it owns from now on.</summary>
    public LvmHost(IHypervisor hypervisor, IDomainDirectory directory, IDeviceBus bus)
        : this(hypervisor, directory, bus, new ImageCache())
    {
    }

    private LvmHost(IHypervisor hypervisor, IDomainDirectory directory, IDeviceBus bus, ImageCache images, Func<LvmHost, (IPoolService Pools, IManagedService[] Services)>? daemons = null)
    {
        _hypervisor = hypervisor;
        _directory = directory;
        _context = new HostContext(hypervisor, directory, bus, images);
        Devices = new DomainDevices(_context);
        Lifecycle = new DomainLifecycle(_context);
        Consoles = new DomainConsoles(_context);
        Images = new DomainImages(_context);
        Moves = new DomainMoves(_context);
        var (pools, services) = daemons?.Invoke(this) ?? (new LocalPoolService(() => null, CreateDomain), []);
        Pools = new HostPools(_context, pools);
        Services = new HostServices(services);
    }

    /// <summary>The devices of the host's domains.</summary>
    public DomainDevices Devices { get; }

    /// <summary>How the host's domains end, and waiting for it.</summary>
    public DomainLifecycle Lifecycle { get; }

    /// <summary>The consoles of the host's domains.</summary>
    public DomainConsoles Consoles { get; }

    /// <summary>Saving the host's domains, and making domains of what was saved.</summary>
    public DomainImages Images { get; }

    /// <summary>How domains get from this host to another, and from others to this one.</summary>
    public DomainMoves Moves { get; }

    /// <summary>Domains that are made before they are asked for.</summary>
    public HostPools Pools { get; private set; }

    /// <summary>The daemons of this toolstack on the host.</summary>
    public HostServices Services { get; }

    /// <summary>Opens the Xen that this machine runs under. Errors: XenNotRunning, XenNotPrivileged, XenLibraryMissing, XenLibraryMismatch, XenstoreUnavailable.</summary>
    public static LvmHost OpenXen()
    {
        var hypervisor = XenHypervisor.Open();
        try
        {
            var (directory, bus) = OpenXenParts(hypervisor);
            return new LvmHost(hypervisor, directory, bus, new ImageCache(), _ => (new PoolDaemonClient(), [new DeviceDaemonService(), new PoolDaemonService(), new NoxsDaemonService()]));
        }
        catch
        {
            hypervisor.Dispose();
            throw;
        }
    }

    /// <summary>What names domains and what gives them devices on a real host, with a store and without.</summary>
    internal static (IDomainDirectory Directory, IDeviceBus Bus) OpenXenParts(IHypervisor hypervisor)
    {
        var store = XenstoreDirectory.OpenLazily();
        var noxs = new NoxsDomains(hypervisor, new NoxsBackend(), new NoxsRegistry(), () => NoxsBackend.IsThere);
        var directory = new NoxsDirectory(store, noxs, store.CanBeReached, store.HeardOf, (key, exists) => NoxsConsole.Open(key, exists, noxs.Backend), others => new NoxsDomainWatch(others));
        return (directory, new NoxsDeviceBus(store.OpenDeviceBus(), noxs, store.CanBeReached, (domains, interfaces) => new NoxsAddressWatch(directory.Watch(), domains, interfaces)));
    }

    /// <summary>Makes a host in memory, which behaves as Xen does and needs none of it. A kernel is there as well: <see cref="SimulatedKernel.Path"/>.</summary>
    public static LvmHost OpenSimulated(SimulatedHostOptions? options = null)
    {
        var machine = new SimulatedMachine(options ?? new SimulatedHostOptions());
        var hypervisor = new SimulatedHypervisor(machine);
        var (directory, bus) = SimulatedNoxs.AddTo(machine, hypervisor);
        return new LvmHost(
            hypervisor,
            directory,
            bus,
            new ImageCache((SimulatedKernel.Path, SimulatedKernel.Create())),
            host =>
            {
                var pools = new SimulatedPoolDaemon(host);
                return (pools.Service, [new SimulatedDeviceDaemon(host), pools]);
            });
    }

    /// <summary>The hypervisor, its CPUs, and its memory as of now.</summary>
    public HypervisorInfo GetInfo() => _hypervisor.GetInfo();

    /// <summary>All domains in the order of their ids, the control domain first.</summary>
    /// <param name="includeShells">Whether those are listed, too, that wait in a pool and are nobody's yet.</param>
    public IReadOnlyList<Domain> ListDomains(bool includeShells = false)
    {
        _directory.TakeInChanges();
        var now = DateTimeOffset.UtcNow;
        // The hypervisor's records of a thousand domains are too large to be made and thrown away each time.
        var infos = Interlocked.Exchange(ref _listBuffer, null) ?? [];
        try
        {
            _hypervisor.ListDomains(infos);
            var domains = new Domain[infos.Count];
            for (var i = 0; i < domains.Length; i++) domains[i] = _context.Describe(infos[i], now);
            return includeShells || !Array.Exists(domains, domain => domain.IsShell) ? domains : Array.FindAll(domains, domain => !domain.IsShell);
        }
        finally
        {
            infos.Clear();
            _listBuffer = infos;
        }
    }

    /// <summary>The domain with an id. Errors: DomainNotFound.</summary>
    public Domain GetDomain(uint id)
    {
        var info = _hypervisor.FindDomain(id) ?? throw new LvmException(ErrorIds.DomainNotFound, $"there is no domain with id {id}");
        _directory.Refresh();
        return _context.Describe(info, DateTimeOffset.UtcNow);
    }

    /// <summary>The domain with a uuid. Errors: DomainNotFound.</summary>
    public Domain GetDomain(Guid uuid)
    {
        foreach (var domain in ListDomains(includeShells: true))
        {
            if (domain.Uuid == uuid) return domain;
        }

        throw new LvmException(ErrorIds.DomainNotFound, $"there is no domain with uuid {uuid}");
    }

    /// <summary>The domain that was meant, even if its id is in use again. Errors: DomainGone.</summary>
    public Domain GetDomain(DomainKey key)
    {
        var info = _context.Require(key, "get");
        _directory.Refresh();
        return _context.Describe(info, DateTimeOffset.UtcNow);
    }

    /// <summary>The domain with a name, an id or a uuid written as text, in this order. Errors: DomainNotFound, DomainAmbiguous.</summary>
    public Domain GetDomain(string reference) => Lookup().Find(reference);

    /// <summary>All domains as of now, to find those in that texts stand for.</summary>
    public DomainLookup Lookup()
    {
        _directory.Refresh();
        return new DomainLookup(ListDomains(includeShells: true));
    }

    /// <summary>
    /// Looks twice at several domains, and tells what they used in between: two passes, however many they are. Errors of a domain: DomainGone;
    /// of all: OperationCancelled.
    /// </summary>
    /// <param name="interval">How long to wait between the two; with none there is no use of the processor to tell.</param>
    public IReadOnlyList<(Domain Asked, DomainMeasurement? Measured, LvmException? Error)> Measure(IReadOnlyCollection<Domain> domains, TimeSpan interval, CancellationToken cancellation = default)
    {
        var begin = Stopwatch.GetTimestamp();
        var before = Look();
        if (interval > TimeSpan.Zero && cancellation.WaitHandle.WaitOne(interval)) throw new LvmException(ErrorIds.OperationCancelled, "it was cancelled while it measured").During("measure domains");
        var waited = interval > TimeSpan.Zero ? Stopwatch.GetElapsedTime(begin) : TimeSpan.Zero;
        var after = Look();
        return [.. domains.Select(Measured)];

        Dictionary<DomainKey, Domain> Look() => ListDomains(includeShells: true).Where(domain => domain.State != DomainState.Dying).ToDictionary(domain => domain.Key);

        (Domain, DomainMeasurement?, LvmException?) Measured(Domain asked) => before.TryGetValue(asked.Key, out var was) && after.TryGetValue(asked.Key, out var now)
            ? (asked, new DomainMeasurement(now with { Creation = asked.Creation }, waited, now.CpuTime - was.CpuTime), null)
            : (asked, null, new LvmException(ErrorIds.DomainGone, $"domain {asked.Key} is gone").During("measure", asked.ToString()));
    }

    /// <summary>
    /// Makes sure that there is enough here for several domains, as of now, before the first of them is made. Whoever else makes some at the same
    /// time is not known. Errors, each with what is needed, what there is, and for how many domains that is enough: InsufficientMemory,
    /// TooManyDomains, EventChannelsExhausted, StoreQuotaExceeded, GrantsExhausted.
    /// </summary>
    public void Admit(IReadOnlyList<DomainConfig> configs)
    {
        try
        {
            Admission.Require(_hypervisor.GetCapacity(Admission.ChannelsOf(configs)), _directory.FindNodeQuota(), configs);
        }
        catch (LvmException error)
        {
            throw error.During($"create {configs.Count} domains");
        }
    }

    /// <summary>
    /// Creates a domain and starts it, unless its configuration says that it stays paused. When this throws, nothing of it is left;
    /// <see cref="LvmException.LeftBehind"/> says so where that was not to be had.
    /// Where a pool has a shell that fits, it is made of that (<see cref="Domain.Creation"/>).
    /// Errors: those of the configuration's parts (Kernel…, Ramdisk…, Memory…, CpuNotFound, BridgeNotFound, …), DomainNameTaken, OperationCancelled.
    /// </summary>
    public Domain CreateDomain(DomainConfig config, CancellationToken cancellation = default)
    {
        if (Pools.TryCreate(config, cancellation) is { } made) return made;
        var isNew = config.Uuid is null;
        if (isNew) config = config.With(Guid.NewGuid());

        // Held until it has been looked at: its guest may end at once, and what shall happen then has time until this returns.
        using var hold = _directory.HoldDomain(config.Uuid!.Value, HostContext.HoldPatience);
        var (key, record) = DomainCreation.Run(_context.ForCreation with { HasNewUuid = isNew }, config, cancellation);
        return _context.DescribeNew(key, config.Name, record, "create");
    }

    /// <summary>Stops a domain's vCPUs. A domain that is paused stays so. Errors: DomainGone, DomainProtected, DomainInvalidState.</summary>
    public Domain PauseDomain(DomainKey key) => Change(key, "pause", info =>
    {
        if (info.State is DomainState.Shutdown or DomainState.Crashed)
            throw new LvmException(ErrorIds.DomainInvalidState, $"it is {info.State}");
        if (info.State != DomainState.Paused) _hypervisor.Pause(key.Id);
    });

    /// <summary>Lets a paused domain run. One that runs already is left alone. Errors: DomainGone, DomainProtected, DomainInvalidState.</summary>
    public Domain UnpauseDomain(DomainKey key) => Change(key, "unpause", info =>
    {
        if (info.State is DomainState.Shutdown or DomainState.Crashed)
            throw new LvmException(ErrorIds.DomainInvalidState, $"it is {info.State}");
        if (info.State == DomainState.Paused) _hypervisor.Unpause(key.Id);
    });

    /// <summary>Gives a domain another name. Errors: DomainNameInvalid, DomainNameTaken, DomainGone, DomainProtected.</summary>
    public Domain RenameDomain(DomainKey key, string newName) => Change(key, "rename", info =>
    {
        if (!DomainName.IsValid(newName, out var why)) throw new LvmException(ErrorIds.DomainNameInvalid, $"'{newName}' is not a name: {why}");
        using var reservation = _directory.ReserveName(newName);
        DomainNames.RequireFree(_hypervisor, _directory, newName, except: key);
        _directory.Rename(key, newName);
    });

    /// <summary>Destroys a domain at once, with its devices and all that is published of it, whoever created it. Errors: DomainGone, DomainProtected.</summary>
    public void DestroyDomain(DomainKey key) => Lifecycle.Destroy(key);

    /// <summary>Has domains made of the shells of a keeper in this process: the daemon is its own client.</summary>
    internal PoolKeeper KeepPools(IPoolStore store, PoolKeeperOptions options, Action<string> log)
    {
        var keeper = MakeKeeper(store, options, log);
        UsePools(keeper);
        return keeper;
    }

    internal void UsePools(PoolKeeper keeper)
    {
        Pools.Dispose();
        Pools = new HostPools(_context, new LocalPoolService(() => keeper, CreateDomain));
    }

    internal PoolKeeper MakeKeeper(IPoolStore store, PoolKeeperOptions options, Action<string> log, TimeProvider? time = null) => new(_context, store, options, log, time);

    public void Dispose()
    {
        Services.Dispose();
        Pools.Dispose();
        _context.Dispose();
    }

    private Domain Change(DomainKey key, string operation, Action<DomainInfo> change)
    {
        try
        {
            change(_context.RequireGuest(key, operation));
            return _context.Describe(_context.Require(key, operation), DateTimeOffset.UtcNow);
        }
        catch (LvmException error)
        {
            throw error.During(operation, _context.NameOf(key));
        }
    }
}
