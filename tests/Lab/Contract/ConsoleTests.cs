using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Lab;

/// <summary>Consoles of real guests, read by this process, by lightvm and by xl at once.</summary>
public sealed class ConsoleTests(XenContractHost contract) : IClassFixture<XenContractHost>, IDisposable
{
    private const int Lines = 200;

    private static readonly string Program = Path.Combine(Dom0.Build, "bin", "lightvm");
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly string _before = contract.DescribeTraces();
    private readonly List<Process> _processes = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private DomainConsoles Consoles => contract.Host.Consoles;

    public void Dispose()
    {
        foreach (var process in _processes)
        {
            process.Kill();
            process.WaitForExit();
            process.Dispose();
        }

        foreach (var domain in contract.Host.ListDomains().Where(domain => domain.Name.StartsWith("con-", StringComparison.Ordinal))) contract.Host.DestroyDomain(domain.Key);
        GuestTests.AssertEventually(() => contract.DescribeTraces() == _before, () => $"left behind; before:\n{_before}\nafter:\n{contract.DescribeTraces()}");
    }

    [Fact]
    public async Task Three_readers_in_two_processes_get_everything()
    {
        var domain = Start("con-three");
        var here = Enumerable.Range(0, 2).Select(_ => Task.Run(() => Follow(domain).TakeWhile(line => line != $"tiny: line {Lines}").ToList(), Cancellation)).ToList();
        var there = Lightvm("console", domain.Name, "--log");
        var program = Task.Run(() => LinesOf(there).TakeWhile(line => line != $"tiny: line {Lines}").ToList(), Cancellation);
        for (var i = 0; i <= Lines; i++) Consoles.Send(domain.Key, $"line {i}\n", Patience, Cancellation);

        var expected = Enumerable.Range(0, Lines).Select(i => $"tiny: line {i}");
        foreach (var reader in here.Append(program))
        {
            var read = await reader;
            Assert.Equal("tiny: hello from a PV guest", read[0]);
            Assert.Equal(expected, read.Where(line => line.StartsWith("tiny: line ", StringComparison.Ordinal)));
        }
    }

    [Fact]
    public void A_reader_takes_over_from_a_process_that_is_killed()
    {
        var domain = Start("con-kill");
        var pump = Lightvm("console", domain.Name, "--log");
        Assert.Equal("tiny: hello from a PV guest", LinesOf(pump).First());
        Assert.Contains("console", Dom0.Output("sh", "-c", $"tr '\\0' ' ' </proc/{pump.Id}/cmdline"), StringComparison.Ordinal);
        using var follower = Follow(domain).GetEnumerator();
        Assert.True(follower.MoveNext());
        Assert.True(IsLocked(domain));
        pump.Kill(); // SIGKILL
        pump.WaitForExit();
        Consoles.Send(domain.Key, "after the kill\n", Patience, Cancellation);

        do Assert.True(follower.MoveNext());
        while (follower.Current != "tiny: after the kill");
        Assert.True(IsLocked(domain));
    }

    [Fact]
    public void Each_of_many_takes_over_in_its_turn()
    {
        var domain = Start("con-turns");
        var readers = Enumerable.Range(0, 4).Select(_ => Lightvm("console", domain.Name, "--log")).ToList();
        var outputs = readers.Select(reader => LinesOf(reader).GetEnumerator()).ToList();
        for (var i = 0; i < readers.Count; i++)
        {
            Consoles.Send(domain.Key, $"turn {i}\n", Patience, Cancellation);
            foreach (var output in outputs.Skip(i))
            {
                do Assert.True(output.MoveNext());
                while (output.Current != $"tiny: turn {i}");
            }

            readers[i].Kill();
            readers[i].WaitForExit();
        }
    }

    [Fact]
    public void What_was_written_can_be_read_again()
    {
        var domain = Start("con-again", "some words");
        string[] written = ["tiny: hello from a PV guest", "tiny: command line: some words"];
        Consoles.WaitForLine(domain.Key, new Regex("some words$"), Patience, Cancellation);

        Assert.Equal(written, Consoles.ReadLines(domain.Key, cancellation: Cancellation));
        Assert.Equal(written, Consoles.ReadLines(domain.Key, cancellation: Cancellation));
        Assert.Equal(written[1..], Dom0.Output(Program, "console", domain.Name, "--tail", "1").Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void What_is_sent_is_answered()
    {
        var domain = Start("con-send");
        Consoles.Send(domain.Key, "good day\n", Patience, Cancellation);
        Assert.Equal("tiny: good day", Consoles.WaitForLine(domain.Key, new Regex("^tiny: good"), Patience, Cancellation));

        Assert.Contains("tiny: by lightvm", Dom0.Output(Program, "console", domain.Name, "--send", "by lightvm", "--follow", "--timeout", "5"), StringComparison.Ordinal);
        Consoles.Send(domain.Key, "poweroff\n", Patience, Cancellation);
        GuestTests.AssertEventually(() => contract.Host.GetDomain(domain.Key).ShutdownReason == ShutdownReason.Poweroff, () => "it did not power off");
    }

    [Fact]
    public void A_guest_that_reads_nothing_is_not_waited_for_without_end()
    {
        var domain = Start("con-deaf");
        contract.Host.PauseDomain(domain.Key);
        var error = Assert.Throws<LvmException>(() => Consoles.Send(domain.Key, new string('x', 100_000), TimeSpan.FromSeconds(1), Cancellation));

        Assert.Equal(ErrorIds.WaitTimeout, error.ErrorId);
        Assert.Equal("con-deaf", error.Domain);
    }

    [Fact]
    public void Xl_is_refused_while_somebody_reads_and_not_after()
    {
        var domain = Start("con-xl");
        using (var reader = Follow(domain).GetEnumerator())
        {
            Assert.True(reader.MoveNext());
            var (_, output) = Dom0.Run("sh", "-c", "timeout 5 xl console con-xl </dev/null");
            Assert.Contains("Could not lock", output, StringComparison.Ordinal);
        }

        Consoles.Send(domain.Key, "for xl\n", Patience, Cancellation);
        var client = Start("xl", "console", domain.Name);
        Assert.Equal("tiny: for xl", LinesOf(client).First(line => line == "tiny: for xl"));
        var error = Assert.Throws<LvmException>(() => Consoles.ReadLines(domain.Key, cancellation: Cancellation).ToList());
        Assert.Equal(ErrorIds.ConsoleUnavailable, error.ErrorId);
        Assert.Contains("xl console", error.Message, StringComparison.Ordinal);
        client.Kill(entireProcessTree: true);
        client.WaitForExit();
        GuestTests.AssertEventually(() => !IsLocked(domain), () => "xl still has the console");
        Assert.NotEmpty(Consoles.ReadLines(domain.Key, cancellation: Cancellation));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task All_come_to_the_end_when_the_domain_does(bool byXl)
    {
        var domain = Start("con-end");
        var program = Lightvm("console", domain.Name, "--log");
        Assert.Equal("tiny: hello from a PV guest", LinesOf(program).First());
        var here = Task.Run(() => Follow(domain).ToList(), Cancellation);
        Consoles.WaitForLine(domain.Key, new Regex("command line"), Patience, Cancellation);
        GuestTests.AssertEventually(() => File.Exists(SpoolOf(domain)), () => "there is no spool");
        if (byXl) Dom0.Output("xl", "destroy", domain.Name);
        else contract.Host.DestroyDomain(domain.Key);

        Assert.True(program.WaitForExit(Patience), "lightvm is still attached");
        Assert.Equal(0, program.ExitCode);
        try
        {
            Assert.Contains("tiny: hello from a PV guest", await here);
        }
        catch (LvmException error)
        {
            Assert.Equal(ErrorIds.DomainGone, error.ErrorId); // it had not begun to read
        }

        Assert.False(File.Exists(SpoolOf(domain)));
    }

    [Fact]
    public void The_spool_of_a_domain_that_xl_destroyed_unseen_goes_with_the_next()
    {
        var domain = Start("con-unseen");
        Consoles.WaitForLine(domain.Key, new Regex("command line"), Patience, Cancellation);
        Dom0.Output("xl", "destroy", domain.Name);
        Assert.True(File.Exists(SpoolOf(domain)));
        var next = Start("con-next");
        Consoles.WaitForLine(next.Key, new Regex("command line"), Patience, Cancellation);

        Assert.False(File.Exists(SpoolOf(domain)));
        Assert.True(File.Exists(SpoolOf(next)));
    }

    [Fact]
    public void Linux_has_a_shell_on_its_console_and_a_flood_is_kept_within_bounds()
    {
        var domain = contract.Host.CreateDomain(
            DomainConfig.From(new DomainConfigDraft
            {
                Name = "con-linux",
                Kernel = $"{Dom0.Guests}/vmlinux",
                Ramdisk = $"{Dom0.Guests}/initrd.gz",
                CommandLine = "console=hvc0 quiet",
                MemoryMiB = 160,
                VcpuCount = 1,
            }),
            Cancellation);
        Consoles.WaitForLine(domain.Key, new Regex("guest: up"), Patience, Cancellation);
        Consoles.Send(domain.Key, "echo answer-$((40 + 2))\n", Patience, Cancellation);
        Assert.Equal("answer-42", Consoles.WaitForLine(domain.Key, new Regex("^answer-42"), Patience, Cancellation));

        // 1.2 MB, all of which a reader gets who keeps up.
        const int Count = 150_000;
        using var reader = Follow(domain).GetEnumerator();
        Assert.True(reader.MoveNext());
        Consoles.Send(domain.Key, $"seq 1 {Count}; echo flood-$((1 + 1))\n", Patience, Cancellation);
        var last = 0;
        while (reader.Current != "flood-2")
        {
            Assert.True(reader.MoveNext());
            if (!int.TryParse(reader.Current, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) continue;
            Assert.Equal(last + 1, number);
            last = number;
        }

        Assert.Equal(Count, last);
        Assert.InRange(long.Parse(Dom0.Output("du", "-k", SpoolOf(domain)).Split('\t')[0], CultureInfo.InvariantCulture), 900, 1024);
        var kept = Consoles.ReadLines(domain.Key, 2, cancellation: Cancellation).ToList();
        Assert.Equal("flood-2", kept[0]); // and the prompt
    }

    private static string SpoolOf(Domain domain) => $"/run/lightvm/consoles/{domain.Uuid}.log";

    /// <summary>Whether somebody has Xen's lock of the console.</summary>
    private static bool IsLocked(Domain domain) => Dom0.Run("sh", "-c", $"test -e /var/lock/xenconsole.{domain.Id} && ! flock -n /var/lock/xenconsole.{domain.Id} true").ExitCode == 0;

    private Domain Start(string name, string commandLine = "") => contract.Host.CreateDomain(
        DomainConfig.From(new DomainConfigDraft { Name = name, Kernel = Dom0.TinyKernel, MemoryMiB = 4, VcpuCount = 1, CommandLine = commandLine }), Cancellation);

    private IEnumerable<string> Follow(Domain domain) => Consoles.ReadLines(domain.Key, follow: true, cancellation: Cancellation);

    private Process Lightvm(params string[] arguments) => Start(Program, arguments);

    private Process Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardInput = true };
        start.Environment["PATH"] = "/usr/lib/xen-4.17/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        var process = Process.Start(start)!;
        _processes.Add(process);
        return process;
    }

    /// <summary>The lines of a program's output, as they come.</summary>
    private static IEnumerable<string> LinesOf(Process process)
    {
        while (process.StandardOutput.ReadLine() is { } line) yield return line;
    }
}
