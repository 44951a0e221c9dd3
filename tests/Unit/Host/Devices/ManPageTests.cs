using System.Text.RegularExpressions;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Host;
using LightVM.Services;

namespace LightVM.Unit.Host.Devices;

/// <summary>The daemon's man page against the program.</summary>
public sealed partial class ManPageTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "man", "lightvm-devd.8")).Replace("\\-", "-", StringComparison.Ordinal);

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
}
