using LightVM.Devices;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;
using LightVM.Xen;

namespace LightVM.Host.Devices;

/// <summary>How a daemon is to run.</summary>
internal sealed record DeviceDaemonOptions
{
    /// <summary>Where its process id and its socket are.</summary>
    public string Folder { get; init; } = RunFolder.Path;

    /// <summary>The socket for clients of Chaos' device daemon.</summary>
    public string ChaosSocket { get; init; } = "/run/chaos_socket";

    /// <summary>Whether it sets up the devices of other toolstacks, too.</summary>
    public bool ServesAll { get; init; }

    /// <summary>Who may talk to it.</summary>
    public PeerPolicy Peers { get; init; } = new();
}

/// <summary>The device daemon: one thread for devices (<see cref="Hotplug"/>), two sockets, and whatever else there is to do for as long as it runs.</summary>
internal static class DeviceDaemon
{
    /// <summary>Threads for requests that wait for slow disks: so many may, before one that needs none has to wait.</summary>
    private const int RequestThreads = 16;

    /// <summary>
    /// Runs until it is cancelled. Guests keep their devices after that. Errors: ServiceFailure where one runs already, XenNotRunning,
    /// XenNotPrivileged, XenLibraryMissing, XenstoreUnavailable, HostFileFailure.
    /// </summary>
    public static void Run(DeviceDaemonOptions options, DaemonLog log, ServiceNotifier notifier, CancellationToken cancellation)
    {
        using var hypervisor = XenHypervisor.Open(); // says best what is wrong where there is no Xen
        using var instance = InstanceLock.Take(options.Folder, DeviceDaemonProtocol.PidFileName, "a device daemon", options.Peers.Group);
        SystemCalls.RaiseFileLimit();
        ThreadPool.SetMinThreads(RequestThreads, RequestThreads);

        var started = DateTimeOffset.UtcNow;
        var table = new DeviceTable(TimeProvider.System, LinuxDevices.Exists);
        using var host = new LinuxDevices();
        using var hotplug = new Hotplug(hypervisor, host, table, log, notifier, options.ServesAll);
        var service = new DeviceService(table, host);
        RequestServer? requests = null;
        // Clients may come from here on, and are answered when it is known what there is.
        using var server = requests = new RequestServer(Path.Combine(options.Folder, DeviceDaemonProtocol.SocketName), options.Peers, log, service, Status);
        using var chaos = new ChaosServer(options.ChaosSocket, options.Peers, log, service);
        hotplug.Scan();
        notifier.Ready("serving devices");
        log.Notice($"lightvm {CommandLine.Version} serves devices{(options.ServesAll ? ", those of other toolstacks, too" : "")}");

        try
        {
            RunAll([hotplug, requests, chaos, new LifecycleTask(log)], cancellation);
        }
        finally
        {
            notifier.Stopping();
            log.Notice("stopping; guests keep their devices");
        }

        DeviceDaemonStatus Status()
        {
            var (interfaces, disks, loops, reservations) = table.Counts;
            return new DeviceDaemonStatus(CommandLine.Version, Environment.ProcessId, started, interfaces, disks, loops, reservations, requests?.Clients ?? 0);
        }
    }

    /// <summary>Runs tasks, each on its own thread, until all have ended. The first that fails ends the others, and fails the whole.</summary>
    internal static void RunAll(IReadOnlyList<IDaemonTask> tasks, CancellationToken cancellation)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Exception? failure = null;
        var threads = tasks.Select(task => new Thread(() =>
        {
            try
            {
                task.Run(end.Token);
                if (!end.IsCancellationRequested) throw new InvalidOperationException($"{task.Name} has ended by itself");
            }
            catch (OperationCanceledException) when (end.IsCancellationRequested)
            {
            }
            catch (Exception error)
            {
                Interlocked.CompareExchange(ref failure, error, null);
                end.Cancel();
            }
        })
        { Name = task.Name, IsBackground = true }).ToArray();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        if (failure is not null) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
    }
}
