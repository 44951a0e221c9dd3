using System.Diagnostics;

namespace LightVM.Unit.Host;

/// <summary>The receiver's unit against systemd and the program.</summary>
public sealed class ReceiverPackagingTests
{
    private const string Name = "lightvm-receive.service";

    private static readonly string Unit = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "packaging", "systemd", Name));

    [Fact]
    public void Systemd_understands_the_unit()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/systemd-analyze"), "there is no systemd-analyze here");
        var folder = Directory.CreateTempSubdirectory("lightvm-unit-").FullName;
        try
        {
            var unit = Path.Combine(folder, Name);
            File.WriteAllText(unit, Unit.Replace("/usr/local/lib/lightvm/lightvm", "/bin/true", StringComparison.Ordinal));
            using var verify = Process.Start(new ProcessStartInfo("/usr/bin/systemd-analyze", ["verify", "--man=no", unit]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            var complaints = verify.StandardError.ReadToEnd();
            verify.WaitForExit();

            Assert.DoesNotContain(Name, complaints, StringComparison.Ordinal);
            Assert.Equal(0, verify.ExitCode);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_unit_starts_the_receiver_where_there_is_a_key_and_waits_for_its_word()
    {
        Assert.Matches(@"(?m)^ExecStart=\S+/lightvm receive$", Unit);
        Assert.Contains("\nType=notify\n", Unit, StringComparison.Ordinal);
        Assert.Contains("\nRuntimeDirectoryPreserve=yes\n", Unit, StringComparison.Ordinal); // other processes' files are in it, too
        Assert.Contains($"\nConditionPathExists={LightVM.Trust.TrustStore.UsualFolder}/host.pem\n", Unit, StringComparison.Ordinal);
        Assert.Contains("\nReadWritePaths=/run\n", Unit, StringComparison.Ordinal);
    }
}
