using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Migration;

/// <summary>How domains get from this host to another, and from others to this one.</summary>
public sealed class DomainMoves
{
    private readonly HostContext _host;
    private readonly ArrivalJournal _journal;

    internal DomainMoves(HostContext host)
    {
        _host = host;
        _journal = new ArrivalJournal(host);
    }

    /// <summary>How targets are reached; tests have ways of their own.</summary>
    internal MigrationConnector Connector { get; set; } = (target, timeout, cancellation) => target.Connect(timeout, cancellation);

    internal MoveTimes Times { get; set; } = MoveTimes.Usual;

    /// <summary>
    /// Moves a domain to another host. While it is copied its guest runs, where the hypervisor can do that; then it stands still for a
    /// short time. At no time does it run on both, and whatever fails, it goes on on one of them: here, where nothing else is said.
    /// Errors: DomainGone, DomainProtected, DomainInvalidState, those of the transports, what the target has to say (DomainNameTaken,
    /// InsufficientMemory, BridgeNotFound, DiskNotFound, CpuIncompatible, XenIncompatible, SameHost, …), SuspendTimeout, DowntimeTooLong,
    /// OperationCancelled; and MoveUndecided, where the target was told to let the guest run, and does not say whether it does.
    /// </summary>
    /// <param name="progress">Told how far it has got, from any thread.</param>
    /// <param name="cancellation">Heard until the target is told to let the guest run.</param>
    public MoveResult Move(DomainKey key, MigrationTarget target, MoveOptions? options = null, Action<MoveProgress>? progress = null, CancellationToken cancellation = default) =>
        During(key, "move", () => new DomainMover(_host, Connector, Times, key, target).Move(options ?? new MoveOptions(), progress, cancellation));

    /// <summary>
    /// Sends a domain to one who takes what Chaos sends: over plain TCP, without a word back. It is destroyed here when all of it has been sent, whether it goes on
    /// there or not: nobody says so. Before, whatever fails, it goes on here. Errors: those of <see cref="Move"/> that need no answer;
    /// InsecureTransportRefused; MoveRefused for a configuration that is too long.
    /// </summary>
    /// <param name="target">Its transport is <see cref="MigrationTransport.Plain"/>.</param>
    public MoveResult SendAsChaos(DomainKey key, MigrationTarget target, MoveOptions? options = null, Action<MoveProgress>? progress = null, CancellationToken cancellation = default) =>
        target.Transport == MigrationTransport.Plain
            ? During(key, "move", () => new DomainMover(_host, Connector, Times, key, target).SendAsChaos(options ?? new MoveOptions(), progress, cancellation))
            : throw new ArgumentException("Chaos' stream goes over plain TCP.", nameof(target));

    /// <summary>Asks another host what would prevent a domain's move there; nothing is changed. Errors: DomainGone, DomainProtected, DomainInvalidState, those of the transports.</summary>
    public MoveReport Compare(DomainKey key, MigrationTarget target, TimeSpan? connectTimeout = null, CancellationToken cancellation = default) =>
        During(key, "compare", () => new DomainMover(_host, Connector, Times, key, target).Compare(connectTimeout ?? new MoveOptions().ConnectTimeout, cancellation));

    /// <summary>
    /// Finds out, of a move that ended undecided, where the guest goes on, and ends it. Errors: MoveUndecided, DomainInvalidState when
    /// somebody is at it still.
    /// </summary>
    /// <returns>True: it goes on at the target. False: it goes on here. Null: there was nothing undecided.</returns>
    public bool? Resolve(DomainKey key, CancellationToken cancellation = default) => During(key, "resolve the move of", () => Resolve(key.Uuid, cancellation) is { } fate ? fate == MoveFate.Committed : (bool?)null);

    /// <summary>
    /// Ends a move that ended undecided as the caller says, who knows what has become of the guest at the target: nobody is asked.
    /// Errors: DomainInvalidState when there is nothing undecided, or somebody is at it still.
    /// </summary>
    /// <param name="here">Whether the guest goes on here; otherwise what is left of it here is destroyed.</param>
    public void Decide(DomainKey key, bool here) => During(key, "resolve the move of", () =>
        new MoveResolver(_host, Connector, Times).Decide(key.Uuid, here) ? true : throw new LvmException(ErrorIds.DomainInvalidState, "no move of it has ended undecided"));

    /// <summary>The domains whose moves have ended undecided, with the targets that know more.</summary>
    public IReadOnlyList<(Guid Uuid, string Target)> Undecided() =>
        _host.Directory.Suspensions().Where(each => each.Suspension.HandedOver is not null).Select(each => (each.Uuid, each.Suspension.HandedOver!.Target)).ToList();

    internal MoveFate? Resolve(Guid uuid, CancellationToken cancellation) => new MoveResolver(_host, Connector, Times).Resolve(uuid, cancellation);

    /// <summary>Serves one who wants to send a domain: as this toolstack does, or over plain TCP as Chaos does. Never throws for what the peer does.</summary>
    /// <param name="log">Takes a sentence for everything that came, or did not.</param>
    internal void Serve(MigrationLink link, Action<string> log, CancellationToken cancellation)
    {
        var receiver = new DomainReceiver(_host, _journal, log, Times);
        var channel = new MoveChannel(link);
        Span<byte> first = stackalloc byte[2];
        try
        {
            link.Stream.ReadTimeout = (int)Times.Message.TotalMilliseconds;
            channel.ReadExactly(first);
        }
        catch (LvmException error)
        {
            log($"{link.PeerName}: {error.Message}");
            return;
        }

        if (link.Transport == PlainTransport.Name && ChaosHeader.IsAt(first)) receiver.ServeChaos(channel, first, cancellation);
        else receiver.Serve(channel, first, cancellation);
    }

    /// <summary>The tickets of moves whose receivers may have died.</summary>
    internal IReadOnlyList<Guid> UnfinishedArrivals() => _journal.Unfinished().ToList();

    /// <summary>Finishes what a receiver has left that has died. Errors: DomainInvalidState when it lives.</summary>
    /// <returns>What was done, as a sentence; null for nothing.</returns>
    internal string? RecoverArrival(Guid ticket) => _journal.Recover(ticket);

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
}
