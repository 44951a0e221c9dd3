using LightVM.Hosts;
using LightVM.Services;

namespace LightVM.Simulation;

/// <summary>
/// The device daemon of a simulated host: a thread that carries out what happens when guests end, as long as it runs. Devices need nothing
/// here. It ends with the host.
/// </summary>
internal sealed class SimulatedDeviceDaemon(LvmHost host) : IManagedService
{
    private readonly object _lock = new();
    private CancellationTokenSource? _end;
    private Thread? _thread;
    private DateTimeOffset _started;

    public string Name => DeviceDaemonService.ServiceName;

    public HostService Get()
    {
        lock (_lock)
        {
            var service = new HostService { Name = Name, Description = DeviceDaemonService.Description, Unit = DeviceDaemonService.Unit, State = ServiceState.Stopped };
            if (_thread is null) return service;
            var domains = host.ListDomains();
            return service with
            {
                State = ServiceState.Running,
                ProcessId = Environment.ProcessId,
                StartTime = _started,
                Version = typeof(SimulatedDeviceDaemon).Assembly.GetName().Version!.ToString(3),
                NetworkAdapterCount = host.Devices.ListNetworkAdapters(domains).Count,
                DiskCount = host.Devices.ListDisks(domains).Count,
                ClientCount = 0,
            };
        }
    }

    public void Start(CancellationToken cancellation)
    {
        lock (_lock)
        {
            if (_thread is not null) return;
            var end = new CancellationTokenSource();
            var actions = new LifecycleActions(host, _ => { });
            _end = end;
            _started = DateTimeOffset.UtcNow;
            _thread = new Thread(() => actions.Run(end.Token)) { IsBackground = true, Name = "ends of simulated guests" };
            _thread.Start();
        }
    }

    public void Stop(CancellationToken cancellation)
    {
        lock (_lock)
        {
            if (_thread is null) return;
            _end!.Cancel();
            _thread.Join();
            _end.Dispose();
            _thread = null;
        }
    }

    public void Dispose() => Stop(CancellationToken.None);
}
