using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Hosts;

/// <summary>
/// Carries out what the configurations of this toolstack's domains say of their guests' ends, for as long as it runs: the device daemon
/// does. Restarts that fail, or come too quickly, are done again later and later.
/// </summary>
public sealed class LifecycleActions
{
    /// <summary>A guest that ends sooner than this after its start is not well: its next start waits.</summary>
    private static readonly TimeSpan ShortLife = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan LongestDelay = TimeSpan.FromMinutes(1);

    private readonly LvmHost _host;
    private readonly Action<string> _log;
    private readonly Dictionary<Guid, Attempts> _attempts = [];
    private readonly HashSet<DomainKey> _settled = [];

    /// <param name="host">The host; not disposed.</param>
    /// <param name="log">Takes a line for each thing that was done or went wrong.</param>
    public LifecycleActions(LvmHost host, Action<string> log)
    {
        _host = host;
        _log = log;
    }

    /// <summary>Runs until it is cancelled.</summary>
    public void Run(CancellationToken cancellation)
    {
        using var watch = _host.Lifecycle.Watch();
        while (!cancellation.IsCancellationRequested)
        {
            var wait = Pass(DateTimeOffset.UtcNow);
            try
            {
                watch.Wait(wait, cancellation);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    /// <summary>Does what is due, and tells when something will be; an infinite time when nothing is.</summary>
    private TimeSpan Pass(DateTimeOffset now)
    {
        try
        {
            var ended = _host.Lifecycle.ListEnded();
            _settled.IntersectWith(ended);
            foreach (var key in ended.Where(key => !_settled.Contains(key))) Attend(key, now);
            FinishRestarts(now);
        }
        catch (LvmException error)
        {
            _log($"the domains cannot be looked at: {error.Message}");
            return LongestDelay;
        }

        // What was tried long ago and needs nothing any more is forgotten.
        foreach (var (uuid, attempts) in _attempts.ToArray())
        {
            if (!attempts.IsPending && now - attempts.Last > LongestDelay + ShortLife) _attempts.Remove(uuid);
        }

        var due = _attempts.Values.Where(attempts => attempts.IsPending).Select(attempts => attempts.Due).DefaultIfEmpty(DateTimeOffset.MaxValue).Min();
        if (due == DateTimeOffset.MaxValue) return Timeout.InfiniteTimeSpan;
        return due > now ? due - now : TimeSpan.Zero;
    }

    private void Attend(DomainKey key, DateTimeOffset now)
    {
        var attempts = _attempts.GetValueOrDefault(key.Uuid);
        if (attempts is { IsPending: true } && attempts.Due > now) return;
        var name = _host.Lifecycle.NameOf(key);
        var action = _host.Lifecycle.ActionFor(key);
        if (action is null or LifecycleAction.Preserve)
        {
            _settled.Add(key);
            return;
        }

        if (action == LifecycleAction.Restart)
        {
            attempts ??= _attempts[key.Uuid] = new Attempts();
            // A guest that ended soon after its last start has to wait; one that lived begins anew.
            if (!attempts.IsPending && now - attempts.Last < ShortLife)
            {
                attempts.Postpone(now);
                _log($"domain '{name}' ended {(now - attempts.Last).TotalSeconds:0.0} s after its last start: it is restarted in {(attempts.Due - now).TotalSeconds:0} s");
                return;
            }
        }

        Try(name, key.Uuid, now, () =>
        {
            if (_host.Lifecycle.CarryOut(key) is { } done) _log($"domain '{name}' (id {key.Id}) ended: {done.ToString().ToLowerInvariant()}");
        });
    }

    private void FinishRestarts(DateTimeOffset now)
    {
        foreach (var (uuid, name) in _host.Lifecycle.ListUnfinishedRestarts())
        {
            if (_attempts.GetValueOrDefault(uuid) is { IsPending: true } attempts && attempts.Due > now) continue;
            Try(name, uuid, now, () =>
            {
                if (_host.Lifecycle.FinishRestart(uuid)) _log($"domain '{name}' was being restarted: that is finished");
            });
        }
    }

    private void Try(string name, Guid uuid, DateTimeOffset now, Action work)
    {
        try
        {
            work();
            if (_attempts.TryGetValue(uuid, out var attempts)) attempts.Succeeded(now);
        }
        catch (LvmException error)
        {
            if (!_attempts.TryGetValue(uuid, out var attempts)) _attempts[uuid] = attempts = new Attempts();
            attempts.Postpone(now);
            _log($"domain '{name}': {error.Message} It is tried again in {(attempts.Due - now).TotalSeconds:0} s.");
        }
    }

    /// <summary>How often something was tried, and when it is tried next.</summary>
    private sealed class Attempts
    {
        private int _failures;

        /// <summary>When it last succeeded.</summary>
        public DateTimeOffset Last { get; private set; } = DateTimeOffset.MinValue;

        public DateTimeOffset Due { get; private set; }

        public bool IsPending { get; private set; }

        public void Postpone(DateTimeOffset now)
        {
            var delay = TimeSpan.FromSeconds(Math.Pow(2, Math.Min(_failures++, 6)));
            Due = now + (delay < LongestDelay ? delay : LongestDelay);
            IsPending = true;
        }

        public void Succeeded(DateTimeOffset now)
        {
            // What waited for its turn has not yet shown that it lives longer now.
            if (!IsPending && now - Last > ShortLife) _failures = 0;
            Last = now;
            IsPending = false;
        }
    }
}
