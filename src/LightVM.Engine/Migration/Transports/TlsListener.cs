using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using LightVM.Errors;
using LightVM.Trust;

namespace LightVM.Migration;

/// <summary>
/// The other side of <see cref="TlsTransport"/>: lets in the peers that are listed, as they are listed when they come, and names them as
/// they are named there. A peer that was removed does not get in by a session that it has kept.
/// </summary>
internal sealed class TlsListener : LinkListener
{
    /// <summary>How much a refused client may have on its way that is waited for, so that it hears of its refusal.</summary>
    private const int MostUnread = 256 << 10;

    private readonly TrustStore _trust;
    private volatile HostIdentity _identity;

    /// <summary>Begins to listen. Errors: ListenerFailed, TrustMissing, and those of a broken <see cref="TrustStore"/>.</summary>
    public TlsListener(TrustStore trust, IPEndPoint address, ListenerLimits limits, Action<string> log)
        : this(trust, trust.LoadIdentity(), address, limits, log)
    {
    }

    private TlsListener(TrustStore trust, HostIdentity identity, IPEndPoint address, ListenerLimits limits, Action<string> log)
        : base(address, limits, log)
    {
        _trust = trust;
        _identity = identity;
    }

    public override void Dispose()
    {
        base.Dispose();
        _identity.Dispose();
    }

    protected override async Task<Arrival> Identify(Socket socket, CancellationToken cancellation)
    {
        string? key = null;
        var tls = new SslStream(new WaitingStream(socket));
        try
        {
            await tls.AuthenticateAsServerAsync(
                new SslServerAuthenticationOptions
                {
                    EnabledSslProtocols = SslProtocols.Tls13,
                    ServerCertificateContext = CurrentIdentity().Context,
                    ClientCertificateRequired = true,
                    CertificateChainPolicy = TlsTransport.ChainPolicy(),
                    // Whether the key is one that is admitted is decided below, where the client can be told.
                    RemoteCertificateValidationCallback = (_, certificate, _, _) => (key = TlsTransport.KeyOf(certificate)) is not null,
                },
                cancellation);
            var peer = _trust.FindPeer(key!);
            var link = new MigrationLink(new TlsLinkStream(socket, tls, peer?.Name ?? key!, "", isWelcome: true), peer?.Name ?? key!, TlsTransport.Name);
            return new Arrival(link, peer is null ? new TlsWelcome(ErrorIds.PeerRefused, $"the key {key} is none of a peer") : null);
        }
        catch
        {
            tls.Dispose();
            throw;
        }
    }

    /// <summary>
    /// This host's key as it is now: whoever replaced it has told the peers of the new one. One that was replaced is left to the garbage
    /// collector, for others may be greeting a peer with it.
    /// </summary>
    private HostIdentity CurrentIdentity() => _identity = _trust.LoadIdentity(_identity);

    protected override async Task Answer(Arrival arrival, TlsWelcome answer, CancellationToken cancellation)
    {
        var stream = arrival.Link.Stream;
        await stream.WriteAsync(answer.ToBytes(), cancellation);
        if (answer.Refusal is null) return;
        arrival.Link.CloseWriting();
        // A connection that is closed with something unread is reset, and the answer with it.
        var rest = new byte[16 << 10];
        for (int count, all = 0; all < MostUnread && (count = await stream.ReadAsync(rest, cancellation)) > 0; all += count)
        {
        }
    }
}
