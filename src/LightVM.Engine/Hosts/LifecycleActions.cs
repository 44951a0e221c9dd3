using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Migration;

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

    /// <summary>How long one domain that somebody else changes may keep the others waiting; it is looked at again later.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>How long to leave a host alone that has just failed.</summary>
    private static readonly TimeSpan FailureDelay = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How long after a domain's end it is tidied up after domains that other toolstacks destroyed. That goes through all that is kept, and is in no
    /// hurry: of a thousand that end one after the other it is done now and then.
    /// </summary>
    private static readonly TimeSpan TidyDelay = TimeSpan.FromSeconds(2);

    private readonly DomainLifecycle _lifecycle;
    private readonly DomainMoves _moves;
    private readonly Dictionary<Guid, Task> _asking = [];
    private readonly Action<string> _log;
    private readonly TimeProvider _time;
    private readonly long _begin;
    private readonly Dictionary<Guid, Attempts> _attempts = [];
    private readonly HashSet<DomainKey> _settled = [];

    /// <param name="host">The host; not disposed.</param>
    /// <param name="log">Takes a line for each thing that was done or went wrong.</param>
    /// <param name="time">By which delays are measured; the system's when not given.</param>
    public LifecycleActions(LvmHost host, Action<string> log, TimeProvider? time = null)
    {
        _lifecycle = host.Lifecycle;
        _moves = host.Moves;
        _log = log;
        _time = time ?? TimeProvider.System;
        _begin = _time.GetTimestamp();
    }

    /// <summary>Runs until it is cancelled.</summary>
    public void Run(CancellationToken cancellation)
    {
        using var watch = _lifecycle.Watch();
        TimeSpan? tidyAt = TimeSpan.Zero;
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                var wait = Pass(cancellation);
                if (tidyAt is { } due)
                {
                    var left = due - _time.GetElapsedTime(_begin);
                    if (left > TimeSpan.Zero)
                    {
                        if (wait == Timeout.InfiniteTimeSpan || left < wait) wait = left;
                    }
                    else
                    {
                        tidyAt = null;
                        _lifecycle.ForgetGone();
                    }
                }

                if (watch.Wait(wait, cancellation)) tidyAt ??= _time.GetElapsedTime(_begin) + TidyDelay;
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (LvmException error)
            {
                _log($"the domains cannot be looked at: {error.Message}");
                cancellation.WaitHandle.WaitOne(FailureDelay);
            }
        }
    }

    /// <summary>Does what is due, and tells when something will be; an infinite time when nothing is.</summary>
    internal TimeSpan Pass(CancellationToken cancellation = default)
    {
        var now = _time.GetElapsedTime(_begin);
        var ended = _lifecycle.ListEnded();
        var unfinished = _lifecycle.ListUnfinishedRestarts().ToList();
        var suspensions = _lifecycle.ListSuspensions().ToList();
        var suspended = suspensions.Select(suspension => suspension.Uuid).ToList();
        var arrivals = _moves.UnfinishedArrivals();
        _settled.IntersectWith(ended);
        foreach (var key in ended.Where(key => !_settled.Contains(key))) Attend(key, now, cancellation);
        foreach (var (uuid, name) in unfinished) Finish(uuid, name, now, cancellation);
        foreach (var (uuid, suspension) in suspensions)
        {
            if (suspension.HandedOver is null) GoOn(uuid, now);
            else Ask(uuid, suspension.HandedOver.Target, now, cancellation);
        }

        foreach (var ticket in arrivals) Recover(ticket, now);

        var concerned = ended.Except(_settled).Select(key => key.Uuid).Concat(unfinished.Select(restart => restart.Uuid)).Concat(suspended).Concat(arrivals).ToHashSet();
        foreach (var (uuid, attempts) in _attempts.ToArray())
        {
            // Somebody else has dealt with it, or removed it, or it has lived long enough for its past to be forgotten.
            if (attempts.IsPending ? !concerned.Contains(uuid) : now - attempts.Last > ShortLife + LongestDelay) _attempts.Remove(uuid);
        }

        var due = _attempts.Values.Where(attempts => attempts.IsPending).Select(attempts => attempts.Due).DefaultIfEmpty(TimeSpan.MaxValue).Min();
        return due == TimeSpan.MaxValue ? Timeout.InfiniteTimeSpan : due - now;
    }

    private void Attend(DomainKey key, TimeSpan now, CancellationToken cancellation)
    {
        var attempts = _attempts.GetValueOrDefault(key.Uuid);
        if (attempts is { IsPending: true } && attempts.Due > now) return;
        var name = _lifecycle.NameOf(key);
        if (_lifecycle.IsLeftAlone(key))
        {
            _settled.Add(key);
            return;
        }

        // A guest that ended soon after its last start has to wait; one that lived begins anew.
        if (_lifecycle.ActionFor(key) == LifecycleAction.Restart && attempts is { IsPending: false } && now - attempts.Last < ShortLife)
        {
            attempts.Postpone(now);
            _log($"domain '{name}' ended {(now - attempts.Last).TotalSeconds:0.0} s after its last start: it is restarted in {(attempts.Due - now).TotalSeconds:0} s");
            return;
        }

        Try(name, key.Uuid, now, () =>
        {
            if (_lifecycle.CarryOut(key, Patience, cancellation: cancellation) is not { } done) return false;
            _log($"domain '{name}' (id {key.Id}) ended: {done.ToString().ToLowerInvariant()}");
            return done == LifecycleAction.Restart;
        });
    }

    private void Finish(Guid uuid, string name, TimeSpan now, CancellationToken cancellation)
    {
        if (_attempts.GetValueOrDefault(uuid) is { IsPending: true } attempts && attempts.Due > now) return;
        Try(name, uuid, now, () =>
        {
            if (!_lifecycle.FinishRestart(uuid, Patience, cancellation)) return false;
            _log($"domain '{name}' was being restarted: that is finished");
            return true;
        });
    }

    /// <summary>Lets a guest go on whose saver was killed. One whose saver is at work is looked at again later: nobody tells of a process's death.</summary>
    private void GoOn(Guid uuid, TimeSpan now)
    {
        if (_attempts.GetValueOrDefault(uuid) is { IsPending: true } attempts && attempts.Due > now) return;
        try
        {
            if (_lifecycle.FinishSuspension(uuid) is var (name, goesOn))
            {
                _log(goesOn ? $"domain '{name}' was left suspended: it goes on" : $"domain '{name}' was saved, and is removed");
                _attempts.Remove(uuid);
                return;
            }
        }
        catch (LvmException error) when (error.ErrorId != ErrorIds.DomainInvalidState)
        {
            _log($"a suspended domain ({uuid}) does not go on: {error.Message}");
        }
        catch (LvmException)
        {
            // It is being saved.
        }

        AttemptsOf(uuid).Postpone(now);
    }

    /// <summary>
    /// Asks the other host where a guest goes on that was handed over to it, by somebody who was killed before that was known, or could not
    /// find it out. That may take long: it is done beside the rest, and again later where there is no answer.
    /// </summary>
    private void Ask(Guid uuid, string target, TimeSpan now, CancellationToken cancellation)
    {
        if (_attempts.GetValueOrDefault(uuid) is { IsPending: true } attempts && attempts.Due > now) return;
        AttemptsOf(uuid).Postpone(now);
        if (_asking.TryGetValue(uuid, out var asking) && !asking.IsCompleted) return;
        _asking[uuid] = Task.Run(
            () =>
            {
                try
                {
                    if (_moves.Resolve(uuid, cancellation) is { } fate)
                        _log($"a domain ({uuid}) was left suspended when it was moved to {target}: it goes on {(fate == MoveFate.Committed ? "there" : "here")}");
                }
                catch (LvmException error) when (error.ErrorId == ErrorIds.DomainInvalidState)
                {
                    // It is being moved.
                }
                catch (LvmException error)
                {
                    _log($"a domain ({uuid}) stays suspended: {error.Message}");
                }
            },
            CancellationToken.None);
    }

    /// <summary>Finishes what a receiver has left that was killed. One whose receiver is at work is looked at again later.</summary>
    private void Recover(Guid ticket, TimeSpan now)
    {
        if (_attempts.GetValueOrDefault(ticket) is { IsPending: true } attempts && attempts.Due > now) return;
        try
        {
            if (_moves.RecoverArrival(ticket) is { } done) _log(done);
            _attempts.Remove(ticket);
            return;
        }
        catch (LvmException error) when (error.ErrorId != ErrorIds.DomainInvalidState)
        {
            _log($"what a receiver left is not finished: {error.Message}");
        }
        catch (LvmException)
        {
            // It is being received.
        }

        AttemptsOf(ticket).Postpone(now);
    }

    /// <param name="work">Tells whether it has started a domain.</param>
    private void Try(string name, Guid uuid, TimeSpan now, Func<bool> work)
    {
        try
        {
            if (work()) AttemptsOf(uuid).Succeeded(now);
            else _attempts.Remove(uuid);
        }
        catch (LvmException error)
        {
            var attempts = AttemptsOf(uuid);
            attempts.Postpone(now);
            _log($"domain '{name}': {error.Message} It is tried again in {(attempts.Due - now).TotalSeconds:0} s.");
        }
    }

    private Attempts AttemptsOf(Guid uuid) => _attempts.TryGetValue(uuid, out var attempts) ? attempts : _attempts[uuid] = new Attempts();

    /// <summary>How often a domain was to be started, and when it is next. Times are since this began to run.</summary>
    private sealed class Attempts
    {
        private int _postponements;

        /// <summary>When it was last started.</summary>
        public TimeSpan Last { get; private set; }

        public TimeSpan Due { get; private set; }

        public bool IsPending { get; private set; }

        /// <summary>1, 2, 4, 8 … seconds, and a minute at the most.</summary>
        public void Postpone(TimeSpan now)
        {
            var delay = TimeSpan.FromSeconds(Math.Pow(2, Math.Min(_postponements++, 6)));
            Due = now + (delay < LongestDelay ? delay : LongestDelay);
            IsPending = true;
        }

        public void Succeeded(TimeSpan now)
        {
            // What waited for its turn has not yet shown that it lives longer now.
            if (!IsPending && now - Last > ShortLife) _postponements = 0;
            Last = now;
            IsPending = false;
        }
    }
}
