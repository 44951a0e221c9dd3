using System.Text.RegularExpressions;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Simulation;

namespace LightVM.Unit.Consoles;

/// <summary>What a caller of the engine does with consoles, tried on the simulated host; tests/Lab does the same on Xen.</summary>
public sealed class DomainConsolesTests : IDisposable
{
    private readonly LvmHost _host = LvmHost.OpenSimulated();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private DomainConsoles Consoles => _host.Consoles;

    public void Dispose() => _host.Dispose();

    [Fact]
    public void A_guest_says_hello_and_answers()
    {
        var domain = Create("some words");
        Consoles.Send(domain.Key, "good\nday\r\n", TimeSpan.Zero, Cancellation);

        Assert.Equal(
            ["tiny: hello from a PV guest", "tiny: command line: some words", "good", "tiny: good", "day", "tiny: day"],
            Consoles.ReadLines(domain.Key, cancellation: Cancellation));
        Assert.Equal(["tiny: day"], Consoles.ReadLines(domain.Key, 1, cancellation: Cancellation));
        Assert.Empty(Consoles.ReadLines(domain.Key, 0, cancellation: Cancellation));
    }

    [Fact]
    public void A_guest_mends_a_line_and_obeys_words()
    {
        var domain = Create();
        Consoles.Send(domain.Key, "offf\x7f\n", TimeSpan.Zero, Cancellation);

        Assert.Equal(ShutdownReason.Poweroff, _host.GetDomain(domain.Key).ShutdownReason);
        Assert.Equal(["offf\b \b", "tiny: power off"], Consoles.ReadLines(domain.Key, 2, cancellation: Cancellation));
    }

    [Fact]
    public void A_paused_guest_reads_when_it_runs_again()
    {
        var domain = Create();
        _host.PauseDomain(domain.Key);
        Consoles.Send(domain.Key, "help\n", TimeSpan.Zero, Cancellation);
        Assert.DoesNotContain("help", Consoles.ReadLines(domain.Key, cancellation: Cancellation));
        _host.UnpauseDomain(domain.Key);

        Assert.StartsWith("tiny: poweroff (q)", Consoles.WaitForLine(domain.Key, new Regex("repeated$"), TimeSpan.Zero, Cancellation), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Several_follow_until_the_domain_is_gone()
    {
        var domain = Create();
        var readers = Enumerable.Range(0, 3).Select(_ => Task.Run(() => Consoles.ReadLines(domain.Key, follow: true, cancellation: Cancellation).ToList(), Cancellation)).ToList();
        for (var i = 0; i < 100; i++) Consoles.Send(domain.Key, $"line {i}\n", TimeSpan.Zero, Cancellation);
        _host.DestroyDomain(domain.Key);

        foreach (var reader in readers)
        {
            // One that came too late finds no domain.
            if (await Record.ExceptionAsync(() => reader) is LvmException error) Assert.Equal(ErrorIds.DomainGone, error.ErrorId);
            else Assert.Equal("tiny: line 99", (await reader)[^1]);
        }
    }

    [Fact]
    public async Task A_line_that_comes_later_is_waited_for()
    {
        var domain = Create();
        var waiting = Task.Run(() => Consoles.WaitForLine(domain.Key, new Regex("^tiny: (awaited)"), TimeSpan.FromSeconds(30), Cancellation), Cancellation);
        Consoles.Send(domain.Key, "other\nawaited line\n", TimeSpan.Zero, Cancellation);

        Assert.Equal("tiny: awaited line", await waiting);
    }

    [Fact]
    public void The_beginning_of_a_line_is_found_as_well()
    {
        var domain = Create();
        Consoles.Send(domain.Key, "pass", TimeSpan.Zero, Cancellation);

        Assert.Equal("pass", Consoles.WaitForLine(domain.Key, new Regex("^pass"), TimeSpan.Zero, Cancellation));
    }

    [Fact]
    public void What_does_not_come_in_time_names_the_domain_and_the_pattern()
    {
        var domain = Create();
        var error = Assert.Throws<LvmException>(() => Consoles.WaitForLine(domain.Key, new Regex("never"), TimeSpan.FromMilliseconds(20), Cancellation));

        Assert.Equal(ErrorIds.WaitTimeout, error.ErrorId);
        Assert.StartsWith("Cannot wait for the console of domain 'guest': it has written nothing that matches 'never' within 0.02 s.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_cancelled_says_so()
    {
        var domain = Create();
        var error = Assert.Throws<LvmException>(() => Consoles.ReadLines(domain.Key, follow: true, cancellation: new CancellationToken(canceled: true)).Count());

        Assert.Equal(ErrorIds.OperationCancelled, error.ErrorId);
        Assert.Equal("guest", error.Domain);
    }

    [Fact]
    public void Who_has_no_console_has_an_error_of_its_own()
    {
        var domain = Create();
        _host.DestroyDomain(domain.Key);
        Assert.Equal(ErrorIds.DomainGone, IdOf(domain.Key));
        Assert.Equal(ErrorIds.DomainProtected, IdOf(_host.GetDomain(0u).Key));
        Assert.Equal(ErrorIds.ConsoleUnavailable, IdOf(Create(console: false).Key));
    }

    private string IdOf(DomainKey key) => Assert.Throws<LvmException>(() => Consoles.ReadLines(key, cancellation: Cancellation).ToList()).ErrorId;

    private Domain Create(string commandLine = "", bool console = true) => _host.CreateDomain(
        DomainConfig.From(new DomainConfigDraft { Name = "guest", Kernel = SimulatedKernel.Path, MemoryMiB = 4, VcpuCount = 1, CommandLine = commandLine, Console = console }), Cancellation);
}
