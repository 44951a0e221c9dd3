using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace LightVM.Trust;

/// <summary>
/// What a host is known by: the SHA-256 of its public key (the certificate's SubjectPublicKeyInfo), written as OpenSSH writes
/// fingerprints, "SHA256:" and base64 without padding. The same number comes from
/// <c>openssl x509 -noout -pubkey | openssl pkey -pubin -outform der | sha256sum</c>.
/// </summary>
public static class Fingerprint
{
    private const string Prefix = "SHA256:";

    /// <summary>The fingerprint of a certificate's key.</summary>
    public static string Of(X509Certificate2 certificate) => Write(SHA256.HashData(certificate.PublicKey.ExportSubjectPublicKeyInfo()));

    /// <summary>
    /// Reads a fingerprint and gives it as <see cref="Of"/> writes it. Besides that, base64 with padding and hexadecimal digits,
    /// together or in groups (: - and blanks between), are understood, with "SHA256:" before them or without.
    /// </summary>
    public static bool TryParse(string? text, [NotNullWhen(true)] out string? fingerprint)
    {
        fingerprint = null;
        if (text is null || text.Length > 256) return false;
        var digits = text.Trim();
        if (digits.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase)) digits = digits[Prefix.Length..];
        var hash = FromHexadecimal(digits) ?? FromBase64(digits);
        if (hash is null) return false;
        fingerprint = Write(hash);
        return true;
    }

    private static string Write(byte[] hash) => Prefix + Convert.ToBase64String(hash).TrimEnd('=');

    private static byte[]? FromHexadecimal(string text)
    {
        var digits = string.Concat(text.Where(character => character is not (':' or '-' or ' ')));
        return digits.Length == 2 * SHA256.HashSizeInBytes && digits.All(char.IsAsciiHexDigit) ? Convert.FromHexString(digits) : null;
    }

    private static byte[]? FromBase64(string text)
    {
        var hash = new byte[SHA256.HashSizeInBytes];
        return Convert.TryFromBase64String(text.TrimEnd('=') + '=', hash, out var count) && count == hash.Length ? hash : null;
    }
}
