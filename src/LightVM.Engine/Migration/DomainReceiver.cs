using System.Diagnostics;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Migration;

/// <summary>
/// The target's side of moves: answers one peer at a time on each link. What a peer does wrong, or does not do in time, costs its own
/// session, and leaves nothing here.
/// </summary>
/// <param name="log">Takes a sentence for everything that came, or did not.</param>
internal sealed class DomainReceiver(HostContext host, ArrivalJournal journal, Action<string> log, MoveTimes times)
{
    /// <summary>Room above a guest's memory for pages that are not memory: ACPI tables, special pages, and the hole below 4 GiB.</summary>
    private const uint ExtraPfns = 2 << 20;

    /// <summary>
    /// Takes a domain as Chaos sends it: its configuration, then libxc's stream, and no word back. The sender destroys its own when it
    /// has sent all, and never hears whether this one runs. Never throws for what the peer does.
    /// </summary>
    public void ServeChaos(MoveChannel channel, ReadOnlySpan<byte> first, CancellationToken cancellation)
    {
        var link = channel.Link;
        using var aborting = link.AbortOn(cancellation);
        try
        {
            link.Stream.ReadTimeout = (int)times.Stream.TotalMilliseconds;
            var config = ChaosHeader.Read(channel, first);
            using var hold = host.Directory.HoldDomain(config.Uuid!.Value, TimeSpan.Zero);
            var ticket = Guid.NewGuid();
            journal.Begin(ticket, new Arrival(ArrivalState.Arriving, config.Uuid.Value, config.Name, link.PeerName, config.MemoryMiB * 1024L));
            try
            {
                using var stream = new StreamReceiver(channel, HighestPfn(config), isBare: true);
                try
                {
                    // What has all come is the only one there is: to stop cuts the connection, and what is through it goes on.
                    var (key, record) = DomainCreation.RunArriving(host.ForCreation, config, stream.Handle, stream.Complete, beforeStart: null, CancellationToken.None);
                    log($"{link.PeerName}: domain '{config.Name}' goes on here (id {key.Id}): {stream.Length >> 10} KiB in {record.Duration.TotalMilliseconds:0} ms, as Chaos sends it");
                    host.AwaitReturn(key, config, inUse: null, cancellation);
                }
                catch (LvmException error) when (error.ErrorId == ErrorIds.RestoreFailure && stream.Problem is { } cause)
                {
                    throw cause.During("receive", config.Name);
                }
            }
            finally
            {
                journal.End(ticket);
            }
        }
        catch (LvmException error)
        {
            log($"{link.PeerName}: {error.Message}");
        }
    }

    /// <summary>Serves one link to its end. Never throws for what the peer does.</summary>
    /// <param name="first">Bytes that have been read of it already.</param>
    public void Serve(MoveChannel channel, ReadOnlySpan<byte> first, CancellationToken cancellation)
    {
        var link = channel.Link;
        using var aborting = link.AbortOn(cancellation);
        try
        {
            link.Stream.ReadTimeout = (int)times.Message.TotalMilliseconds;
            link.Stream.WriteTimeout = (int)times.Write.TotalMilliseconds;
            channel.ReceivePreamble(first);
            var source = channel.Receive(Hello.Read);
            channel.Send(HelloOf(host));
            if (source.Protocol < 1) throw channel.Invalid($"it speaks version {source.Protocol} of it");
            var (type, length) = channel.ReceiveHead();
            switch (type)
            {
                case MoveFrame.Offer:
                    Receive(channel, source, channel.ReceiveBody(type, length, Offer.Read), cancellation);
                    break;
                case MoveFrame.Question:
                    Answer(channel, channel.ReceiveBody(type, length, Question.Read));
                    break;
                default:
                    throw channel.Unexpected(type, length);
            }
        }
        catch (LvmException error)
        {
            log($"{link.PeerName}: {error.Message}");
            TryTell(channel, error);
        }
    }

    private static uint HighestPfn(DomainConfig config) => (uint)Math.Min(uint.MaxValue, config.MaxMemoryMiB * 256L + ExtraPfns);

    internal static Hello HelloOf(HostContext host) => new(
        Hello.CurrentProtocol,
        typeof(DomainReceiver).Assembly.GetName().Version?.ToString(3) ?? "",
        host.Hypervisor.GetInfo().Version,
        host.Directory.Boot,
        Environment.MachineName);

    internal static void TryTell(MoveChannel channel, LvmException error)
    {
        try
        {
            channel.Send(new Failure(error.ErrorId, error.Problem));
            channel.Link.CloseWriting();
        }
        catch (Exception silent) when (silent is LvmException or ObjectDisposedException)
        {
            // It has gone, or hears of it by the end of the connection.
        }
    }

    private void Answer(MoveChannel channel, Question question)
    {
        var fate = journal.Ask(question.Ticket);
        // What is not known was never committed, unless that was before this machine was started.
        if (fate == MoveFate.Refused && question.Boot != host.Directory.Boot) fate = MoveFate.Unknown;
        log($"{channel.Link.PeerName}: asked what has become of move {question.Ticket}: {fate}");
        channel.Send(new FateOfMove(fate, fate == MoveFate.Committed ? journal.FindId(question.Ticket) : null));
        if (fate == MoveFate.Committed) AwaitGone(channel, question.Ticket);
    }

    private void Receive(MoveChannel channel, Hello source, Offer offer, CancellationToken cancellation)
    {
        var (config, ticket) = (offer.Config, offer.Ticket);
        using var hold = host.TryHold(config.Uuid!.Value);
        var obstacles = MoveChecks.Run(host, journal, source, offer, hold is not null);
        var isAccepted = obstacles.All(obstacle => obstacle.IsWarning);
        if (offer.CompareOnly || !isAccepted)
        {
            channel.Send(new Answer(isAccepted, obstacles));
            if (!offer.CompareOnly) log($"{channel.Link.PeerName}: domain '{config.Name}' is refused: {string.Join("; ", obstacles)}");
            return;
        }

        journal.Begin(ticket, new Arrival(ArrivalState.Arriving, config.Uuid.Value, config.Name, channel.Link.PeerName, config.MemoryMiB * 1024L));
        var isHere = false;
        try
        {
            CrashPoint.Reach(MoveCrashPoints.TargetNoted);
            channel.Send(new Answer(true, obstacles));
            CrashPoint.Reach(MoveCrashPoints.TargetAccepted);
            log($"{channel.Link.PeerName}: domain '{config.Name}' ({config.MemoryMiB} MiB) is coming{(offer.IsLive ? ", while its guest runs" : "")}");
            isHere = Make(channel, offer, cancellation);
        }
        finally
        {
            if (!isHere) journal.End(ticket);
        }

        if (!isHere) return;
        hold!.Dispose();
        AwaitGone(channel, ticket);
    }

    /// <summary>Makes the domain of what comes. False when there is nothing of it, of which the peer has been told.</summary>
    private bool Make(MoveChannel channel, Offer offer, CancellationToken cancellation)
    {
        var draft = offer.Config.ToDraft();
        draft.Paused = false; // its guest runs there
        var config = DomainConfig.From(draft);
        channel.Link.Stream.ReadTimeout = (int)times.Stream.TotalMilliseconds;
        using var stream = new StreamReceiver(channel, HighestPfn(config));
        var (heard, started) = (0L, 0L);
        Commitment? commitment = null;
        DomainKey key;
        CreationRecord record;
        try
        {
            (key, record) = DomainCreation.RunArriving(host.ForCreation, config, stream.Handle, TellReady, _ => commitment = AwaitGo(), cancellation);
        }
        catch (Exception error)
        {
            commitment?.TakeBack();
            if (error is not LvmException failure) throw;
            // What libxc makes of a stream that ended early says little of why it did.
            var why = failure.ErrorId == ErrorIds.RestoreFailure && stream.Problem is { } cause ? cause : failure;
            log($"{channel.Link.PeerName}: domain '{config.Name}' does not come: {why.Problem}{(failure.LeftBehind is { } left ? $"; left behind: {left}" : "")}");
            TryTell(channel, why);
            stream.Drain(times.Parting);
            return false;
        }

        // From here on it is here, whatever happens.
        var start = Stopwatch.GetElapsedTime(heard, started);
        CrashPoint.Reach(MoveCrashPoints.TargetStarted);
        Try(() => channel.Send(new Running(key.Id, start, Stopwatch.GetElapsedTime(started))), "it could not be told"); // then it will ask
        CrashPoint.Reach(MoveCrashPoints.TargetSentRunning);
        Try(commitment!.Finish, "it could not be noted"); // then whoever finds the note sees that it has run

        log($"{channel.Link.PeerName}: domain '{config.Name}' goes on here (id {key.Id}): {stream.Length >> 10} KiB in {record.Duration.TotalMilliseconds:0} ms, started within {start.TotalMilliseconds:0.0} ms");
        host.AwaitReturn(key, config, offer.DevicesInUse, cancellation);
        return true;

        void Try(Action tell, string failed)
        {
            try
            {
                tell();
            }
            catch (LvmException error)
            {
                log($"{channel.Link.PeerName}: {failed} that domain '{config.Name}' goes on here: {error.Problem}");
            }
        }

        // While the word goes to the source and its answer comes, the guest's rings are published. Where that fails, the answer is refused.
        void TellReady()
        {
            stream.Complete();
            CrashPoint.Reach(MoveCrashPoints.TargetReceived);
            channel.Link.Stream.ReadTimeout = (int)times.Message.TotalMilliseconds;
            channel.Send(new Ready());
            CrashPoint.Reach(MoveCrashPoints.TargetSentReady);
        }

        Commitment AwaitGo()
        {
            var word = channel.Receive(Go.Read);
            heard = Stopwatch.GetTimestamp();
            CrashPoint.Reach(MoveCrashPoints.TargetHeardGo);
            if (word.Ticket != offer.Ticket) throw channel.Invalid("its word to let the guest run is for another move");
            var decided = journal.Commit(offer.Ticket);
            // It is started next. When that returns, the guest may have had the processor for a while.
            started = Stopwatch.GetTimestamp();
            return decided;
        }
    }

    /// <summary>Forgets a move as soon as the source has nothing left of it; where that is not heard, it is kept for its questions.</summary>
    private void AwaitGone(MoveChannel channel, Guid ticket)
    {
        try
        {
            channel.Link.Stream.ReadTimeout = (int)times.Stream.TotalMilliseconds;
            if (channel.Receive(Gone.Read).Ticket == ticket) journal.End(ticket);
        }
        catch (LvmException error)
        {
            log($"{channel.Link.PeerName}: it did not say that it has nothing left of move {ticket}: {error.Problem}");
        }
    }
}
