namespace LightVM.Migration;

/// <summary>
/// A connection to another host on which a domain can travel, whichever way it was made. Its stream can be read by one thread while
/// another writes. What goes wrong there is an <see cref="Errors.LvmException"/>: ConnectionLost, ConnectionTimeout (the stream's
/// ReadTimeout and WriteTimeout, which bound each call), OperationCancelled (<see cref="AbortOn"/>); on the first exchange also why there is no
/// connection after all: PeerRefused, PeerBusy, ConnectionFailed. The end of the stream only says that the peer has ceased to write:
/// whether it had written everything, a protocol must say.
/// </summary>
internal sealed class MigrationLink : IDisposable
{
    private readonly LinkStream _stream;

    public MigrationLink(LinkStream stream, string peerName, string transport)
    {
        _stream = stream;
        PeerName = peerName;
        Transport = transport;
    }

    public LinkStream Stream => _stream;

    /// <summary>Who is there: over TLS the name under which its key is listed here, otherwise what is known of its address.</summary>
    public string PeerName { get; }

    /// <summary>"tls", "ssh" or "plain".</summary>
    public string Transport { get; }

    /// <summary>Says that nothing more will be written; the peer reads the end of the stream, and may go on writing.</summary>
    public void CloseWriting() => _stream.CloseWriting();

    /// <summary>Cuts the connection when the token is cancelled, which wakes whoever reads or writes, until the result is disposed.</summary>
    public IDisposable AbortOn(CancellationToken cancellation) => cancellation.Register(Abort);

    /// <summary>Cuts the connection: all that is being read and written, or will be, ends with OperationCancelled.</summary>
    public void Abort() => _stream.Abort();

    public void Dispose() => _stream.Dispose();

    public override string ToString() => $"{Transport}:{PeerName}";
}
