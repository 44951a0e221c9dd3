using System.Diagnostics;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Migration;

/// <summary>Finds out where a guest goes on whose target may have been told to let it run, and does the rest here.</summary>
internal sealed class MoveResolver(HostContext host, MigrationConnector connect, MoveTimes times)
{
    /// <summary>Destroys what is left here of a domain that goes on elsewhere. The caller holds it.</summary>
    public static void Forget(HostContext host, DomainKey key)
    {
        host.Directory.EndRestart(key.Uuid);
        if (host.Find(key) is not null) host.Destroy(key);
        host.Directory.EndSuspension(key.Uuid);
    }

    public static LvmException Forgotten(HandOver handOver) =>
        new(ErrorIds.MoveUndecided, $"{handOver.Target} has been started anew since it was told to let the guest run, and does not know whether it did; the guest stays suspended here");

    /// <summary>The first words of the side that connects, and the other's.</summary>
    public static Hello Greet(MoveChannel channel, HostContext host, MoveTimes times)
    {
        channel.Link.Stream.ReadTimeout = (int)times.Message.TotalMilliseconds;
        channel.Link.Stream.WriteTimeout = (int)times.Write.TotalMilliseconds;
        channel.SendPreamble();
        channel.Send(DomainReceiver.HelloOf(host));
        return channel.Receive(Hello.Read);
    }

    /// <summary>
    /// Resolves a move that was begun by somebody who has not ended it. Errors: DomainInvalidState when somebody is at it still, MoveUndecided
    /// when the target does not answer or does not know.
    /// </summary>
    /// <returns>What was found, and done: the guest goes on there (Committed) or here (Refused); null when there was nothing to resolve.</returns>
    public MoveFate? Resolve(Guid uuid, CancellationToken cancellation)
    {
        using var hold = host.Directory.HoldDomain(uuid, TimeSpan.Zero);
        if (Find(uuid) is not (var key, { } handOver)) return null;
        var fate = Ask(handOver, cancellation, out var channel).Fate;
        using var link = channel.Link;
        switch (fate)
        {
            case MoveFate.Unknown:
                throw Forgotten(handOver);
            case MoveFate.Refused:
                GoOn(key);
                break;
            default:
                Forget(host, key);
                TellGone(channel, handOver.Ticket);
                break;
        }

        return fate;
    }

    /// <summary>Lets a target forget a move, of which nothing is left here.</summary>
    public static void TellGone(MoveChannel channel, Guid ticket)
    {
        try
        {
            channel.Send(new Gone(ticket));
        }
        catch (LvmException)
        {
            // It only keeps a note longer than it has to.
        }
    }

    /// <summary>Ends it as somebody says who knows better. The caller answers for there not being two of the guest, or none.</summary>
    /// <param name="here">Whether the guest goes on here; otherwise what is left of it here is destroyed.</param>
    /// <returns>False when there was nothing to resolve.</returns>
    public bool Decide(Guid uuid, bool here)
    {
        using var hold = host.Directory.HoldDomain(uuid, HostContext.HoldPatience);
        if (Find(uuid) is not (var key, { })) return false;
        if (here) GoOn(key);
        else Forget(host, key);
        return true;
    }

    /// <summary>Asks until there is an answer. Errors: MoveUndecided.</summary>
    /// <param name="channel">The connection, on which the target waits to hear that nothing is left here; the caller's to dispose.</param>
    public FateOfMove AskPatiently(HandOver handOver, out MoveChannel channel)
    {
        for (var begin = Stopwatch.GetTimestamp(); ;)
        {
            try
            {
                return Ask(handOver, CancellationToken.None, out channel);
            }
            catch (LvmException) when (Stopwatch.GetElapsedTime(begin) + times.Retry < times.Resolve)
            {
                Thread.Sleep(times.Retry);
            }
        }
    }

    /// <param name="channel">The connection, on which the target waits to hear that nothing is left here; the caller's to dispose.</param>
    private FateOfMove Ask(HandOver handOver, CancellationToken cancellation, out MoveChannel channel)
    {
        MigrationLink? link = null;
        try
        {
            link = connect(MigrationTarget.Parse(handOver.Target), times.Connect, cancellation);
            using var aborting = link.AbortOn(cancellation);
            channel = new MoveChannel(link);
            Greet(channel, host, times);
            channel.Send(new Question(handOver.Ticket, handOver.Boot));
            return channel.Receive(FateOfMove.Read);
        }
        catch (LvmException error)
        {
            link?.Dispose();
            throw Undecided(handOver, error);
        }
    }

    /// <summary>The domain and whom to ask about it; the note of a domain that is gone, or runs, is forgotten.</summary>
    private (DomainKey Key, HandOver? HandOver)? Find(Guid uuid)
    {
        if (host.Directory.Suspensions().FirstOrDefault(suspension => suspension.Uuid == uuid).Suspension is not { HandedOver: { } handOver }) return null;
        foreach (var domain in host.Hypervisor.ListDomains())
        {
            if (domain.Key.Uuid == uuid && domain is { State: not DomainState.Dying, ShutdownReason: ShutdownReason.Suspend }) return (domain.Key, handOver);
        }

        host.Directory.EndSuspension(uuid);
        return null;
    }

    private void GoOn(DomainKey key)
    {
        GuestSuspension.LetGoOn(host, key);
        host.Directory.EndSuspension(key.Uuid);
    }

    private static LvmException Undecided(HandOver handOver, LvmException error) =>
        new(ErrorIds.MoveUndecided, $"{handOver.Target} was told to let the guest run, and has not answered whether it does ({error.Problem}); the guest stays suspended here", error);
}
