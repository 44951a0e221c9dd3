using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace LightVM.Trust;

/// <summary>This host's certificate with its private key, ready for TLS.</summary>
internal sealed class HostIdentity : IDisposable
{
    private readonly X509Certificate2 _certificate;

    public HostIdentity(X509Certificate2 certificate)
    {
        _certificate = certificate;
        Fingerprint = Trust.Fingerprint.Of(certificate);
        // Offline: nothing about a certificate that signs itself is to be had elsewhere.
        Context = SslStreamCertificateContext.Create(certificate, additionalCertificates: null, offline: true);
    }

    public string Fingerprint { get; }

    public SslStreamCertificateContext Context { get; }

    public void Dispose() => _certificate.Dispose();
}
