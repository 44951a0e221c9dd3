using System.Diagnostics;
using System.Globalization;
using LightVM.Host;

namespace LightVM.Unit.Host;

/// <summary>The daemons' units for systemd against systemd and the program.</summary>
public sealed class SystemdUnitTests
{
    private const string Installed = "/usr/local/lib/lightvm/lightvm";

    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "packaging", "systemd");

    public static TheoryData<string> Units => [.. Directory.GetFiles(Folder).Select(file => Path.GetFileName(file))];

    [Theory]
    [MemberData(nameof(Units))]
    public void Systemd_understands_it(string name)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/systemd-analyze"), "there is no systemd-analyze here");
        var folder = Directory.CreateTempSubdirectory("lightvm-unit-").FullName;
        try
        {
            var unit = Path.Combine(folder, name);
            // What it would miss on a machine where nothing is installed.
            File.WriteAllText(unit, Read(name).Replace(Installed, "/bin/true", StringComparison.Ordinal));
            using var verify = Process.Start(new ProcessStartInfo("/usr/bin/systemd-analyze", ["verify", "--man=no", unit]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            var complaints = verify.StandardError.ReadToEnd();
            verify.WaitForExit();

            Assert.DoesNotContain(name, complaints, StringComparison.Ordinal);
            Assert.Equal(0, verify.ExitCode);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Theory]
    [MemberData(nameof(Units))]
    public void It_starts_a_command_that_there_is_and_waits_for_its_word(string name)
    {
        var command = Path.GetFileNameWithoutExtension(name)["lightvm-".Length..];
        using var session = new Session(TextWriter.Null, TextWriter.Null);

        Assert.Contains(new CommandLine(session).Root.Subcommands, child => child.Name == command);
        Assert.Contains($"\nExecStart={Installed} {command}\n", Read(name), StringComparison.Ordinal);
        Assert.Contains("\nType=notify\n", Read(name), StringComparison.Ordinal);
        Assert.Contains("\nRuntimeDirectoryPreserve=yes\n", Read(name), StringComparison.Ordinal); // other processes' files are in it, too
    }

    [Theory]
    [InlineData("lightvm-devd.service")]
    [InlineData("lightvm-poold.service")]
    public void It_lets_the_daemon_end_what_it_was_asked_for(string name)
    {
        var seconds = Read(name).Split('\n').Single(line => line.StartsWith("TimeoutStopSec=", StringComparison.Ordinal))["TimeoutStopSec=".Length..];
        Assert.True(TimeSpan.FromSeconds(int.Parse(seconds, CultureInfo.InvariantCulture)) > LightVM.Host.Devices.SocketServer.EndPatience);
    }

    [Fact]
    public void The_receiver_is_started_where_there_is_a_key()
    {
        Assert.Contains($"\nConditionPathExists={LightVM.Trust.TrustStore.UsualFolder}/host.pem\n", Read("lightvm-receive.service"), StringComparison.Ordinal);
    }

    /// <summary>As systemd 252 does it.</summary>
    [Theory]
    [MemberData(nameof(Units))]
    public void It_sees_Xen(string name) =>
        Assert.DoesNotMatch("(?m)^(ProtectKernelTunables=yes|ProtectControlGroups=yes|ProtectProc=(?!default)|ProcSubset=pid|PrivateDevices=yes|PrivateUsers=yes)", Read(name));

    private static string Read(string name) => File.ReadAllText(Path.Combine(Folder, name));
}
