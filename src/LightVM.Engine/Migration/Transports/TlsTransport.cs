using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using LightVM.Errors;
using LightVM.Trust;

namespace LightVM.Migration;

/// <summary>
/// TLS 1.3 with a certificate on either side, of which nothing counts but the key: the server must have exactly the one that is listed
/// for the peer that is meant, and the client one that is listed there. Names, dates and issuers in certificates mean nothing.
/// Within a process, connections to the same peer after the first resume its session: the same single round trip, without signatures.
/// </summary>
internal static class TlsTransport
{
    public const string Name = "tls";

    /// <summary>
    /// Connects to a peer. Whether it lets this host in is heard with the first read. Errors: TrustMissing, PeerUnknown, PeerMismatch,
    /// HandshakeFailed, ConnectionRefused, ConnectionFailed, ConnectionTimeout, OperationCancelled, and those of a broken <see cref="TrustStore"/>.
    /// </summary>
    /// <param name="address">Host name or IP address.</param>
    /// <param name="peerName">The name under which its key is listed, where that is not the address.</param>
    /// <param name="timeout">For all of it: the host's address, TCP and TLS.</param>
    public static MigrationLink Connect(TrustStore trust, string address, int port, string? peerName, TimeSpan timeout, CancellationToken cancellation)
    {
        using var identity = trust.LoadIdentity();
        var peer = FindPeer(trust, peerName ?? address);
        return TcpConnection.Run(token => Connect(identity, peer, address, port, token), $"'{peer}' ({TcpConnection.Describe(address, port)})", timeout, cancellation);
    }

    /// <summary>No chain is built of certificates that are their own, and nothing about them is asked of anybody.</summary>
    internal static X509ChainPolicy ChainPolicy() => new()
    {
        TrustMode = X509ChainTrustMode.CustomRootTrust,
        RevocationMode = X509RevocationMode.NoCheck,
        DisableCertificateDownloads = true,
    };

    /// <summary>The fingerprint of whoever has proved to have a key; null where there was no certificate.</summary>
    internal static string? KeyOf(X509Certificate? certificate) => certificate is X509Certificate2 given ? Fingerprint.Of(given) : null;

    private static TrustEntry FindPeer(TrustStore trust, string name)
    {
        // What cannot be the name of a peer is the name of none.
        if (!PeerName.IsValid(name, out var why)) throw new LvmException(ErrorIds.PeerUnknown, $"there is no peer '{name}': the name {why}");
        return trust.GetPeer(name);
    }

    private static async Task<MigrationLink> Connect(HostIdentity identity, TrustEntry peer, string address, int port, CancellationToken cancellation)
    {
        var where = TcpConnection.Describe(address, port);
        var socket = await TcpConnection.Connect(address, port, check: null, cancellation);
        string? found = null;
        var tls = new SslStream(new WaitingStream(socket));
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    EnabledSslProtocols = SslProtocols.Tls13,
                    ClientCertificateContext = identity.Context,
                    CertificateChainPolicy = ChainPolicy(),
                    // Sessions are kept by this name. It goes over the wire in the clear, and tells nobody what the hosts are called.
                    TargetHost = SessionName(peer),
                    RemoteCertificateValidationCallback = (_, certificate, _, _) =>
                    {
                        found = KeyOf(certificate);
                        return found == peer.Fingerprint;
                    },
                },
                cancellation);
            return new MigrationLink(new TlsLinkStream(socket, tls, peer.Name, where, isWelcome: false), peer.Name, Name);
        }
        catch (Exception error)
        {
            tls.Dispose();
            socket.Dispose();
            if (found is not null && found != peer.Fingerprint)
                throw new LvmException(ErrorIds.PeerMismatch, $"the host at {where} has the key {found}, and '{peer}' has {peer.Fingerprint}", error);
            if (error is AuthenticationException or IOException or SocketException)
                throw new LvmException(ErrorIds.HandshakeFailed, $"the host at {where} does not speak TLS 1.3 as a receiver of domains does: {Reason(error)}", error);
            throw;
        }
    }

    private static string SessionName(TrustEntry peer) =>
        $"{string.Concat(peer.Fingerprint.Where(char.IsAsciiLetterOrDigit)).ToLowerInvariant()[..40]}.lightvm";

    /// <summary>What the system said.</summary>
    internal static string Reason(Exception error)
    {
        while (error.InnerException is { } inner) error = inner;
        return error.Message.TrimEnd('.');
    }
}
