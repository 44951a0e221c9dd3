using LightVM.Hosts;
using LightVM.Pools;
using LightVM.Services;

namespace LightVM.Simulation;

/// <summary>The pool daemon of a simulated host: a thread that keeps its pools, as long as it runs. They are forgotten with the host.</summary>
internal sealed class SimulatedPoolDaemon : IManagedService
{
    private readonly object _lock = new();
    private readonly LvmHost _host;
    private readonly MemoryPoolStore _store = new();
    private CancellationTokenSource? _end;
    private Thread? _thread;
    private DateTimeOffset _started;
    private volatile PoolKeeper? _keeper;

    public SimulatedPoolDaemon(LvmHost host)
    {
        _host = host;
        Service = new LocalPoolService(() => _keeper, host.CreateDomain);
    }

    public IPoolService Service { get; }

    public string Name => PoolDaemonService.ServiceName;

    public HostService Get()
    {
        lock (_lock)
        {
            var service = new HostService { Name = Name, Description = PoolDaemonService.Description, Unit = PoolDaemonService.Unit, State = ServiceState.Stopped };
            if (_keeper is null) return service;
            return service with
            {
                State = ServiceState.Running,
                ProcessId = Environment.ProcessId,
                StartTime = _started,
                Version = typeof(SimulatedPoolDaemon).Assembly.GetName().Version!.ToString(3),
                ShellCount = _keeper.Counts.Ready,
                ClientCount = 0,
            };
        }
    }

    public void Start(CancellationToken cancellation)
    {
        lock (_lock)
        {
            if (_keeper is not null) return;
            var end = _end = new CancellationTokenSource();
            var keeper = _host.MakeKeeper(_store, new PoolKeeperOptions(), _ => { });
            keeper.Open();
            _started = DateTimeOffset.UtcNow;
            _thread = new Thread(() => keeper.Run(end.Token)) { IsBackground = true, Name = "pools of simulated domains" };
            _thread.Start();
            _keeper = keeper;
        }
    }

    public void Stop(CancellationToken cancellation)
    {
        lock (_lock)
        {
            if (_keeper is not { } keeper) return;
            _keeper = null;
            _end!.Cancel();
            _thread!.Join();
            _end.Dispose();
            keeper.Dispose();
        }
    }

    public void Dispose() => Stop(CancellationToken.None);
}
