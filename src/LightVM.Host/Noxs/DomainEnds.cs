using System.Text;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Hypervisor;
using LightVM.Linux;
using LightVM.Noxs;
using LightVM.Xen;

namespace LightVM.Host.Noxs;

/// <summary>
/// Learns of ends of domains, and passes that on by a file (<see cref="NoxsFiles.EndsName"/>). The hypervisor tells one process of them
/// (VIRQ_DOM_EXC): this one where no xenstored runs. Where one runs it has the interrupt, and tells of domains that it knows, which guests without
/// a store are not. So there it is looked when a guest says by its sysctl device that it goes, and every few seconds for those that went without
/// a word, as long as there are guests.
/// </summary>
internal sealed class DomainEnds(IHypervisor hypervisor, NoxsService service, DaemonLog log) : IDaemonTask, IDisposable
{
    private const int Tries = 20;
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a guest may have ended without anybody knowing, where nobody tells.</summary>
    private static readonly TimeSpan Ignorance = TimeSpan.FromSeconds(5);

    /// <summary>When it is looked after a guest has said that it goes: it does so at once, or is slow.</summary>
    private static readonly TimeSpan[] Looks = [TimeSpan.FromMilliseconds(10), TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1)];

    private readonly object _lock = new();
    private readonly SemaphoreSlim _suspicion = new(0);
    private readonly List<DomainInfo> _domains = [];
    private HashSet<(uint Id, bool HasEnded)>? _states; // as of the last look
    private volatile bool _isTold;
    private bool _isSuspected;

    public string Name => "ends of domains";

    public void Run(CancellationToken cancellation)
    {
        for (var failures = 0; ;)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                using var watch = Open();
                for (Look(); watch.Wait(Timeout.InfiniteTimeSpan, cancellation); Look()) failures = 0;
            }
            catch (LvmException error)
            {
                // While xenstored ends, it has the interrupt for a moment longer than it answers.
                if (++failures == Tries) throw;
                log.Warning($"ends of domains are not told: {error.Message}");
                if (cancellation.WaitHandle.WaitOne(Moment)) throw new OperationCanceledException(cancellation);
            }
        }
    }

    /// <summary>A guest may be about to end.</summary>
    public void Suspect()
    {
        _isSuspected = true;
        Begin();
    }

    /// <summary>There is a guest whose end matters.</summary>
    public void Begin()
    {
        if (!_isTold) _suspicion.Release();
    }

    /// <summary>Looks, where nobody tells.</summary>
    public void LookByItself(CancellationToken cancellation)
    {
        while (true)
        {
            var isWoken = _suspicion.Wait(_isTold || service.Counts.Guests == 0 ? Timeout.InfiniteTimeSpan : Ignorance, cancellation);
            var isSuspected = Interlocked.Exchange(ref _isSuspected, false);
            if (isWoken && !isSuspected) continue;
            foreach (var moment in isSuspected ? Looks : [TimeSpan.Zero])
            {
                if (cancellation.WaitHandle.WaitOne(moment)) throw new OperationCanceledException(cancellation);
                while (_suspicion.Wait(0, CancellationToken.None))
                {
                    // One look is for all that were suspected before it.
                }

                Look();
            }
        }
    }

    public void Dispose() => _suspicion.Dispose();

    private IDomainWatch Open()
    {
        try
        {
            var watch = new XenstoreDomainWatch(XenstorePipeline.Open());
            _isTold = false;
            Suspect();
            log.Info("xenstored tells of ends of domains");
            return watch;
        }
        catch (LvmException error)
        {
            var watch = InterruptWatch.Open(error);
            _isTold = true;
            log.Info("the hypervisor tells of ends of domains: there is no xenstored");
            return watch;
        }
    }

    private void Look()
    {
        lock (_lock)
        {
            service.DropEnded(() =>
            {
                _domains.Clear();
                hypervisor.ListDomains(_domains);
                return _domains.Where(domain => domain.State != DomainState.Dying).Select(domain => (ushort)domain.Key.Id).ToHashSet().Contains;
            });
            var states = _domains.Select(domain => (domain.Key.Id, HasEnded: domain.State is DomainState.Shutdown or DomainState.Crashed or DomainState.Dying)).ToHashSet();
            // One that is new is no end.
            var isNews = _isTold || _states is null || !states.IsSupersetOf(_states) || states.Any(state => state.HasEnded && !_states.Contains(state));
            _states = states;
            if (!isNews) return;
            RunFile.Write(Path.Combine(NoxsFiles.Folder, NoxsFiles.EndsName), Encoding.ASCII.GetBytes($"{Environment.TickCount64}\n"));
        }
    }

    /// <summary>VIRQ_DOM_EXC.</summary>
    private sealed unsafe class InterruptWatch(int file) : IDomainWatch
    {
        public static InterruptWatch Open(LvmException reason)
        {
            var file = XenAccess.OpenPorts();
            var (_, errno) = XenAccess.BindDomainEvents(file);
            if (errno == 0) return new InterruptWatch(file);
            _ = Libc.Close(file);
            throw new LvmException(ErrorIds.ServiceFailure, $"neither does xenstored answer ({reason.Problem}), nor can the hypervisor's interrupt be had") { Errno = errno };
        }

        public bool Wait(TimeSpan timeout, CancellationToken cancellation)
        {
            if (!Readiness.Await(file, timeout, cancellation)) return false;
            uint port;
            // Told again from here on: whatever ends after this, and before the list is read, is told twice.
            if (Libc.Read(file, (byte*)&port, sizeof(uint)) == sizeof(uint)) _ = Libc.Write(file, (byte*)&port, sizeof(uint));
            return true;
        }

        public void Dispose() => _ = Libc.Close(file);
    }
}
