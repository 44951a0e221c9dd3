using System.Collections.Concurrent;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Migration;
using LightVM.Simulation;

namespace LightVM.Unit.Migration;

/// <summary>
/// Two simulated hosts with a line between them, on which a guest is moved: it is watched that no two of it ever run, and asked at the
/// end that one does.
/// </summary>
internal sealed class TwoMachines : IDisposable
{
    public static readonly MigrationTarget Target = new() { Host = "there" };

    private readonly FileInfo _kernel = new(Path.GetTempFileName());
    private readonly List<Thread> _serving = [];
    private readonly ConcurrentQueue<string> _log = [];
    private readonly CancellationTokenSource _stop = new();
    private volatile string? _twins;

    public TwoMachines(SimulatedHostOptions? source = null, SimulatedHostOptions? target = null)
    {
        File.WriteAllBytes(_kernel.FullName, SimulatedKernel.Create());
        (Here, HereHypervisor, _) = Open(source ?? new SimulatedHostOptions());
        (There, ThereHypervisor, ThereDirectory) = Open(target ?? new SimulatedHostOptions());
        HereHypervisor.BeforeRun = id => Watch(Here, id, There);
        ThereHypervisor.BeforeRun = id => Watch(There, id, Here);
        Here.Moves.Times = There.Moves.Times = Times;
        Here.Moves.Connector = (_, _, cancellation) => Connect(cancellation);
    }

    public static MoveTimes Times { get; } = new() { Retry = TimeSpan.FromMilliseconds(1), Resolve = TimeSpan.FromMilliseconds(20) };

    public LvmHost Here { get; }

    public LvmHost There { get; }

    public WatchfulHypervisor HereHypervisor { get; }

    public SimulatedDirectory ThereDirectory { get; }

    public WatchfulHypervisor ThereHypervisor { get; }

    /// <summary>What becomes of the next connection: the bytes after which it breaks, to there and to here; null where there is none at all.</summary>
    public Func<int, (long ToThere, long ToHere)?> Line { get; set; } = _ => (long.MaxValue, long.MaxValue);

    /// <summary>What answers there, in the place of the receiver.</summary>
    public Action<MigrationLink>? Serve { get; set; }

    public int Connections { get; private set; }

    public string Log => string.Join("\n", _log);

    public Domain Create(GuestType type = GuestType.PVH, Action<DomainConfigDraft>? change = null)
    {
        var draft = new DomainConfigDraft
        {
            Name = "web",
            Type = type,
            Kernel = _kernel.FullName,
            MemoryMiB = 64,
            VcpuCount = 1,
            Vifs = [new NetworkConfig(null, null, "xenbr0")],
            Vbds = [new DiskConfig("/simulated/a", DiskType.File, "xvda", DiskAccess.ReadWrite)],
        };
        change?.Invoke(draft);
        return Here.CreateDomain(DomainConfig.From(draft));
    }

    public MoveResult Move(Domain domain, MoveOptions? options = null, Action<MoveProgress>? progress = null, CancellationTokenSource? cancel = null) =>
        Here.Moves.Move(domain.Key, Target, options, progress, cancel?.Token ?? TestContext.Current.CancellationToken);

    /// <summary>Waits until nobody serves there any more.</summary>
    public void Settle()
    {
        foreach (var thread in _serving.ToArray()) thread.Join();
    }

    /// <summary>That one of the guest is alive, on the host that is told, and nothing of it anywhere else.</summary>
    public void AssertAlive(Domain domain, LvmHost where)
    {
        Settle();
        Assert.Null(_twins);
        var alive = Assert.Single(Find(where, domain.Uuid));
        Assert.True(alive.State is DomainState.Blocked or DomainState.Running, $"it is {alive.State} ({alive.ShutdownReason})\n{Log}");
        var other = where == Here ? There : Here;
        Assert.Empty(Find(other, domain.Uuid));
        Assert.Empty(other.Devices.ListDisks([.. other.ListDomains()]));
        Assert.Single(where.Devices.ListDisks([.. where.ListDomains()]));
        Assert.Empty(Here.Moves.Undecided());
        Assert.Empty(There.Moves.UnfinishedArrivals());
    }

    /// <summary>That the target has forgotten all moves: each has ended on both sides, and each side knows of the other.</summary>
    public void AssertForgotten() => Assert.Empty(ThereDirectory.Arrivals());

    /// <summary>Where the guest is alive.</summary>
    public LvmHost FindAlive(Domain domain) => Find(Here, domain.Uuid).Count > 0 ? Here : There;

    public static List<Domain> Find(LvmHost host, Guid uuid) => host.ListDomains().Where(each => each.Uuid == uuid).ToList();

    public void Dispose()
    {
        _stop.Cancel();
        Settle();
        Here.Dispose();
        There.Dispose();
        _stop.Dispose();
        _kernel.Delete();
    }

    private static (LvmHost Host, WatchfulHypervisor Hypervisor, SimulatedDirectory Directory) Open(SimulatedHostOptions options)
    {
        var machine = new SimulatedMachine(options);
        var hypervisor = new WatchfulHypervisor(machine);
        var directory = new SimulatedDirectory(machine);
        return (new LvmHost(hypervisor, directory, new SimulatedDeviceBus(machine)), hypervisor, directory);
    }

    private static bool Runs(Domain domain) => domain.State is DomainState.Running or DomainState.Blocked or DomainState.Runnable;

    private void Watch(LvmHost host, uint id, LvmHost other)
    {
        var uuid = host.GetDomain(id).Uuid;
        if (Find(other, uuid).Any(Runs)) _twins = $"two of {uuid} run";
    }

    private MigrationLink Connect(CancellationToken cancellation)
    {
        if (Line(Connections++) is not var (toThere, toHere)) throw new LvmException(ErrorIds.ConnectionRefused, "nobody is there");
        var (here, there) = MemoryLink.Pair(toThere, toHere);
        var thread = new Thread(() =>
        {
            using (there)
            {
                if (Serve is { } serve) serve(there);
                else There.Moves.Serve(there, _log.Enqueue, _stop.Token);
            }
        });
        _serving.Add(thread);
        thread.Start();
        return here;
    }
}
