using System.Diagnostics;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Migration;

/// <summary>Makes the connection to a target. Errors: those of the transports.</summary>
internal delegate MigrationLink MigrationConnector(MigrationTarget target, TimeSpan timeout, CancellationToken cancellation);

/// <summary>
/// The source's side of one move. Until the target has all, whatever goes wrong lets the guest go on here. Then it is noted that the
/// target may be told so, and it is told to let the guest run; from there on only the target knows where the guest goes on, and is
/// asked until it says so.
/// </summary>
internal sealed class DomainMover(HostContext host, MigrationConnector connect, MoveTimes times, DomainKey key, MigrationTarget target)
{
    private readonly Guid _ticket = Guid.NewGuid();

    /// <summary>Asks the target what would prevent the move.</summary>
    public MoveReport Compare(TimeSpan timeout, CancellationToken cancellation)
    {
        var (info, config) = Require();
        var isLive = host.Hypervisor.CanSaveLive(key.Id);
        var obstacles = new List<MoveObstacle>();
        if (WhyNot(info) is { } problem) obstacles.Add(new MoveObstacle(ErrorIds.DomainInvalidState, problem));
        using var link = connect(target, timeout, cancellation);
        using var aborting = link.AbortOn(cancellation);
        var channel = new MoveChannel(link);
        var (peer, answer) = Ask(channel, OfferOf(compareOnly: true, isLive, config));
        return new MoveReport { Name = config.Name, Uuid = key.Uuid, Target = target, TargetName = peer.Host, TargetXen = peer.Xen, IsLive = isLive, Obstacles = [.. obstacles, .. answer.Obstacles] };
    }

    private Offer OfferOf(bool compareOnly, bool isLive, DomainConfig config) =>
        new(_ticket, compareOnly, isLive, config, host.Hypervisor.GetDomainCpu(key.Id)) { DevicesInUse = host.DevicesInUse(key, config) };

    public MoveResult Move(MoveOptions options, Action<MoveProgress>? progress, CancellationToken cancellation)
    {
        var begin = Stopwatch.GetTimestamp();
        Require();
        using var hold = host.Directory.HoldDomain(key.Uuid, HostContext.HoldPatience);
        var (info, config) = Require();
        if (WhyNot(info) is { } problem) throw new LvmException(ErrorIds.DomainInvalidState, problem);
        var canBeLive = host.Hypervisor.CanSaveLive(key.Id);
        var isLive = options.MaximumRounds > 0 && canBeLive;
        if (!isLive && options.MaximumDowntime is not null)
            throw new LvmException(ErrorIds.DowntimeTooLong, $"{(canBeLive ? "without rounds" : $"a {info.Type} guest cannot be copied while it runs here, and")} nobody can tell how long it will stand still");

        progress?.Invoke(new MoveProgress(MovePhase.Asking, 0, info.MemoryKiB / 4, 0, null, 0, 0, null));
        using var link = connect(target, options.ConnectTimeout, cancellation);
        var channel = new MoveChannel(link);
        Hello peer;
        Answer answer;
        using (link.AbortOn(cancellation))
        {
            (peer, answer) = Ask(channel, OfferOf(compareOnly: false, isLive, config));
        }

        var canMark = peer.Protocol >= Hello.MarkingProtocol;

        if (!answer.IsAccepted) throw channel.Explain(answer.Obstacles);
        CrashPoint.Reach(MoveCrashPoints.SourceOffered);
        using var suspension = new GuestSuspension(host, key, "move", options.SuspendTimeout, cancellation);
        using var words = new TargetWords(channel);
        var (length, copy) = Copy(channel, words, canMark, suspension, options, isLive, info.MemoryKiB / 4, progress, cancellation);
        // While the target is at it. As long as it has not been told to let the guest run, it answers whoever finds this that it never will.
        var handOver = new HandOver(target.ToString(), _ticket, peer.Boot);
        suspension.NoteHandOver(handOver);
        if (cancellation.IsCancellationRequested) throw Cancelled();
        var running = HandOver(channel, words, suspension, handOver, TellProgress, cancellation);
        var downtime = Stopwatch.GetElapsedTime(suspension.SuspendedAt!.Value, running.At);
        CrashPoint.Reach(MoveCrashPoints.SourceRunning);

        // It runs there: here is only what is left of it.
        MoveResolver.Forget(host, key);
        CrashPoint.Reach(MoveCrashPoints.SourceDestroyed);
        using (running.Answered.Link) MoveResolver.TellGone(running.Answered, _ticket);
        var warnings = answer.Obstacles.Select(obstacle => obstacle.Problem).ToList();
        if (!canBeLive && options.MaximumRounds > 0) warnings.Add($"the hypervisor here cannot tell which pages a {info.Type} guest changes, so it was suspended first and copied then");
        return new MoveResult
        {
            Name = config.Name,
            Uuid = key.Uuid,
            Target = target,
            TargetId = running.Id,
            IsLive = isLive,
            Rounds = copy.Rounds,
            BytesSent = length,
            TotalTime = Stopwatch.GetElapsedTime(begin),
            Downtime = downtime,
            StartTime = running.Start,
            Warnings = warnings,
        };

        void TellProgress()
        {
            try
            {
                progress?.Invoke(new MoveProgress(MovePhase.HandingOver, copy.Rounds, info.MemoryKiB / 4, copy.PagesSent, null, length, 0, null));
            }
            catch (Exception)
            {
                // Whoever looks on cannot stop it any more, and the guest must not be left to nobody.
            }
        }
    }

    /// <summary>
    /// Sends the domain as Chaos does: nobody says whether it goes on there, and it is destroyed here when all of it has been sent. Until then,
    /// whatever goes wrong lets the guest go on here.
    /// </summary>
    public MoveResult SendAsChaos(MoveOptions options, Action<MoveProgress>? progress, CancellationToken cancellation)
    {
        var begin = Stopwatch.GetTimestamp();
        Require();
        using var hold = host.Directory.HoldDomain(key.Uuid, HostContext.HoldPatience);
        var (info, config) = Require();
        if (WhyNot(info) is { } problem) throw new LvmException(ErrorIds.DomainInvalidState, problem);
        var isLive = options.MaximumRounds > 0 && host.Hypervisor.CanSaveLive(key.Id);
        var header = ChaosHeader.Write(config);

        progress?.Invoke(new MoveProgress(MovePhase.Asking, 0, info.MemoryKiB / 4, 0, null, 0, 0, null));
        using var link = connect(target, options.ConnectTimeout, cancellation);
        link.Stream.WriteTimeout = (int)times.Write.TotalMilliseconds;
        var channel = new MoveChannel(link);
        using var suspension = new GuestSuspension(host, key, "move", options.SuspendTimeout, cancellation);
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var aborting = link.AbortOn(cancellation);
        channel.SendBare(header);
        using var sender = new StreamSender(channel, options.Bandwidth, stopping.Cancel, isBare: true);
        var copy = new PreCopy(isLive, options, info.MemoryKiB / 4, () => sender.Length, () => { }, suspension.Suspend, progress);
        try
        {
            host.Hypervisor.SaveDomain(key.Id, sender.Handle, copy, stopping.Token);
            sender.Complete();
            link.CloseWriting();
        }
        catch (LvmException error)
        {
            sender.Dispose();
            if (cancellation.IsCancellationRequested && error.ErrorId != ErrorIds.OperationCancelled) throw Cancelled();
            throw sender.Problem ?? error;
        }

        // From here on it may run there: whoever finds what is left of it here takes it away.
        suspension.NoteSaved();
        var downtime = Stopwatch.GetElapsedTime(suspension.SuspendedAt!.Value);
        MoveResolver.Forget(host, key);
        return new MoveResult
        {
            Name = config.Name,
            Uuid = key.Uuid,
            Target = target,
            TargetId = null,
            IsLive = isLive,
            Rounds = copy.Rounds,
            BytesSent = sender.Length,
            TotalTime = Stopwatch.GetElapsedTime(begin),
            Downtime = downtime,
            StartTime = null,
            Warnings = ["it was sent as Chaos does: the other host does not say whether it goes on there"],
        };
    }

    private (DomainInfo Info, DomainConfig Config) Require()
    {
        var info = host.RequireGuest(key, "move");
        var config = host.ConfigFor(key) ?? throw new LvmException(ErrorIds.DomainInvalidState, "another toolstack created it, so what it is made of is not known here");
        return (info, config);
    }

    /// <summary>Why its guest cannot suspend itself; null where it can.</summary>
    private static string? WhyNot(in DomainInfo info) => info.State switch
    {
        DomainState.Paused => "it is paused, so its guest cannot suspend itself; resume it first",
        DomainState.Shutdown or DomainState.Crashed => $"its guest has ended ({info.ShutdownReason})",
        _ => null,
    };

    /// <summary>The first words of both sides.</summary>
    private (Hello Peer, Answer Answer) Ask(MoveChannel channel, Offer offer)
    {
        var peer = MoveResolver.Greet(channel, host, times);
        channel.Send(offer);
        return (peer, channel.Receive(Answer.Read));
    }

    /// <summary>Sends the guest's state, all but its last words.</summary>
    private (long Length, PreCopy Copy) Copy(
        MoveChannel channel, TargetWords words, bool canMark, GuestSuspension suspension, MoveOptions options, bool isLive, long pages, Action<MoveProgress>? progress, CancellationToken cancellation)
    {
        using var stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        words.WhenHeard(stopping.Cancel);
        using var sender = new StreamSender(channel, options.Bandwidth, stopping.Cancel);
        var copy = new PreCopy(isLive, options, pages, () => sender.Length, CatchUp, Suspend, progress);
        try
        {
            host.Hypervisor.SaveDomain(key.Id, sender.Handle, copy, stopping.Token);
            CrashPoint.Reach(MoveCrashPoints.SourceSaved);
            using (cancellation.Register(channel.Link.Abort)) sender.Complete();
        }
        catch (LvmException error)
        {
            sender.Dispose();
            // What the target has said matters more than what it did to the connection, and that more than what it did to libxc.
            if (cancellation.IsCancellationRequested) error = error.ErrorId == ErrorIds.OperationCancelled ? error : Cancelled();
            else if (words.TryHear() is { } said) error = said;
            else if (words.HasSpoken) error = channel.Invalid("it says that it has all before it can");
            else if (sender.Problem is { } problem) error = problem;
            if (error.ErrorId is ErrorIds.OperationCancelled or ErrorIds.SuspendTimeout or ErrorIds.DowntimeTooLong or ErrorIds.SaveFailure) DomainReceiver.TryTell(channel, error);
            throw error;
        }

        return (sender.Length, copy);

        void CatchUp()
        {
            if (canMark) words.AwaitMark(sender.Mark, times.Mark, stopping.Token);
        }

        void Suspend()
        {
            sender.Hurry();
            suspension.Suspend();
            CrashPoint.Reach(MoveCrashPoints.SourceSuspended);
        }
    }

    /// <summary>Has the target told to let the guest run, and learns whether it does. Where it never will, the guest goes on here.</summary>
    /// <returns>When it ran, by the clock here. Also the connection on which that was learnt: the target waits there to hear that nothing is left here.</returns>
    private (uint? Id, TimeSpan? Start, long At, MoveChannel Answered) HandOver(MoveChannel channel, TargetWords words, GuestSuspension suspension, HandOver handOver, Action isTold, CancellationToken cancellation)
    {
        try
        {
            var over = words.HandOver(Tell, isTold, times.Ready, times.Running, cancellation);
            // It cannot have run for longer than from the word on that it may.
            var since = Math.Clamp((long)(over.Running.Since.TotalSeconds * Stopwatch.Frequency), 0, over.Heard - over.Told);
            return (over.Running.Id, over.Running.Start, over.Heard - since, channel);
        }
        catch (LvmException error) when (words.IsTold)
        {
            // Nobody gives up now: that would only leave it undecided.
            channel.Link.Abort();
            var fate = new MoveResolver(host, connect, times).AskPatiently(handOver, out var other);
            if (fate.Fate == MoveFate.Committed) return (fate.Id, null, Stopwatch.GetTimestamp(), other);
            other.Link.Dispose();
            if (fate.Fate == MoveFate.Unknown) throw MoveResolver.Forgotten(handOver);
            suspension.GoOn();
            throw new LvmException(error.ErrorId, $"{error.Problem}; the guest goes on here", error);
        }

        void Tell()
        {
            suspension.LeaveSuspended(); // it goes on here only when the target says that it never will there
            CrashPoint.Reach(MoveCrashPoints.SourceNoted);
            channel.Send(new Go(_ticket));
            CrashPoint.Reach(MoveCrashPoints.SourceSentGo);
        }
    }

    private static LvmException Cancelled() => new(ErrorIds.OperationCancelled, "it was cancelled; the guest goes on here");
}
