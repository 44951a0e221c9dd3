using System.Diagnostics;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Hosts;

/// <summary>How domains end: what their guests are asked to do, what happens then, and waiting for it.</summary>
public sealed class DomainLifecycle
{
    private readonly HostContext _host;

    internal DomainLifecycle(HostContext host)
    {
        _host = host;
    }

    /// <summary>Asks a guest to power off, to reboot or to suspend, and does not wait. Errors: DomainGone, DomainProtected, DomainInvalidState.</summary>
    public void Request(DomainKey key, ShutdownReason reason)
    {
        var operation = OperationOf(reason);
        try
        {
            var info = _host.RequireGuest(key, operation);
            if (info.State is DomainState.Shutdown or DomainState.Crashed) throw new LvmException(ErrorIds.DomainInvalidState, $"it is {info.State} already");
            // A guest that is paused does nothing, however long one waits.
            if (info.State == DomainState.Paused) throw new LvmException(ErrorIds.DomainInvalidState, "it is paused, so its guest cannot answer; resume it first, or turn it off");
            _host.Bus.Request(key, reason);
        }
        catch (LvmException error)
        {
            throw error.During(operation, _host.NameOf(key));
        }
    }

    /// <summary>
    /// Shuts a domain down: asks its guest, waits for its end, and does what its configuration says of a power-off.
    /// When the guest does not end in time, the request is taken back and the domain runs on. Errors: ShutdownTimeout,
    /// DomainGone, DomainProtected, DomainInvalidState, OperationCancelled.
    /// </summary>
    /// <param name="force">Whether a guest that does not end in time, or cannot, is destroyed.</param>
    /// <returns>The domain where it is kept (on_poweroff preserve, or another toolstack's); null where nothing is left of it.</returns>
    public Domain? Stop(DomainKey key, TimeSpan timeout, bool force = false, CancellationToken cancellation = default)
    {
        const string Operation = "stop";
        try
        {
            if (!TryEnd(key, ShutdownReason.Poweroff, timeout, force, cancellation)) Destroy(key, Operation);
            else CarryOut(key);
            return _host.Find(key) is { } left ? _host.Describe(left, DateTimeOffset.UtcNow) : null;
        }
        catch (LvmException error)
        {
            throw error.During(Operation, _host.NameOf(key));
        }
    }

    /// <summary>
    /// Restarts a domain: asks its guest to reboot, waits for its end, and creates the domain anew, with the same uuid, name and devices.
    /// Errors: as <see cref="Stop"/>, those of a creation, and DomainInvalidState for a domain of another toolstack, whose
    /// configuration is not known.
    /// </summary>
    /// <param name="force">Whether a guest that does not end in time, or cannot, is destroyed.</param>
    public Domain Restart(DomainKey key, TimeSpan timeout, bool force = false, CancellationToken cancellation = default)
    {
        const string Operation = "restart";
        var name = _host.NameOf(key);
        try
        {
            _host.RequireGuest(key, Operation);
            var config = _host.Directory.FindConfig(key) ?? throw new LvmException(ErrorIds.DomainInvalidState, "another toolstack created it, so what it is made of is not known here");
            TryEnd(key, ShutdownReason.Reboot, timeout, force, cancellation);
            using var hold = _host.Directory.HoldDomain(key.Uuid, HostContext.HoldPatience);
            // The daemon may have been quicker: then it runs again, under another id.
            foreach (var other in _host.Hypervisor.ListDomains())
            {
                if (other.Key.Uuid == key.Uuid && other.Key != key && other.State != DomainState.Dying) return _host.Describe(other, DateTimeOffset.UtcNow);
            }

            return Recreate(key, config);
        }
        catch (LvmException error)
        {
            throw error.During(Operation, name);
        }
    }

    /// <summary>
    /// Waits until a domain is what was asked for. Errors: WaitTimeout, DomainGone (when it can never be that any more), OperationCancelled.
    /// </summary>
    /// <returns>The domain; null when it is gone and that was waited for.</returns>
    public Domain? WaitFor(DomainKey key, DomainCondition condition, TimeSpan timeout, CancellationToken cancellation = default)
    {
        var operation = $"wait for {condition} of";
        try
        {
            DomainInfo? last = null;
            var reached = WaitUntil(() => Reached(last = _host.Find(key), condition), timeout, IntervalFor(condition), cancellation);
            if (!reached) throw new LvmException(ErrorIds.WaitTimeout, $"it is {last?.State.ToString() ?? "gone"} after {timeout.TotalSeconds:0.#} s");
            if (last is null && condition == DomainCondition.Running) throw new LvmException(ErrorIds.DomainGone, $"domain {key} is gone");
            return last is { } info ? _host.Describe(info, DateTimeOffset.UtcNow) : null;
        }
        catch (LvmException error)
        {
            throw error.During(operation, _host.NameOf(key));
        }
    }

    /// <summary>Does what a domain's configuration says of the end that its guest has come to. One that runs, is gone, or is another toolstack's is left alone.</summary>
    /// <returns>What was done; null for nothing.</returns>
    internal LifecycleAction? CarryOut(DomainKey key)
    {
        using var hold = _host.Directory.HoldDomain(key.Uuid, HostContext.HoldPatience);
        if (_host.Find(key) is not { ShutdownReason: { } reason } || _host.Directory.FindConfig(key) is not { } config) return null;
        var action = ActionFor(config, reason);
        switch (action)
        {
            case LifecycleAction.Destroy:
                _host.Destroy(key);
                break;
            case LifecycleAction.Restart:
                Recreate(key, config);
                break;
        }

        return action;
    }

    /// <summary>What shall happen of an ended domain; null for one that runs, is gone or is another toolstack's.</summary>
    internal LifecycleAction? ActionFor(DomainKey key) =>
        _host.Find(key) is { ShutdownReason: { } reason } && _host.Directory.FindConfig(key) is { } config ? ActionFor(config, reason) : null;

    /// <summary>The domains whose guests have ended.</summary>
    internal List<DomainKey> ListEnded() =>
        _host.Hypervisor.ListDomains().Where(domain => domain.State is DomainState.Shutdown or DomainState.Crashed).Select(domain => domain.Key).ToList();

    internal string NameOf(DomainKey key) => _host.NameOf(key);

    internal IDomainWatch Watch() => _host.Directory.Watch();

    /// <summary>The restarts that were begun by somebody who has not finished them: not yet, or never will.</summary>
    internal IEnumerable<(Guid Uuid, string Name)> ListUnfinishedRestarts() => _host.Directory.UnfinishedRestarts().Select(restart => (restart.Uuid, restart.Config.Name));

    /// <summary>Finishes a restart that was begun. False when somebody else did so meanwhile.</summary>
    internal bool FinishRestart(Guid uuid)
    {
        using var hold = _host.Directory.HoldDomain(uuid, HostContext.HoldPatience);
        if (_host.Directory.UnfinishedRestarts().FirstOrDefault(restart => restart.Uuid == uuid).Config is not { } config) return false;
        foreach (var domain in _host.Hypervisor.ListDomains().Where(domain => domain.Key.Uuid == uuid && domain.State != DomainState.Dying))
        {
            if (domain.State is DomainState.Running or DomainState.Blocked or DomainState.Runnable)
            {
                _host.Directory.EndRestart(uuid);
                return true;
            }

            _host.Destroy(domain.Key); // the old one, or half of the new one
        }

        DomainCreation.Run(_host.ForCreation, config, CancellationToken.None);
        _host.Directory.EndRestart(uuid);
        return true;
    }

    /// <summary>Null where an end is not for the lifecycle to decide: a suspended guest is being saved.</summary>
    private static LifecycleAction? ActionFor(DomainConfig config, ShutdownReason reason) => reason switch
    {
        ShutdownReason.Poweroff => config.OnPoweroff,
        ShutdownReason.Reboot => config.OnReboot,
        ShutdownReason.Crash or ShutdownReason.Watchdog => config.OnCrash,
        _ => null,
    };

    private Domain Recreate(DomainKey key, DomainConfig config)
    {
        var draft = config.ToDraft();
        draft.Uuid = key.Uuid;
        draft.Name = _host.Directory.Find(key)?.Name is { Length: > 0 } name ? name : config.Name;
        draft.Paused = false;
        var again = DomainConfig.From(draft);
        _host.Directory.BeginRestart(key.Uuid, again);
        if (_host.Find(key) is not null) _host.Destroy(key);
        // Not to be cancelled from here on: there is no domain to go back to.
        var (created, record) = DomainCreation.Run(_host.ForCreation, again, CancellationToken.None);
        _host.Directory.EndRestart(key.Uuid);
        return _host.Describe(_host.Require(created, "restart"), DateTimeOffset.UtcNow) with { Creation = record };
    }

    /// <summary>Brings a guest to its end. False when it had to be given up, which only force allows.</summary>
    private bool TryEnd(DomainKey key, ShutdownReason reason, TimeSpan timeout, bool force, CancellationToken cancellation)
    {
        if (_host.RequireGuest(key, OperationOf(reason)).State is DomainState.Shutdown or DomainState.Crashed) return true;
        try
        {
            Request(key, reason);
            if (WaitUntil(() => Reached(_host.Find(key), DomainCondition.Shutdown), timeout, Timeout.InfiniteTimeSpan, cancellation)) return true;
            if (!force)
            {
                var unread = _host.Bus.WithdrawRequest(key);
                throw new LvmException(ErrorIds.ShutdownTimeout, unread
                    ? $"its guest has not taken up the request within {timeout.TotalSeconds:0.#} s; the request was taken back"
                    : $"its guest has taken up the request and not ended within {timeout.TotalSeconds:0.#} s");
            }
        }
        catch (LvmException error) when (force && error.ErrorId == ErrorIds.DomainInvalidState)
        {
            // It cannot be asked: it is paused.
        }
        catch (LvmException error) when (error.ErrorId == ErrorIds.OperationCancelled)
        {
            _host.Bus.WithdrawRequest(key);
            throw;
        }

        return false;
    }

    private void Destroy(DomainKey key, string operation)
    {
        if (_host.Find(key) is null) return;
        _host.Change(key, operation, info =>
        {
            _host.Destroy(key);
            return info;
        });
    }

    /// <summary>Waits for a state of things that domains' beginnings and ends bring about. False when it did not come in time.</summary>
    /// <param name="interval">How often to look without having been told; infinite for never.</param>
    private bool WaitUntil(Func<bool> reached, TimeSpan timeout, TimeSpan interval, CancellationToken cancellation)
    {
        if (reached()) return true;
        var begin = Stopwatch.GetTimestamp();
        using var watch = _host.Directory.Watch();
        try
        {
            while (!reached())
            {
                var left = timeout == Timeout.InfiniteTimeSpan ? TimeSpan.MaxValue : timeout - Stopwatch.GetElapsedTime(begin);
                if (left <= TimeSpan.Zero) return false;
                var step = interval != Timeout.InfiniteTimeSpan && interval < left ? interval : left;
                watch.Wait(step == TimeSpan.MaxValue ? Timeout.InfiniteTimeSpan : step, cancellation);
            }

            return true;
        }
        catch (OperationCanceledException)
        {
            throw new LvmException(ErrorIds.OperationCancelled, "it was cancelled while it waited");
        }
    }

    private static bool Reached(DomainInfo? domain, DomainCondition condition) => condition switch
    {
        // Gone counts: whoever waits has to be told that it never will.
        DomainCondition.Running => domain is null or { State: DomainState.Running or DomainState.Blocked or DomainState.Runnable },
        DomainCondition.Shutdown => domain is null or { State: DomainState.Shutdown or DomainState.Crashed },
        _ => domain is null,
    };

    /// <summary>Ends are told; that somebody has unpaused a domain nobody tells, so it is looked at now and then.</summary>
    private static TimeSpan IntervalFor(DomainCondition condition) =>
        condition == DomainCondition.Running ? TimeSpan.FromMilliseconds(100) : Timeout.InfiniteTimeSpan;

    private static string OperationOf(ShutdownReason reason) => reason switch
    {
        ShutdownReason.Reboot => "reboot",
        ShutdownReason.Suspend => "suspend",
        _ => "shut down",
    };
}
