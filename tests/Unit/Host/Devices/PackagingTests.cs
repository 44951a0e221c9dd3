using System.Diagnostics;
using System.Text.RegularExpressions;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Host;
using LightVM.Services;

namespace LightVM.Unit.Host.Devices;

/// <summary>The daemon's unit and its man page against the program.</summary>
public sealed partial class PackagingTests
{
    private static readonly string Unit = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "packaging", "systemd", "lightvm-devd.service"));
    private static readonly string Page = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "man", "lightvm-devd.8")).Replace("\\-", "-", StringComparison.Ordinal);

    [Fact]
    public void Systemd_understands_the_unit()
    {
        Assert.SkipUnless(File.Exists("/usr/bin/systemd-analyze"), "there is no systemd-analyze here");
        var folder = Directory.CreateTempSubdirectory("lightvm-unit-").FullName;
        try
        {
            // What it would miss on a machine where nothing is installed.
            var unit = Path.Combine(folder, "lightvm-devd.service");
            File.WriteAllText(unit, Installed().Replace(Unit, "/bin/true"));
            using var verify = Process.Start(new ProcessStartInfo("/usr/bin/systemd-analyze", ["verify", "--man=no", unit]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
            var complaints = verify.StandardError.ReadToEnd();
            verify.WaitForExit();

            Assert.DoesNotContain("lightvm-devd.service", complaints, StringComparison.Ordinal);
            Assert.Equal(0, verify.ExitCode);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_unit_starts_the_daemon_and_waits_for_its_word()
    {
        Assert.Matches(@"(?m)^ExecStart=\S+/lightvm devd$", Unit);
        Assert.Contains("\nType=notify\n", Unit, StringComparison.Ordinal);
        Assert.Contains("\nRuntimeDirectoryPreserve=yes\n", Unit, StringComparison.Ordinal); // other processes' files are in it, too
    }

    [Fact]
    public void The_man_page_has_every_option_and_every_request()
    {
        using var session = new Session(TextWriter.Null, TextWriter.Null);
        var command = new CommandLine(session).Root.Subcommands.Single(child => child.Name == "devd");
        Assert.All(command.Options, option => Assert.Contains(option.Name, Page, StringComparison.Ordinal));

        var disk = new DiskConfig("/x", DiskType.File, "", DiskAccess.ReadOnly);
        DeviceDaemonRequest[] requests =
        [
            new DeviceDaemonRequest.Reserve(Guid.Empty, [new NetworkDevice(0, new NetworkConfig(null, null, null)), new DiskDevice(0, disk)]), new DeviceDaemonRequest.Release(Guid.Empty, []),
            new DeviceDaemonRequest.Status(), new DeviceDaemonRequest.AttachDisk(disk), new DeviceDaemonRequest.DetachDisk(7, 0), new DeviceDaemonRequest.QueryDisk(7, 0),
            new DeviceDaemonRequest.AttachNetwork("vif1.0", null), new DeviceDaemonRequest.DetachNetwork("vif1.0"),
        ];
        Assert.Equal(typeof(DeviceDaemonRequest).GetNestedTypes(System.Reflection.BindingFlags.NonPublic).Length, requests.Length);
        foreach (var request in requests)
        {
            var text = System.Text.Encoding.UTF8.GetString(DeviceDaemonProtocol.Write(request));
            Assert.Contains($"\n.B {Member("request").Match(text).Groups[1].Value}\n", Page, StringComparison.Ordinal);
            foreach (Match member in AnyMember().Matches(text)) Assert.Contains(member.Groups[1].Value, Page, StringComparison.Ordinal);
        }

        var status = DaemonProtocol.WriteOk(json => DeviceDaemonProtocol.WriteStatus(json, new DeviceDaemonStatus("0", 0, default, 0, 0, 0, 0, 0)));
        foreach (Match member in AnyMember().Matches(System.Text.Encoding.UTF8.GetString(status))) Assert.Contains(member.Groups[1].Value, Page, StringComparison.Ordinal);
        Assert.Contains(DaemonProtocol.MaxLine.ToString(System.Globalization.CultureInfo.InvariantCulture), Page, StringComparison.Ordinal);
        Assert.Contains($"\"LightVM {CommandLine.Version}\"", Page, StringComparison.Ordinal);
    }

    private static Regex Member(string name) => new($"\"{name}\":\"([^\"]+)\"");

    [GeneratedRegex("\"([a-z]+)\":")]
    private static partial Regex AnyMember();

    [GeneratedRegex(@"/usr/local/lib/lightvm/lightvm\b")]
    private static partial Regex Installed();
}
