using System.Text;
using System.Text.RegularExpressions;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Host;
using LightVM.Pools;
using LightVM.Services;

namespace LightVM.Unit.Pools;

/// <summary>The pool daemon's man page against the program.</summary>
public sealed partial class PoolManPageTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "man", "lightvm-poold.8")).Replace("\\-", "-", StringComparison.Ordinal);

    [Fact]
    public void The_man_page_has_every_option_and_every_request_and_answer()
    {
        using var session = new Session(TextWriter.Null, TextWriter.Null);
        var command = new CommandLine(session).Root.Subcommands.Single(child => child.Name == "poold");
        Assert.All(command.Options, option => Assert.Contains(option.Name, Page, StringComparison.Ordinal));

        var flavour = new PoolFlavour { Kind = ShellKind.Snapshot, AddressSize = 32, DeviceMethod = DeviceMethod.Noxs, MemoryMiB = 4, MaxMemoryMiB = 8, Bridges = ["x"], Kernel = "/k", Ramdisk = "/r", CommandLine = "c", Image = "/i" };
        var definition = new PoolDefinition { Name = "web", Flavour = flavour, MemoryBudgetMiB = 8 };
        PoolDaemonRequest[] requests =
        [
            new PoolDaemonRequest.Missed(new ShellRequest { IsNoxs = true, Kernel = "/k", Ramdisk = "/r", CommandLine = "c" }),
            new PoolDaemonRequest.Create(DomainConfig.From(new DomainConfigDraft { Name = "web", MemoryMiB = 4, VcpuCount = 1 })),
            new PoolDaemonRequest.Add(definition), new PoolDaemonRequest.Set(definition), new PoolDaemonRequest.Remove("web"), new PoolDaemonRequest.List(), new PoolDaemonRequest.Status(),
        ];
        Assert.Equal(typeof(PoolDaemonRequest).GetNestedTypes(System.Reflection.BindingFlags.NonPublic).Length, requests.Length);
        foreach (var request in requests)
        {
            var text = Encoding.UTF8.GetString(PoolDaemonProtocol.Write(request));
            Assert.Contains($"\n.B {Request().Match(text).Groups[1].Value}\n", Page, StringComparison.Ordinal);
            AssertHasMembers(text);
        }

        AssertHasMembers(Encoding.UTF8.GetString(PoolDaemonProtocol.WriteStatus(new PoolDaemonStatus("0", 1, default, 2, 3, 4, 5))));
        AssertHasMembers(Encoding.UTF8.GetString(PoolDaemonProtocol.WritePools([new Pool { Definition = definition, MakeTime = TimeSpan.Zero, OldestTime = default(DateTimeOffset), Problem = "p" }])));
        AssertHasMembers(Encoding.UTF8.GetString(PoolDaemonProtocol.WriteMissed(true)));
        AssertHasMembers(Encoding.UTF8.GetString(PoolDaemonProtocol.WriteCreated(1, new CreationRecord([new CreationStepTime("start", default)], default))));
        Assert.Contains(DaemonProtocol.MaxLine.ToString(System.Globalization.CultureInfo.InvariantCulture), Page, StringComparison.Ordinal);
        Assert.Contains($"\"LightVM {CommandLine.Version}\"", Page, StringComparison.Ordinal);
    }

    private static void AssertHasMembers(string text)
    {
        foreach (Match member in Member().Matches(text)) Assert.Contains(member.Groups[1].Value, Page, StringComparison.Ordinal);
    }

    [GeneratedRegex("\"request\":\"([^\"]+)\"")]
    private static partial Regex Request();

    [GeneratedRegex("\"([a-z_]+)\":")]
    private static partial Regex Member();
}
