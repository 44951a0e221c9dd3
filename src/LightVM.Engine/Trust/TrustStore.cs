using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using LightVM.Errors;
using LightVM.Linux;

namespace LightVM.Trust;

/// <summary>
/// Who this host is, and whom it trusts: a folder with <c>host.pem</c>, this host's private key and certificate in one file, so that
/// they change together, and <c>peers/NAME.pem</c>, each with the certificate of a peer or its fingerprint alone.
/// A certificate here only carries a key: no authority signs it, and it does not expire, for what admits a peer is that its key is
/// listed, and what ends that is its removal. Whoever may write the folder decides who may send domains here: it is root's alone.
/// </summary>
public sealed class TrustStore
{
    /// <summary>Names another folder than <see cref="UsualFolder"/>.</summary>
    public const string FolderVariable = "LIGHTVM_TRUST";

    public const string UsualFolder = "/etc/lightvm/trust";

    private const string Extension = ".pem";
    private const int MaxFileSize = 64 << 10;

    private const UnixFileMode OwnerFile = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnerFolder = OwnerFile | UnixFileMode.UserExecute;
    private const UnixFileMode OthersWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;
    private const UnixFileMode OthersRead = UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <summary>"No well-defined end", as RFC 5280 writes it.</summary>
    private static readonly DateTimeOffset NoEnd = new(9999, 12, 31, 23, 59, 59, TimeSpan.Zero);

    /// <param name="folder">Null: what LIGHTVM_TRUST says, or <see cref="UsualFolder"/>.</param>
    public TrustStore(string? folder = null)
    {
        Folder = Path.GetFullPath(folder ?? (Environment.GetEnvironmentVariable(FolderVariable) is { Length: > 0 } named ? named : UsualFolder));
    }

    public string Folder { get; }

    internal string IdentityPath => Path.Combine(Folder, "host" + Extension);

    private string PeerFolder => Path.Combine(Folder, "peers");

    /// <summary>Makes this host's key (ECDSA, P-256) and a certificate for it. Errors: TrustExists, TlsUnavailable, TrustUnsafe, TrustInaccessible.</summary>
    /// <param name="force">Replace an identity that is there: all peers have to admit this host anew.</param>
    public TrustEntry CreateIdentity(bool force = false)
    {
        if (!force && File.Exists(IdentityPath)) throw IdentityExists();
        OpenSsl.Require();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = PeerName.IsValid(Environment.MachineName, out _) ? Environment.MachineName.ToLowerInvariant() : "host";
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], critical: false)); // server, client
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow, NoEnd);
        if (!Write(IdentityPath, $"{key.ExportPkcs8PrivateKeyPem()}\n{certificate.ExportCertificatePem()}\n", force)) throw IdentityExists();
        return GetIdentity();
    }

    /// <summary>This host's own identity. Errors: TrustMissing, TrustInvalid, TrustUnsafe, TrustInaccessible.</summary>
    public TrustEntry GetIdentity() => FindIdentity() ?? throw Missing();

    /// <summary>This host's own identity; null where none was made. Errors: TrustInvalid, TrustUnsafe, TrustInaccessible.</summary>
    public TrustEntry? FindIdentity()
    {
        if (ReadIdentity() is not { } text) return null;
        using var certificate = ParseCertificate(text, IdentityPath);
        return Entry(certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false), IdentityPath, Trust.Fingerprint.Of(certificate), certificate, new DateTimeOffset(certificate.NotBefore.ToUniversalTime()));
    }

    /// <summary>Removes this host's key and certificate; the entry as it was. Errors: TrustMissing, TrustInaccessible.</summary>
    public TrustEntry RemoveIdentity()
    {
        var entry = GetIdentity();
        Delete(IdentityPath);
        return entry;
    }

    /// <summary>Admits a peer. Errors: TrustNameInvalid, TrustInvalid, TrustExists, TrustUnsafe, TrustInaccessible.</summary>
    /// <param name="name">What it will be called: the name by which it is connected to.</param>
    /// <param name="credential">Its certificate as PEM, or its fingerprint (<see cref="Trust.Fingerprint.TryParse"/>).</param>
    /// <param name="force">Replace what was kept under this name.</param>
    public TrustEntry Admit(string name, string credential, bool force = false)
    {
        var path = PeerPath(name);
        var (fingerprint, certificate) = ParseCredential(credential, "what was given");
        using (certificate)
        {
            // Never the text itself: there may be a private key beside the certificate.
            var content = certificate?.ExportCertificatePem() ?? fingerprint;
            if (!Write(path, content + "\n", force)) throw new LvmException(ErrorIds.TrustExists, $"there is a peer '{name.ToLowerInvariant()}' already");
            return Entry(name.ToLowerInvariant(), path, fingerprint, certificate);
        }
    }

    /// <summary>Admits a peer with what a file has. Errors: CertificateNotFound, and those of <see cref="Admit"/>.</summary>
    public TrustEntry AdmitFile(string name, string path, bool force = false)
    {
        string? credential;
        try
        {
            credential = ReadText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new LvmException(ErrorIds.CertificateNotFound, $"'{path}' cannot be read: {error.Message.TrimEnd('.')}", error);
        }

        return Admit(name, credential ?? throw new LvmException(ErrorIds.CertificateNotFound, $"there is no file '{path}'"), force);
    }

    /// <summary>A peer by name; case does not matter. Errors: TrustNameInvalid, PeerUnknown, TrustInvalid, TrustUnsafe, TrustInaccessible.</summary>
    public TrustEntry GetPeer(string name)
    {
        var path = PeerPath(name);
        var text = Read(path) ?? throw Unknown(name);
        var (fingerprint, certificate) = ParseCredential(text, $"'{path}'");
        using (certificate) return Entry(name.ToLowerInvariant(), path, fingerprint, certificate);
    }

    /// <summary>Removes a peer: from now on it is not let in, though connections that it has stay. Errors: TrustNameInvalid, PeerUnknown, TrustUnsafe, TrustInaccessible.</summary>
    public void RemovePeer(string name)
    {
        var path = PeerPath(name);
        RefuseUnsafe(Folder, OthersWrite);
        if (!File.Exists(path)) throw Unknown(name);
        Delete(path);
    }

    /// <summary>The names of all peers, in their order. Errors: TrustUnsafe, TrustInaccessible.</summary>
    public IReadOnlyList<string> ListPeers()
    {
        try
        {
            RefuseUnsafe(Folder, OthersWrite);
            RefuseUnsafe(PeerFolder, OthersWrite);
            return Directory.EnumerateFiles(PeerFolder, "*" + Extension)
                .Select(file => Path.GetFileNameWithoutExtension(file))
                .Where(name => PeerName.IsValid(name, out _))
                .Order(StringComparer.Ordinal)
                .ToList();
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Inaccessible(PeerFolder, error);
        }
    }

    /// <summary>The first peer with this key; null for a stranger. A file that cannot be read admits nobody.</summary>
    internal TrustEntry? FindPeer(string fingerprint)
    {
        foreach (var name in ListPeers())
        {
            try
            {
                var peer = GetPeer(name);
                if (peer.Fingerprint == fingerprint) return peer;
            }
            catch (LvmException error) when (error.ErrorId is ErrorIds.TrustInvalid or ErrorIds.PeerUnknown)
            {
                // Of this one nobody can say who it is, or it was removed a moment ago; the others count.
            }
        }

        return null;
    }

    /// <summary>This host's key for TLS. Errors: TrustMissing, TrustInvalid, TrustUnsafe, TrustInaccessible.</summary>
    /// <param name="known">What was loaded before, which comes back where it is still the same.</param>
    internal HostIdentity LoadIdentity(HostIdentity? known = null)
    {
        var text = ReadIdentity() ?? throw Missing();
        OpenSsl.Require();
        if (known is not null)
        {
            using var certificate = ParseCertificate(text, IdentityPath);
            if (Trust.Fingerprint.Of(certificate) == known.Fingerprint) return known;
        }

        try
        {
            return new HostIdentity(X509Certificate2.CreateFromPem(text, text));
        }
        catch (Exception error) when (error is CryptographicException or ArgumentException)
        {
            throw Invalid(IdentityPath, error);
        }
    }

    private string? ReadIdentity() => Read(IdentityPath, OthersWrite | OthersRead);

    private string PeerPath(string name) => PeerName.IsValid(name, out var why)
        ? Path.Combine(PeerFolder, name.ToLowerInvariant() + Extension)
        : throw new LvmException(ErrorIds.TrustNameInvalid, $"the name of a peer {why}");

    private TrustEntry Entry(string name, string path, string fingerprint, X509Certificate2? certificate, DateTimeOffset? created = null) => new()
    {
        Name = name,
        IsSelf = path == IdentityPath,
        Fingerprint = fingerprint,
        Certificate = certificate?.ExportCertificatePem(),
        Created = created ?? new DateTimeOffset(File.GetLastWriteTimeUtc(path)),
        Path = path,
    };

    private static (string Fingerprint, X509Certificate2? Certificate) ParseCredential(string text, string source)
    {
        if (Trust.Fingerprint.TryParse(text, out var fingerprint)) return (fingerprint, null);
        var certificate = ParseCertificate(text, source);
        return (Trust.Fingerprint.Of(certificate), certificate);
    }

    private static X509Certificate2 ParseCertificate(string text, string source)
    {
        OpenSsl.Require();
        try
        {
            return X509Certificate2.CreateFromPem(text);
        }
        catch (Exception error) when (error is CryptographicException or ArgumentException)
        {
            throw Invalid(source, error);
        }
    }

    /// <param name="forbidden">What others may not do with it.</param>
    private string? Read(string path, UnixFileMode forbidden = OthersWrite)
    {
        try
        {
            RefuseUnsafe(Folder, OthersWrite);
            RefuseUnsafe(Path.GetDirectoryName(path)!, OthersWrite);
            RefuseUnsafe(path, forbidden);
            return ReadText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Inaccessible(path, error);
        }
    }

    /// <summary>The text of a file; null where there is none.</summary>
    private static string? ReadText(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
            var content = new byte[MaxFileSize + 1];
            var length = file.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
            return length <= MaxFileSize ? Encoding.UTF8.GetString(content, 0, length) : throw new LvmException(ErrorIds.TrustInvalid, $"'{path}' has more than {MaxFileSize} bytes");
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Puts a file in its place, all of it or nothing; false where there is one that is not to be replaced.</summary>
    private bool Write(string path, string content, bool overwrite)
    {
        var temporary = Path.Combine(Folder, $".{Path.GetRandomFileName()}");
        try
        {
            // The folder is root's alone; what is above it need not be.
            Directory.CreateDirectory(Path.GetDirectoryName(Folder)!);
            Directory.CreateDirectory(Folder, OwnerFolder);
            RefuseUnsafe(Folder, OthersWrite);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!, OwnerFolder);
            using (var file = new FileStream(temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerFile }))
            {
                file.Write(Encoding.UTF8.GetBytes(content));
                file.Flush(flushToDisk: true);
            }

            NewFile.Name(temporary, path, overwrite);
            return true;
        }
        catch (IOException) when (!overwrite && File.Exists(path))
        {
            return false;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Inaccessible(path, error);
        }
        finally
        {
            Discard(temporary);
        }
    }

    private static void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Inaccessible(path, error);
        }
    }

    private static void Discard(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The error that led here is the one to report.
        }
    }

    /// <summary>Trust that others could have changed is none.</summary>
    private static void RefuseUnsafe(string path, UnixFileMode forbidden)
    {
        if (!Path.Exists(path)) return;
        if ((File.GetUnixFileMode(path) & forbidden) != 0)
            throw new LvmException(ErrorIds.TrustUnsafe, $"'{path}' is open to other users ({Convert.ToString((int)File.GetUnixFileMode(path), 8)})");
    }

    private static LvmException Missing() => new(ErrorIds.TrustMissing, "this host has no key of its own");

    private static LvmException IdentityExists() => new(ErrorIds.TrustExists, "this host has a key of its own already");

    private static LvmException Unknown(string name) => new(ErrorIds.PeerUnknown, $"there is no peer '{name}'");

    private static LvmException Invalid(string source, Exception inner) => new(ErrorIds.TrustInvalid, $"{source} is neither a certificate (PEM) nor a fingerprint", inner);

    private static LvmException Inaccessible(string path, Exception error) =>
        new(ErrorIds.TrustInaccessible, $"'{path}' cannot be used: {error.Message.TrimEnd('.')}", error);
}
