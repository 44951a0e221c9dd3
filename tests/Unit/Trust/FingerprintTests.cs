using System.Diagnostics;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using LightVM.Trust;

namespace LightVM.Unit.Trust;

public sealed class FingerprintTests
{
    private const string Hexadecimal = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    private const string Canonical = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";

    [Theory]
    [InlineData(Canonical)]
    [InlineData(Canonical + "=")]
    [InlineData("sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU")]
    [InlineData(" 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n")]
    [InlineData(Hexadecimal)]
    [InlineData("SHA256:" + Hexadecimal)]
    [InlineData("E3:B0:C4:42:98:FC:1C:14:9A:FB:F4:C8:99:6F:B9:24:27:AE:41:E4:64:9B:93:4C:A4:95:99:1B:78:52:B8:55")]
    [InlineData("e3b0c442 98fc1c14 9afbf4c8 996fb924 27ae41e4 649b934c a495991b 7852b855")]
    public void Every_reasonable_spelling_is_read(string text)
    {
        Assert.True(Fingerprint.TryParse(text, out var fingerprint));
        Assert.Equal(Canonical, fingerprint);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("SHA256:")]
    [InlineData("SHA1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU")]
    [InlineData("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuF")]
    [InlineData("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFUU")]
    [InlineData("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8")]
    [InlineData("g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")]
    [InlineData("-----BEGIN CERTIFICATE-----")]
    public void Nothing_else_is(string? text) => Assert.False(Fingerprint.TryParse(text, out _));

    [Fact]
    public void It_is_of_the_key_and_of_nothing_else_in_the_certificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);

        Assert.Equal(Of("one", key), Of("another", key));
        Assert.NotEqual(Of("one", key), Of("one", other));
        Assert.True(Fingerprint.TryParse(Convert.ToHexString(SHA256.HashData(key.ExportSubjectPublicKeyInfo())), out var computed));
        Assert.Equal(computed, Of("one", key));
    }

    [Fact]
    public async Task OpenSSL_computes_the_same()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddDays(1));
        var start = new ProcessStartInfo("/bin/sh", ["-c", "command -v openssl >/dev/null || exit 77; openssl x509 -noout -pubkey | openssl pkey -pubin -outform der | sha256sum"]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        try
        {
            await process.StandardInput.WriteAsync(certificate.ExportCertificatePem());
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // There is no openssl to read it.
        }

        var hash = (await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken)).Split(' ')[0];
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.SkipWhen(process.ExitCode == 77, "there is no openssl");

        Assert.True(Fingerprint.TryParse(hash, out var computed));
        Assert.Equal(Fingerprint.Of(certificate), computed);
    }

    private static string Of(string name, ECDsa key)
    {
        using var certificate = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddDays(1));
        return Fingerprint.Of(certificate);
    }
}
