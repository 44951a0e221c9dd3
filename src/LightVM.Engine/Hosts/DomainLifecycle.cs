using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.RegularExpressions;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Hosts;

/// <summary>How domains end: what their guests are asked to do, what happens then, and waiting for it.</summary>
public sealed class DomainLifecycle
{
    /// <summary>That somebody has unpaused a domain nobody tells: it is looked at as often as this.</summary>
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>What timers can do with; then it is looked again.</summary>
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(1);

    /// <summary>A guest that has not suspended itself by this time after it was asked will not do so any more: Linux gives up after 20 seconds.</summary>
    private static readonly TimeSpan LongestSuspending = TimeSpan.FromMinutes(1);

    private readonly HostContext _host;

    internal DomainLifecycle(HostContext host)
    {
        _host = host;
    }

    /// <summary>Asks a guest to power off, to reboot or to suspend, and does not wait. Errors: DomainGone, DomainProtected, DomainInvalidState.</summary>
    public void Request(DomainKey key, ShutdownReason reason) => During(key, OperationOf(reason), () =>
    {
        if (!TryAsk(key, reason, out var why)) throw new LvmException(ErrorIds.DomainInvalidState, why ?? "its guest has ended already");
        return key;
    });

    /// <summary>
    /// Keeps a domain after its guest's next power-off, whatever its configuration said of that. Errors: DomainGone, DomainProtected, and
    /// DomainInvalidState for a domain of another toolstack, which decides that itself.
    /// </summary>
    /// <returns>What its configuration said before.</returns>
    public LifecycleAction KeepAfterPoweroff(DomainKey key) => SetOnPoweroff(key, LifecycleAction.Preserve);

    /// <inheritdoc cref="Stop(IReadOnlyCollection{DomainKey}, TimeSpan, bool, bool, int?, CancellationToken)"/>
    /// <returns>What is left of the domain: kept (on_poweroff preserve, or another toolstack's) or started again (restart); null for nothing.</returns>
    public Domain? Stop(DomainKey key, TimeSpan timeout, bool force = false, bool keep = false, CancellationToken cancellation = default) =>
        Stop([key], timeout, force, keep, workers: 1, cancellation).Single().Require();

    /// <summary>
    /// Shuts domains down: asks all of their guests, waits for each one's end, and does what its configuration says of a power-off. Where a
    /// guest does not end in time, the request is taken back and the domain runs on; so it does where this is cancelled, or no more
    /// outcomes are asked for. Errors of a domain: ShutdownTimeout, DomainGone, DomainProtected, DomainInvalidState, OperationCancelled.
    /// </summary>
    /// <param name="timeout">For all together; <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <param name="force">Whether a guest that does not end in time, or cannot be asked, is destroyed.</param>
    /// <param name="keep">Whether the domain is kept after its end, as by <see cref="KeepAfterPoweroff"/>.</param>
    /// <param name="workers">How many domains are asked, and ended, at once; <see cref="WorkQueue.DefaultWorkers"/> where nothing is said.</param>
    /// <returns>One outcome for each domain, as soon as it is there.</returns>
    public IEnumerable<DomainOutcome> Stop(
        IReadOnlyCollection<DomainKey> keys, TimeSpan timeout, bool force = false, bool keep = false, int? workers = null, CancellationToken cancellation = default)
    {
        var before = new ConcurrentDictionary<DomainKey, LifecycleAction>();
        return End(keys, "stop", ShutdownReason.Poweroff, timeout, force, Prepare, Finish, TakeBack, workers, cancellation);

        void Prepare(DomainKey key)
        {
            if (keep) before[key] = KeepAfterPoweroff(key);
        }

        void TakeBack(DomainKey key)
        {
            if (before.TryGetValue(key, out var action) && _host.Find(key) is not null) SetOnPoweroff(key, action);
        }

        Domain? Finish(DomainKey key, bool ended)
        {
            if (ended && CarryOut(key, HostContext.HoldPatience, stopped: true, CancellationToken.None) == LifecycleAction.Destroy) return null;
            if (!ended && _host.Find(key) is not null) Destroy(key);
            return FindLive(key.Uuid) is { } left ? _host.Describe(left, DateTimeOffset.UtcNow) : null;
        }
    }

    /// <inheritdoc cref="Restart(IReadOnlyCollection{DomainKey}, TimeSpan, bool, int?, CancellationToken)"/>
    /// <returns>The domain that runs now.</returns>
    public Domain Restart(DomainKey key, TimeSpan timeout, bool force = false, CancellationToken cancellation = default) =>
        Restart([key], timeout, force, workers: 1, cancellation).Single().Require()!;

    /// <summary>
    /// Restarts domains: asks all of their guests to reboot, waits for each one's end, and creates the domain anew, with the same uuid, name
    /// and devices. Errors of a domain: as <see cref="Stop(DomainKey, TimeSpan, bool, bool, CancellationToken)"/>, those of a creation, and
    /// DomainInvalidState for a domain of another toolstack, whose configuration is not known.
    /// </summary>
    /// <param name="timeout">For all together; <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <param name="force">Whether a guest that does not end in time, or cannot be asked, is destroyed.</param>
    /// <param name="workers">How many domains are asked, and created anew, at once; <see cref="WorkQueue.DefaultWorkers"/> where nothing is said.</param>
    /// <returns>One outcome for each domain, as soon as it is there.</returns>
    public IEnumerable<DomainOutcome> Restart(IReadOnlyCollection<DomainKey> keys, TimeSpan timeout, bool force = false, int? workers = null, CancellationToken cancellation = default)
    {
        // The device daemon may be quicker, and do what its configuration says of the end: what the domain is made of has to be known before.
        var configs = new ConcurrentDictionary<DomainKey, DomainConfig>();
        return End(keys, "restart", ShutdownReason.Reboot, timeout, force, Prepare, Finish, _ => { }, workers, cancellation);

        void Prepare(DomainKey key)
        {
            _host.RequireGuest(key, "restart");
            configs[key] = _host.ConfigFor(key) ?? throw new LvmException(ErrorIds.DomainInvalidState, "another toolstack created it, so what it is made of is not known here");
        }

        Domain Finish(DomainKey key, bool ended)
        {
            using var hold = _host.Directory.HoldDomain(key.Uuid, HostContext.HoldPatience);
            // Whoever restarts it leaves it held until it runs, or leaves a note of it.
            FinishRestartOf(key.Uuid, CancellationToken.None);
            return FindLive(key.Uuid) is { } other && other.Key != key ? _host.Describe(other, DateTimeOffset.UtcNow) : Recreate(key, configs[key], CancellationToken.None); // there is no domain to go back to
        }
    }

    /// <summary>
    /// Waits until a domain is what was asked for. Errors: WaitTimeout, DomainGone and DomainInvalidState (when it can never be that any
    /// more), OperationCancelled.
    /// </summary>
    /// <returns>The domain; null when it is gone and that was waited for.</returns>
    public Domain? WaitFor(DomainKey key, DomainCondition condition, TimeSpan timeout, CancellationToken cancellation = default) =>
        WaitFor([key], condition, timeout, cancellation).Single().Require();

    /// <inheritdoc cref="WaitFor(DomainKey, DomainCondition, TimeSpan, CancellationToken)"/>
    /// <param name="timeout">For all together; <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <returns>One outcome for each domain, as soon as it is there.</returns>
    public IEnumerable<DomainOutcome> WaitFor(IReadOnlyCollection<DomainKey> keys, DomainCondition condition, TimeSpan timeout, CancellationToken cancellation = default)
    {
        var operation = $"wait for {condition} of";
        var names = NamesOf(keys);
        var interval = condition == DomainCondition.Running ? LookInterval : Timeout.InfiniteTimeSpan;
        IAddressWatch? addresses = null;
        foreach (var (key, end) in Await(names.Keys.ToList(), IsReached, Watch, timeout, interval, cancellation))
        {
            var address = addresses?.Find(key);
            var outcome = Outcome(key, operation, names[key], () => Arrived(key, end, address is not null));
            yield return address is not null && outcome.Domain is { } domain ? outcome with { Address = new DomainAddress(domain, address.MacAddress, address.Address) } : outcome;
        }

        IDomainWatch Watch() => condition == DomainCondition.Address ? addresses = _host.Bus.WatchAddresses(names.Keys) : _host.Directory.Watch();

        bool IsReached(DomainKey key, DomainInfo? info) => Reached(info, condition) || addresses?.Find(key) is not null;

        Domain? Arrived(DomainKey key, WaitEnd end, bool hasAddress)
        {
            var info = _host.Find(key);
            if (end == WaitEnd.Cancelled) throw Cancelled("it was cancelled while it waited");
            if (end == WaitEnd.TooLate) throw new LvmException(ErrorIds.WaitTimeout, condition == DomainCondition.Address
                ? $"nothing was heard of an address within {timeout.TotalSeconds:0.#} s"
                : $"it is {info?.State.ToString() ?? "gone"} after {timeout.TotalSeconds:0.#} s");
            if (condition == DomainCondition.Running || (condition == DomainCondition.Address && !hasAddress))
            {
                if (info is null) throw new LvmException(ErrorIds.DomainGone, $"domain {key} is gone");
                if (HasEnded(info)) throw new LvmException(ErrorIds.DomainInvalidState, $"its guest has ended ({info.Value.ShutdownReason})");
            }

            return info is { } found ? _host.Describe(found, DateTimeOffset.UtcNow) : null;
        }
    }

    /// <summary>
    /// Waits until each of some guests has written a line on its console that matches, also before this was called. Errors of a domain:
    /// those of <see cref="DomainConsoles.WaitForLine"/>.
    /// </summary>
    /// <param name="timeout">For all together; <see cref="Timeout.InfiniteTimeSpan"/> for no limit.</param>
    /// <returns>One outcome for each domain, as soon as it is there, with the line.</returns>
    public IEnumerable<DomainOutcome> WaitForConsole(IReadOnlyCollection<DomainKey> keys, Regex pattern, TimeSpan timeout, CancellationToken cancellation = default)
    {
        var consoles = new DomainConsoles(_host);
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var waiting = keys.Distinct().Select(key => Task.Factory.StartNew(() => Wait(key), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToList();
        try
        {
            while (waiting.Count > 0)
            {
                var first = waiting[Task.WaitAny([.. waiting], CancellationToken.None)];
                waiting.Remove(first);
                yield return first.GetAwaiter().GetResult();
            }
        }
        finally
        {
            leaving.Cancel();
            Task.WaitAll([.. waiting], CancellationToken.None);
        }

        DomainOutcome Wait(DomainKey key)
        {
            var line = "";
            return Outcome(key, "wait for the console of", _host.NameOf(key), () =>
            {
                try
                {
                    line = consoles.WaitForLine(key, pattern, timeout, leaving.Token);
                }
                catch (RegexMatchTimeoutException error)
                {
                    throw new LvmException(ErrorIds.WaitTimeout, $"a line of its console takes longer than {error.MatchTimeout.TotalSeconds:0.#} s to be matched with '{pattern}'", error);
                }

                return _host.Find(key) is { } info ? _host.Describe(info, DateTimeOffset.UtcNow) : null;
            }) with
            { Line = line };
        }
    }

    /// <summary>Destroys a domain at once; one that is just being restarted is not to come back. Errors: DomainGone, DomainProtected.</summary>
    internal void Destroy(DomainKey key) => During(key, "destroy", () =>
    {
        if (key.Id == 0) _host.RequireGuest(key, "destroy");
        using var hold = _host.Directory.HoldDomain(key.Uuid, HostContext.HoldPatience);
        if (_host.Find(key) is null && AbandonRestart(key.Uuid)) return key;
        _host.RequireGuest(key, "destroy");
        Remove(key);
        return key;
    });

    /// <summary>Does what a domain's configuration says of the end that its guest has come to. One that runs, is gone, or is another toolstack's is left alone.</summary>
    /// <param name="patience">How long to wait for somebody else who is changing the domain.</param>
    /// <param name="stopped">Whether it was to be stopped: then it does not come back because its guest has crashed or rebooted instead.</param>
    /// <param name="cancellation">Cancels a restart; it is left for somebody else to finish.</param>
    /// <returns>What was done; null for nothing.</returns>
    internal LifecycleAction? CarryOut(DomainKey key, TimeSpan patience, bool stopped = false, CancellationToken cancellation = default)
    {
        using var hold = _host.Directory.HoldDomain(key.Uuid, patience);
        if (_host.Find(key) is not { ShutdownReason: { } reason } || _host.Directory.FindConfig(key) is not { } config) return null;
        var action = ActionFor(config, reason);
        if (stopped && action == LifecycleAction.Restart) action = config.OnPoweroff;
        switch (action)
        {
            case LifecycleAction.Destroy:
                Remove(key);
                break;
            case LifecycleAction.Restart:
                Recreate(key, _host.ConfigFor(key)!, cancellation);
                break;
        }

        return action;
    }

    /// <summary>What shall happen of an ended domain; null for one that runs, is gone or is another toolstack's.</summary>
    internal LifecycleAction? ActionFor(DomainKey key) =>
        _host.Find(key) is { ShutdownReason: { } reason } && _host.Directory.FindConfig(key) is { } config ? ActionFor(config, reason) : null;

    /// <summary>
    /// Whether nothing happens about a domain whose guest has ended. Not known while somebody changes it: one that is made of a shell runs before it is written what
    /// shall happen when it ends.
    /// </summary>
    internal bool IsLeftAlone(DomainKey key)
    {
        using var hold = _host.TryHold(key.Uuid);
        return hold is not null && ActionFor(key) is null or LifecycleAction.Preserve;
    }

    /// <summary>The domains whose guests have ended.</summary>
    internal List<DomainKey> ListEnded() =>
        _host.Hypervisor.ListDomains().Where(domain => HasEnded(domain)).Select(domain => domain.Key).ToList();

    /// <summary>Forgets what domains were made of that other toolstacks destroyed.</summary>
    internal void ForgetGone()
    {
        var known = _host.Directory.ListConfigs(); // looked at first: a domain is there before its configuration is
        if (known.Count == 0) return;
        var there = _host.Hypervisor.ListDomains().Where(domain => domain.State != DomainState.Dying).Select(domain => domain.Key.Uuid).ToHashSet();
        foreach (var uuid in known.Where(uuid => !there.Contains(uuid))) ForgetUnlessHeld(uuid);
    }

    /// <summary>Who removes a domain does this himself, and who restarts one will need it: they hold the domain. If it is left behind after all, the next time finds it.</summary>
    private void ForgetUnlessHeld(Guid uuid)
    {
        using var hold = _host.TryHold(uuid);
        if (hold is not null && FindLive(uuid) is null) _host.Directory.RemoveConfig(uuid);
    }

    internal string NameOf(DomainKey key) => _host.NameOf(key);

    internal IDomainWatch Watch() => _host.Directory.Watch();

    /// <summary>The restarts that were begun by somebody who has not finished them: not yet, or never will.</summary>
    internal IEnumerable<(Guid Uuid, string Name)> ListUnfinishedRestarts() => _host.Directory.UnfinishedRestarts().Select(restart => (restart.Uuid, restart.Config.Name));

    /// <summary>The suspensions that were begun by somebody who has not ended them: not yet, or never will.</summary>
    internal IEnumerable<(Guid Uuid, Suspension Suspension)> ListSuspensions() => _host.Directory.Suspensions();

    /// <summary>
    /// Lets a guest go on whose saver, or mover, is no more; one that was saved whole goes. Errors: DomainInvalidState when somebody is at
    /// it still.
    /// </summary>
    /// <returns>The domain, and whether it goes on; null when there was nothing to do.</returns>
    internal (string Name, bool GoesOn)? FinishSuspension(Guid uuid)
    {
        using var hold = _host.Directory.HoldDomain(uuid, TimeSpan.Zero);
        if (_host.Directory.Suspensions().FirstOrDefault(suspension => suspension.Uuid == uuid).Suspension is not { HandedOver: null } suspension) return null;
        var info = FindLive(uuid);
        var isUnread = info is { } found && _host.Bus.WithdrawRequest(found.Key);
        if (info is { } live && _host.Find(live.Key) is { ShutdownReason: ShutdownReason.Suspend })
        {
            var name = _host.NameOf(live.Key);
            if (suspension.IsSaved) _host.Destroy(live.Key);
            else GuestSuspension.LetGoOn(_host, live.Key);
            _host.Directory.EndSuspension(uuid);
            return (name, !suspension.IsSaved);
        }

        // Asked already, and not suspended yet, perhaps: then it is looked at again.
        if (isUnread || !IsRunning(info) || DateTimeOffset.UtcNow - suspension.Since > LongestSuspending) _host.Directory.EndSuspension(uuid);
        return null;
    }

    /// <summary>Finishes a restart that was begun. False when somebody else did so meanwhile.</summary>
    /// <param name="patience">How long to wait for somebody else who is changing the domain.</param>
    internal bool FinishRestart(Guid uuid, TimeSpan patience, CancellationToken cancellation = default)
    {
        using var hold = _host.Directory.HoldDomain(uuid, patience);
        return FinishRestartOf(uuid, cancellation);
    }

    /// <summary>Null where an end is not for the lifecycle to decide: a suspended guest is being saved.</summary>
    private static LifecycleAction? ActionFor(DomainConfig config, ShutdownReason reason) => reason switch
    {
        ShutdownReason.Poweroff => config.OnPoweroff,
        ShutdownReason.Reboot => config.OnReboot,
        ShutdownReason.Crash or ShutdownReason.Watchdog => config.OnCrash,
        _ => null,
    };

    /// <summary>Creates a domain again, in place of what there is of it. The caller holds it.</summary>
    private Domain Recreate(DomainKey key, DomainConfig config, CancellationToken cancellation)
    {
        _host.Directory.BeginRestart(key.Uuid, config);
        if (_host.Find(key) is not null) _host.Destroy(key);
        return Create(config, cancellation);
    }

    private Domain Create(DomainConfig config, CancellationToken cancellation)
    {
        var (created, record) = DomainCreation.Run(_host.ForCreation, config, cancellation);
        _host.Directory.EndRestart(config.Uuid!.Value);
        return _host.Describe(_host.Require(created, "restart"), DateTimeOffset.UtcNow) with { Creation = record };
    }

    private bool FinishRestartOf(Guid uuid, CancellationToken cancellation)
    {
        if (_host.Directory.UnfinishedRestarts().FirstOrDefault(restart => restart.Uuid == uuid).Config is not { } config) return false;
        if (FindLive(uuid) is { } found && IsRunning(found))
        {
            _host.Directory.EndRestart(uuid);
            return true;
        }

        DestroyAll(uuid); // the old one, or half of the new one
        Create(config, cancellation);
        return true;
    }

    /// <summary>Gives a restart up that was begun, with what there is of the domain. False when none was. The caller holds it.</summary>
    private bool AbandonRestart(Guid uuid)
    {
        if (_host.Directory.UnfinishedRestarts().All(restart => restart.Uuid != uuid)) return false;
        _host.Directory.EndRestart(uuid);
        DestroyAll(uuid);
        return true;
    }

    /// <summary>Destroys a domain that the caller holds, for good.</summary>
    private void Remove(DomainKey key)
    {
        _host.Directory.EndRestart(key.Uuid);
        _host.Destroy(key);
    }

    private void DestroyAll(Guid uuid)
    {
        while (FindLive(uuid) is { } found) _host.Destroy(found.Key);
    }

    private DomainInfo? FindLive(Guid uuid)
    {
        foreach (var domain in _host.Hypervisor.ListDomains())
        {
            if (domain.Key.Uuid == uuid && domain.State != DomainState.Dying) return domain;
        }

        return null;
    }

    private LifecycleAction SetOnPoweroff(DomainKey key, LifecycleAction action) => _host.Change(key, "keep", _ =>
    {
        var config = _host.Directory.FindConfig(key) ?? throw new LvmException(ErrorIds.DomainInvalidState, "another toolstack created it, and decides what becomes of it");
        var draft = config.ToDraft();
        draft.OnPoweroff = action;
        _host.Directory.SaveConfig(key, DomainConfig.From(draft));
        return config.OnPoweroff;
    });

    /// <summary>Asks a guest. False when it has ended already, or does not run: then it would do nothing, however long one waits.</summary>
    /// <param name="why">Why it cannot answer; null when it has ended.</param>
    private bool TryAsk(DomainKey key, ShutdownReason reason, out string? why)
    {
        var info = _host.RequireGuest(key, OperationOf(reason));
        why = info switch
        {
            { State: DomainState.Paused } => "it is paused, so its guest cannot answer; resume it first, or turn it off",
            { ShutdownReason: ShutdownReason.Suspend } => "it is suspended, so its guest cannot answer",
            _ => null,
        };
        if (why is not null || HasEnded(info)) return false;
        _host.Bus.Request(key, reason);
        return true;
    }

    /// <summary>Brings guests to their ends: asks all of them, then waits for all.</summary>
    /// <param name="prepare">Done with each domain before its guest is asked.</param>
    /// <param name="finish">Done with each domain whose guest has ended, or has to be given up, which only force allows.</param>
    /// <param name="takeBack">Done with each domain that is to run on.</param>
    private IEnumerable<DomainOutcome> End(
        IReadOnlyCollection<DomainKey> keys,
        string operation,
        ShutdownReason reason,
        TimeSpan timeout,
        bool force,
        Action<DomainKey> prepare,
        Func<DomainKey, bool, Domain?> finish,
        Action<DomainKey> takeBack,
        int? workers,
        CancellationToken cancellation)
    {
        var names = NamesOf(keys);
        var asked = new ConcurrentQueue<DomainKey>();
        var mute = new ConcurrentQueue<DomainKey>();
        var refused = AskAll();

        // What becomes of the guests is heard by a thread of its own, and seen to by several; they are told of here, as soon as there is something to tell.
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var endings = new WorkQueue<(DomainKey Key, WaitEnd? End), DomainOutcome>(workers ?? WorkQueue.DefaultWorkers, (each, _) => Outcome(each.Key, operation, names[each.Key], () => Finish(each.Key, each.End)));
        var hearing = Task.Factory.StartNew(Hear, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            foreach (var outcome in refused) yield return outcome;
            while (endings.Take(out var done)) yield return done.Result!;
            hearing.GetAwaiter().GetResult();
        }
        finally
        {
            // Nobody waits any more for those that are left: their requests are taken back.
            leaving.Cancel();
            while (endings.Take(out _))
            {
                // Nobody wants to know.
            }

            Task.WaitAny([hearing], CancellationToken.None);
        }

        // All are asked before anybody is told of the first.
        List<DomainOutcome> AskAll()
        {
            using var asking = new WorkQueue<DomainKey, Domain?>(workers ?? WorkQueue.DefaultWorkers, (key, _) => Begin(key));
            var failed = new List<DomainOutcome>();
            foreach (var key in names.Keys) asking.Add(key);
            asking.Complete();
            while (asking.Take(out var begun))
            {
                if (begun.Error is { } error) failed.Add(new DomainOutcome(begun.Item, null, error.During(operation, names[begun.Item])));
            }

            return failed;
        }

        void Hear()
        {
            try
            {
                foreach (var key in mute) endings.Add((key, null));
                foreach (var (key, end) in Await(asked.ToList(), (_, info) => Reached(info, DomainCondition.Shutdown), _host.Directory.Watch, timeout, Timeout.InfiniteTimeSpan, leaving.Token))
                    endings.Add((key, end));
            }
            catch (LvmException)
            {
                // Nobody hears of their ends.
                foreach (var key in asked) Outcome(key, operation, names[key], () => GiveUp(key));
                throw;
            }
            finally
            {
                endings.Complete();
            }
        }

        Domain? Finish(DomainKey key, WaitEnd? end) => end switch
        {
            null => finish(key, false), // it cannot be asked
            WaitEnd.Reached => finish(key, true),
            WaitEnd.TooLate when force => finish(key, false),
            WaitEnd.TooLate => throw new LvmException(ErrorIds.ShutdownTimeout, $"its guest has not ended within {timeout.TotalSeconds:0.#} s; {GiveUp(key)}"),
            _ => throw Cancelled($"it was cancelled; {GiveUp(key)}"),
        };

        Domain? Begin(DomainKey key)
        {
            if (cancellation.IsCancellationRequested) throw Cancelled("it was cancelled before its turn came");
            prepare(key);
            try
            {
                if (TryAsk(key, reason, out var why) || why is null) asked.Enqueue(key);
                else if (force) mute.Enqueue(key);
                else throw new LvmException(ErrorIds.DomainInvalidState, why);
                return null;
            }
            catch (LvmException)
            {
                takeBack(key);
                throw;
            }
        }

        string GiveUp(DomainKey key)
        {
            var unread = _host.Find(key) is not null && _host.Bus.WithdrawRequest(key);
            takeBack(key);
            return unread ? "the guest has not taken up the request, which was taken back" : "the guest has taken up the request";
        }
    }

    private enum WaitEnd
    {
        Reached,
        TooLate,
        Cancelled,
    }

    /// <summary>Waits for a state of things that domains' beginnings and ends bring about.</summary>
    /// <param name="waiting">Each domain is taken out as soon as it is there, or at the end.</param>
    /// <param name="interval">How often to look without having been told; infinite for never.</param>
    private IEnumerable<(DomainKey Key, WaitEnd End)> Await(List<DomainKey> waiting, Func<DomainKey, DomainInfo?, bool> reached, Func<IDomainWatch> open, TimeSpan timeout, TimeSpan interval, CancellationToken cancellation)
    {
        var begin = Stopwatch.GetTimestamp();
        IDomainWatch? watch = null;
        try
        {
            for (var end = WaitEnd.Reached; waiting.Count > 0;)
            {
                var look = _host.Look(waiting.Count);
                foreach (var key in waiting.ToArray())
                {
                    if (!reached(key, look(key))) continue;
                    waiting.Remove(key);
                    yield return (key, WaitEnd.Reached);
                }

                if (waiting.Count == 0) break;
                if (end != WaitEnd.Reached)
                {
                    foreach (var key in waiting.ToArray())
                    {
                        waiting.Remove(key);
                        yield return (key, end);
                    }

                    break;
                }

                // Between the first look and the watch anything may have happened: it is looked again before anybody waits.
                if (watch is not null) end = Wait(watch);
                else watch = open();
            }
        }
        finally
        {
            watch?.Dispose();
        }

        // Whatever ends the waiting, there is one more look.
        WaitEnd Wait(IDomainWatch watch)
        {
            try
            {
                var left = timeout == Timeout.InfiniteTimeSpan ? LongestWait : timeout - Stopwatch.GetElapsedTime(begin);
                if (left <= TimeSpan.Zero) return WaitEnd.TooLate;
                var step = interval == Timeout.InfiniteTimeSpan ? LongestWait : interval;
                watch.Wait(left < step ? left : step, cancellation);
                return WaitEnd.Reached;
            }
            catch (OperationCanceledException)
            {
                return WaitEnd.Cancelled;
            }
        }
    }

    /// <summary>Of a domain that is gone nobody knows the name any more: for errors, they are noted beforehand.</summary>
    private Dictionary<DomainKey, string> NamesOf(IReadOnlyCollection<DomainKey> keys) => keys.Distinct().ToDictionary(key => key, _host.NameOf);

    private static DomainOutcome Outcome(DomainKey key, string operation, string name, Func<object?> work)
    {
        try
        {
            return new DomainOutcome(key, work() as Domain);
        }
        catch (LvmException error)
        {
            return new DomainOutcome(key, null, error.During(operation, name));
        }
    }

    private T During<T>(DomainKey key, string operation, Func<T> work)
    {
        var name = _host.NameOf(key);
        try
        {
            return work();
        }
        catch (LvmException error)
        {
            throw error.During(operation, name);
        }
    }

    private static LvmException Cancelled(string problem) => new(ErrorIds.OperationCancelled, problem);

    private static bool IsRunning(DomainInfo? info) => info?.State is DomainState.Running or DomainState.Blocked or DomainState.Runnable;

    /// <summary>A suspended guest has not ended: it is being saved.</summary>
    private static bool HasEnded(DomainInfo? info) => info is { State: DomainState.Shutdown or DomainState.Crashed, ShutdownReason: not ShutdownReason.Suspend };

    /// <summary>Whether there is nothing to wait for any more. What can never be is told, too.</summary>
    private static bool Reached(DomainInfo? domain, DomainCondition condition) => condition switch
    {
        DomainCondition.Running => domain is not { } info || IsRunning(info) || HasEnded(info),
        DomainCondition.Shutdown or DomainCondition.Address => domain is null || HasEnded(domain),
        _ => domain is null,
    };

    private static string OperationOf(ShutdownReason reason) => reason switch
    {
        ShutdownReason.Reboot => "reboot",
        ShutdownReason.Suspend => "suspend",
        _ => "shut down",
    };
}
