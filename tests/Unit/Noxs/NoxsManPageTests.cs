using System.Globalization;
using LightVM.Host;
using LightVM.Noxs;
using LightVM.Services;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>The noxs daemon's unit and its man page against the program.</summary>
public sealed class NoxsManPageTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "man", "lightvm-noxsd.8")).Replace("\\-", "-", StringComparison.Ordinal);

    [Fact]
    public void The_unit_leaves_the_keeper_of_its_files_alone()
    {
        var unit = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "packaging", "systemd", NoxsDaemonService.Unit));
        Assert.Contains("\nKillMode=process\n", unit, StringComparison.Ordinal);
    }

    [Fact]
    public void The_man_page_has_every_option_and_every_call()
    {
        using var session = new Session(TextWriter.Null, TextWriter.Null);
        var command = new CommandLine(session).Root.Subcommands.Single(child => child.Name == "noxsd");
        Assert.All(command.Options, option => Assert.Contains(option.Name, Page, StringComparison.Ordinal));
        foreach (var call in (uint[])[NoxsCalls.Create, NoxsCalls.Destroy, NoxsCalls.List, NoxsCalls.Query, NoxsCalls.GuestClose])
            Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"\n0x{call:x6}\t"), Page, StringComparison.Ordinal);
    }
}
