using LightVM.Devices;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Simulation;

/// <summary>The machine in memory: its CPUs, its memory and its domains. One lock guards it all.</summary>
internal sealed class SimulatedMachine
{
    /// <summary>First id that Xen does not give to domains (DOMID_FIRST_RESERVED).</summary>
    public const uint FirstReservedId = 0x7ff0;

    /// <summary>What a domain costs beside its memory, as measured on Xen 4.17 for a PV guest of one vCPU.</summary>
    public const long OverheadKiB = 96;

    /// <summary>The largest count of pauses that Xen keeps of one domain.</summary>
    public const int MaxPauseCount = 255;

    private readonly SortedDictionary<uint, SimulatedDomain> _domains = [];
    private uint _lastId;

    public SimulatedMachine(SimulatedHostOptions options)
    {
        if (options.PhysicalCpus is < 1 or > 256) throw new ArgumentOutOfRangeException(nameof(options), options.PhysicalCpus, "1 to 256 physical CPUs");
        if (options.ControlDomainMemoryMiB < 1 || options.TotalMemoryMiB <= options.ControlDomainMemoryMiB)
            throw new ArgumentOutOfRangeException(nameof(options), options.TotalMemoryMiB, "the machine needs more memory than its control domain has");
        Options = options;
        FreeMemoryKiB = (options.TotalMemoryMiB - options.ControlDomainMemoryMiB) * 1024L;
        _domains.Add(0, new SimulatedDomain(new DomainKey(0, Guid.Empty), GuestType.PV)
        {
            MemoryKiB = options.ControlDomainMemoryMiB * 1024L,
            MaxMemoryKiB = long.MaxValue,
            Vcpus = options.PhysicalCpus,
            PauseCount = 0,
            Activity = GuestActivity.Busy,
        });
    }

    public object Lock { get; } = new();

    public SimulatedHostOptions Options { get; }

    public long FreeMemoryKiB { get; private set; }

    public IEnumerable<SimulatedDomain> Domains => _domains.Values;

    public SimulatedDomain? Find(uint id) => _domains.GetValueOrDefault(id);

    public SimulatedDomain Require(uint id, string operation) =>
        Find(id) ?? throw new LvmException(ErrorIds.DomainGone, $"there is no domain with id {id}") { Operation = operation, Errno = ErrnoText.ESRCH };

    public void TakeMemory(long kib, string operation)
    {
        if (kib > FreeMemoryKiB)
            throw new LvmException(ErrorIds.InsufficientMemory, $"it needs {kib / 1024} MiB, and {FreeMemoryKiB / 1024} MiB are free") { Operation = operation, Errno = ErrnoText.ENOMEM };
        FreeMemoryKiB -= kib;
    }

    public void GiveMemory(long kib) => FreeMemoryKiB += kib;

    /// <summary>Adds a domain under the next free id after the one that was given last, as Xen does: ids come back only after all others.</summary>
    public SimulatedDomain Add(in DomainShape shape)
    {
        for (var tries = 0u; tries < FirstReservedId; tries++)
        {
            _lastId = _lastId + 1 < FirstReservedId ? _lastId + 1 : 1;
            if (_domains.ContainsKey(_lastId)) continue;
            TakeMemory(OverheadKiB, "create");
            var domain = new SimulatedDomain(new DomainKey(_lastId, shape.Uuid), shape.Type) { Vcpus = shape.MaxVcpus, AddressSize = shape.AddressSize };
            _domains.Add(_lastId, domain);
            Tell();
            return domain;
        }

        throw new LvmException(ErrorIds.TooManyDomains, "all domain ids are in use");
    }

    public void Remove(SimulatedDomain domain)
    {
        if (!_domains.Remove(domain.Key.Id)) return;
        FreeMemoryKiB += domain.MemoryKiB + OverheadKiB;
        domain.Guest.Console.End();
        Tell();
    }

    /// <summary>Refuses what only the store knows, where none runs.</summary>
    public void RequireStore()
    {
        if (!Options.HasStore) throw new LvmException(ErrorIds.XenstoreUnavailable, "Xenstore cannot be reached") { Errno = ErrnoText.ENOENT };
    }

    /// <summary>How often a domain has begun or ended.</summary>
    public long Changes { get; private set; }

    /// <summary>Wakes whoever waits on <see cref="Lock"/> for a domain to begin or to end. Called with the lock held.</summary>
    public void Tell()
    {
        Changes++;
        Monitor.PulseAll(Lock);
    }
}

/// <summary>What a simulated guest does when it runs.</summary>
internal enum GuestActivity
{
    /// <summary>Nothing was loaded yet.</summary>
    None,

    /// <summary>Waits for events.</summary>
    Idle,

    /// <summary>Uses its vCPU all the time.</summary>
    Busy,
}

internal sealed class SimulatedDomain
{
    private readonly long _created = Environment.TickCount64;

    public SimulatedDomain(DomainKey key, GuestType type)
    {
        Key = key;
        Type = type;
        Guest = new SimulatedGuest(this);
    }

    public DomainKey Key { get; set; }

    public GuestType Type { get; }

    public SimulatedGuest Guest { get; }

    public bool HasConsole { get; set; }

    public int AddressSize { get; init; } = 64;

    public int Vcpus { get; set; }

    public long MemoryKiB { get; set; }

    public long MaxMemoryKiB { get; set; }

    /// <summary>A new domain is paused once by its toolstack.</summary>
    public int PauseCount { get; set; } = 1;

    public GuestActivity Activity { get; set; }

    public ShutdownReason? Ended { get; set; }

    /// <summary>What the guest has been asked to do and has not done yet.</summary>
    public ShutdownReason? Asked { get; set; }

    /// <summary>Whether the guest does what it is asked: one that was started with "noxs" does not listen.</summary>
    public bool Listens { get; set; } = true;

    /// <summary>The devices it has, and what is behind them.</summary>
    public List<Device> Devices { get; } = [];

    /// <summary>The page in the place of the store's ring, of a guest without a store.</summary>
    public byte[]? DevicePage { get; set; }

    public uint NextPort { get; set; } = 1;

    public DomainState State => this switch
    {
        { Ended: ShutdownReason.Crash } => DomainState.Crashed,
        { Ended: not null } => DomainState.Shutdown,
        { PauseCount: > 0 } => DomainState.Paused,
        { Activity: GuestActivity.Busy } => DomainState.Running,
        _ => DomainState.Blocked,
    };

    public DomainInfo Describe() => new()
    {
        Key = Key,
        Type = Type,
        State = State,
        ShutdownReason = Ended,
        OnlineVcpus = Activity == GuestActivity.None ? 0 : Vcpus,
        MaxVcpus = Vcpus,
        MemoryKiB = MemoryKiB,
        MaxMemoryKiB = MaxMemoryKiB,
        CpuTime = Activity == GuestActivity.Busy ? TimeSpan.FromMilliseconds(Environment.TickCount64 - _created) : TimeSpan.Zero,
    };

    /// <summary>Runs the guest's program as far as it gets by itself.</summary>
    public void Run()
    {
        if (PauseCount > 0 || Ended is not null) return;
        Guest.Run();
        if (Ended is not null || Asked is not { } asked || !Listens || Activity != GuestActivity.Idle) return;
        Guest.End(asked);
        Asked = null;
    }
}
