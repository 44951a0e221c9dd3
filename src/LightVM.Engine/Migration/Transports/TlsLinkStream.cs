using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using LightVM.Errors;

namespace LightVM.Migration;

/// <summary>
/// TLS as the client sees it. The first bytes that come are the server's <see cref="TlsWelcome"/>: they are read with the first bytes of
/// the peer's own, so that connecting takes one round trip.
/// </summary>
internal sealed class TlsLinkStream : SocketLinkStream
{
    private readonly SslStream _tls;
    private readonly string _address;
    private bool _isWelcome;

    /// <param name="isWelcome">Whether this side is the server, which has said already that it goes on.</param>
    public TlsLinkStream(Socket socket, SslStream tls, string peer, string address, bool isWelcome)
        : base(socket, tls, peer)
    {
        _tls = tls;
        _address = address;
        _isWelcome = isWelcome;
    }

    protected override int ReadCore(Span<byte> buffer)
    {
        if (!_isWelcome) Welcome(TlsWelcome.Read(_tls));
        return base.ReadCore(buffer);
    }

    protected override async ValueTask<int> ReadCoreAsync(Memory<byte> buffer)
    {
        if (!_isWelcome) Welcome(await TlsWelcome.ReadAsync(_tls));
        return await base.ReadCoreAsync(buffer);
    }

    protected override void CloseWritingCore()
    {
        try
        {
            _tls.ShutdownAsync().GetAwaiter().GetResult();
        }
        catch (CryptographicException error)
        {
            throw new IOException("TLS has come to nothing on it", error); // the peer sent what is none
        }

        base.CloseWritingCore();
    }

    protected override LvmException Lost(Exception error) => _isWelcome
        ? base.Lost(error)
        : new LvmException(ErrorIds.ConnectionLost, $"'{Peer}' ({_address}) has closed the connection without a word: {Reason(error)}", error);

    private void Welcome(TlsWelcome welcome)
    {
        _isWelcome = true;
        if (welcome.Refusal is { } why) throw new LvmException(why, $"'{Peer}' ({_address}) does not let this host in: {welcome.Text}");
    }
}
