using LightVM.Domains;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Hosts;
using LightVM.Linux;
using LightVM.Pools;

namespace LightVM.Host.Pools;

/// <summary>How a pool daemon is to run.</summary>
internal sealed record PoolDaemonOptions
{
    /// <summary>Where its process id and its sockets are.</summary>
    public string Folder { get; init; } = RunFolder.Path;

    /// <summary>Memory of the host that shells leave free, MiB.</summary>
    public int ReserveMiB { get; init; } = new PoolKeeperOptions().ReserveMiB;

    /// <summary>Who may talk to it.</summary>
    public PeerPolicy Peers { get; init; } = new();
}

/// <summary>The pool daemon: one thread that makes shells (<see cref="PoolKeeper"/>), and two sockets.</summary>
internal static class PoolDaemon
{
    /// <summary>Runs until it is cancelled. Its shells wait for the next one. Errors: ServiceFailure where one runs already, HostFileFailure.</summary>
    /// <param name="host">The host, which the daemon uses as any other of its users does.</param>
    public static void Run(LvmHost host, PoolDaemonOptions options, DaemonLog log, ServiceNotifier notifier, CancellationToken cancellation)
    {
        using var instance = InstanceLock.Take(options.Folder, PoolDaemonProtocol.PidFileName, "a pool daemon", options.Peers.Group);
        SystemCalls.RaiseFileLimit();

        var started = DateTimeOffset.UtcNow;
        using var keeper = host.KeepPools(new FilePoolStore(), new PoolKeeperOptions { ReserveMiB = options.ReserveMiB }, log.Notice);
        PoolServer? requests = null;
        // Clients may come from here on, and are answered when it is known what there is.
        using var server = requests = new PoolServer(Path.Combine(options.Folder, PoolDaemonProtocol.SocketName), options.Peers, log, keeper, host, Status);
        using var shells = new ShellServer(Path.Combine(options.Folder, PoolDaemonProtocol.ChaosSocketName), options.Peers, log, host);
        using var claims = RunShellRecords.WatchClaimed(); // before it is looked what there is
        keeper.Open();
        notifier.Ready("keeping shells");
        log.Notice($"lightvm {CommandLine.Version} keeps {keeper.Counts.Pools} pools");
        try
        {
            DeviceDaemon.RunAll([new KeeperTask(keeper), new ClaimsTask(keeper, claims), requests, shells], cancellation);
        }
        finally
        {
            notifier.Stopping();
            log.Notice("stopping; shells wait for the next one");
        }

        PoolDaemonStatus Status()
        {
            var (pools, ready, lent) = keeper.Counts;
            return new PoolDaemonStatus(CommandLine.Version, Environment.ProcessId, started, pools, ready, lent, requests?.Clients ?? 0);
        }
    }

    /// <summary>What is done for later must not delay what is done for somebody now: this thread is nicer than others, and takes no processor from one that runs when it wakes.</summary>
    private static void BeNice()
    {
        const int niceness = 10;
        _ = Libc.SetPriority(0, 0, niceness);
        _ = Libc.SetScheduler(0, Libc.BatchScheduling, 0);
    }

    private sealed class KeeperTask(PoolKeeper keeper) : IDaemonTask
    {
        public string Name => "shells";

        public void Run(CancellationToken cancellation)
        {
            BeNice();
            keeper.Run(cancellation);
        }
    }

    /// <summary>Tells the keeper of shells that were taken, and of what became of them.</summary>
    private sealed class ClaimsTask(PoolKeeper keeper, FolderWatch claims) : IDaemonTask
    {
        /// <summary>About what it takes to make a domain of a shell.</summary>
        private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(20);

        public string Name => "claims";

        public void Run(CancellationToken cancellation)
        {
            BeNice();
            using var readiness = new Readiness(cancellation);
            while (true)
            {
                claims.Wait(readiness);
                // Whoever has just claimed a shell needs the CPU for a moment, and will have more to tell then.
                if (cancellation.WaitHandle.WaitOne(Moment)) return;
                foreach (var change in claims.Take())
                {
                    if (change.Name is null) keeper.LookAgain();
                    else if (RunRecords.UuidOf(change.Name) is not { } uuid) continue;
                    else if (change.IsThere) keeper.NoteClaim(uuid);
                    else keeper.NoteEnd(uuid);
                }
            }
        }
    }
}
