using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Migration;

/// <summary>
/// What this host has noted of domains that others send it, and the only place where it is decided whether one goes on here: once, and
/// for good. It lasts as long as the machine runs, as domains do.
/// </summary>
internal sealed class ArrivalJournal(HostContext host)
{
    /// <summary>How long one decision may wait for another about the same move.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>What a domain costs the hypervisor beside its memory.</summary>
    private const long OverheadKiB = 2048;

    /// <summary>The one who notes an arrival has looked at the memory first: one after the other.</summary>
    private static readonly Guid Admission = new("6d1f2a0c-52c5-4d3c-9c0a-6c766d2d6d76");

    /// <summary>
    /// Notes a domain that is about to be received, where there is memory for it beside all others that are on their way. The caller holds
    /// the domain's uuid. Errors: InsufficientMemory, MoveProtocolInvalid for a ticket that is known.
    /// </summary>
    public void Begin(Guid ticket, Arrival arrival)
    {
        using var hold = host.Directory.HoldDomain(Admission, Patience);
        if (host.Directory.FindArrival(ticket) is not null) throw new LvmException(ErrorIds.MoveProtocolInvalid, "the ticket of this move has been used already");
        if (MemoryProblem(arrival.MemoryKiB) is { } problem) throw new LvmException(ErrorIds.InsufficientMemory, problem);
        // Whoever received the same domain before is no more, and has left nothing of it: else its uuid would not be the caller's.
        foreach (var (other, _) in host.Directory.Arrivals().Where(other => other.Arrival.Uuid == arrival.Uuid && other.Arrival.State is (ArrivalState.Arriving or ArrivalState.Refused))) End(other);
        host.Directory.SaveArrival(ticket, arrival);
    }

    /// <summary>Why there is no memory for one more domain, now and beside those that are on their way; null where there is.</summary>
    public string? MemoryProblem(long neededKiB)
    {
        var domains = host.Hypervisor.ListDomains();
        long promised = 0;
        foreach (var (_, arrival) in host.Directory.Arrivals())
        {
            if (arrival.State != ArrivalState.Arriving) continue;
            var has = domains.Where(domain => domain.Key.Uuid == arrival.Uuid).Sum(domain => domain.MemoryKiB);
            promised += Math.Max(0, arrival.MemoryKiB - has);
        }

        var free = host.Hypervisor.GetInfo().FreeMemoryKiB - promised;
        return neededKiB + OverheadKiB <= free ? null : $"it needs {neededKiB / 1024} MiB, and {Math.Max(0, free) / 1024} MiB are free{(promised > 0 ? $" beside {promised / 1024} MiB for domains on their way here" : "")}";
    }

    /// <summary>
    /// Decides that a domain goes on here. Until it has been started, or cannot be, nobody is told of it. Errors: MoveRefused when it was
    /// decided otherwise before.
    /// </summary>
    public Commitment Commit(Guid ticket)
    {
        var hold = Hold(ticket);
        try
        {
            if (host.Directory.FindArrival(ticket) is not { State: ArrivalState.Arriving } arrival)
                throw new LvmException(ErrorIds.MoveRefused, "the other host has taken it back in the meantime");
            host.Directory.SaveArrival(ticket, arrival with { State = ArrivalState.Committed });
            CrashPoint.Reach(MoveCrashPoints.TargetCommitted);
            return new Commitment(host, ticket, arrival, hold);
        }
        catch
        {
            hold.Dispose();
            throw;
        }
    }

    /// <summary>What has become of a move; one that was not decided by now is decided against.</summary>
    public MoveFate Ask(Guid ticket)
    {
        using var hold = Hold(ticket);
        switch (host.Directory.FindArrival(ticket))
        {
            case { State: ArrivalState.Committed } arrival:
                Start(ticket, arrival);
                return MoveFate.Committed;
            case { State: ArrivalState.Finished }:
                return MoveFate.Committed;
            case { State: ArrivalState.Arriving } arrival:
                host.Directory.SaveArrival(ticket, arrival with { State = ArrivalState.Refused });
                return MoveFate.Refused;
            default:
                return MoveFate.Refused;
        }
    }

    /// <summary>Forgets a move of which nothing is left here, or nothing at the other side.</summary>
    public void End(Guid ticket) => host.Directory.RemoveArrival(ticket);

    /// <summary>
    /// Finishes what a receiver has left that is no more: a domain that was to go on here is started, one of which that was not decided is
    /// destroyed. Errors: DomainInvalidState when somebody is at it still.
    /// </summary>
    /// <returns>What was done, as a sentence; null for nothing.</returns>
    public string? Recover(Guid ticket)
    {
        if (host.Directory.FindArrival(ticket) is not { State: not ArrivalState.Finished } noted) return null;
        using var holdDomain = host.Directory.HoldDomain(noted.Uuid, TimeSpan.Zero);
        using var hold = Hold(ticket);
        switch (host.Directory.FindArrival(ticket))
        {
            case { State: ArrivalState.Committed } arrival:
                Start(ticket, arrival);
                return $"domain '{arrival.Name}' from {arrival.Source} goes on here: its receiver had died before it was started";
            case { State: ArrivalState.Arriving or ArrivalState.Refused } arrival:
                host.Directory.SaveArrival(ticket, arrival with { State = ArrivalState.Refused });
                while (FindLive(arrival.Uuid) is { } found && HasNeverRun(found)) host.Destroy(found.Key);
                End(ticket);
                return $"what had come of domain '{arrival.Name}' from {arrival.Source} was destroyed: its receiver had died";
            default:
                return null;
        }
    }

    /// <summary>The moves of which something may be left to do.</summary>
    public IEnumerable<Guid> Unfinished() => host.Directory.Arrivals().Where(arrival => arrival.Arrival.State != ArrivalState.Finished).Select(arrival => arrival.Ticket);

    /// <summary>The id of the domain that a move has brought; null where it is gone or unknown.</summary>
    public uint? FindId(Guid ticket) => host.Directory.FindArrival(ticket) is { } arrival ? FindLive(arrival.Uuid)?.Key.Id : null;

    private void Start(Guid ticket, Arrival arrival)
    {
        if (FindLive(arrival.Uuid) is { } found && HasNeverRun(found)) host.Hypervisor.Unpause(found.Key.Id);
        host.Directory.SaveArrival(ticket, arrival with { State = ArrivalState.Finished });
    }

    /// <summary>One that has run is another, which happens to have the same uuid, or one that somebody has paused since.</summary>
    private static bool HasNeverRun(DomainInfo domain) => domain.State == DomainState.Paused && domain.CpuTime == TimeSpan.Zero;

    private DomainInfo? FindLive(Guid uuid)
    {
        foreach (var domain in host.Hypervisor.ListDomains())
        {
            if (domain.Key.Uuid == uuid && domain.State != DomainState.Dying) return domain;
        }

        return null;
    }

    private IDisposable Hold(Guid ticket) => host.Directory.HoldDomain(ticket, Patience);
}
