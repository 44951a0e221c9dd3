using LightVM.Errors;
using LightVM.Migration;
using static LightVM.Unit.Migration.TwoHosts;

namespace LightVM.Unit.Migration;

/// <summary>The ssh transport with programs in ssh's place; the real one is in the lab.</summary>
public sealed class SshTransportTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lightvm-ssh-");

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void What_is_written_goes_in_and_what_comes_out_is_read_until_both_have_ended()
    {
        using var link = Connect("cat");

        Assert.Equal(("root@there", "ssh"), (link.PeerName, link.Transport));
        WriteLine(link, "hello");
        Assert.Equal("hello", ReadLine(link));
        link.CloseWriting();
        Assert.Equal(0, link.Stream.Read(new byte[1]));
    }

    [Fact]
    public async Task Megabytes_go_both_ways_at_once()
    {
        using var link = Connect("cat");
        var sent = new byte[20 << 20];
        new Random(1).NextBytes(sent);
        var received = new byte[sent.Length];

        var writing = Task.Run(() => link.Stream.Write(sent), Cancellation);
        await link.Stream.ReadExactlyAsync(received, Cancellation);
        await writing;

        Assert.True(sent.AsSpan().SequenceEqual(received));
    }

    [Fact]
    public void ssh_is_asked_to_ask_nothing_and_gets_each_word_as_it_is()
    {
        using var link = Connect("""for word; do echo "[$word]"; done""", port: 2222);

        var words = new StreamReader(link.Stream).ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Contains("[BatchMode=yes]", words);
        Assert.Equal(["[-p]", "[2222]", "[--]", "[root@there]", "[lightvm receive --stdio]"], words[^5..]);
    }

    [Fact]
    public void It_has_no_terminal_from_which_signals_reach_it()
    {
        using var link = Connect("ps -o sid= -p $$ 2>/dev/null || cut -d' ' -f6 /proc/$$/stat; echo $$");

        Assert.Equal(ReadLine(link).Trim(), ReadLine(link).Trim()); // the leader of its session
    }

    [Fact]
    public void When_ssh_fails_its_words_are_the_reason()
    {
        using var link = Connect("""echo "ssh: connect to host there port 22: No route to host." >&2; printf 'Bye\033[1m\n' >&2; exit 255""");

        var error = AssertFails(ErrorIds.ConnectionFailed, () => link.Stream.ReadExactly(new byte[1]));

        Assert.Contains("No route to host. | Bye\\u001b", error.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void When_there_is_no_lightvm_at_the_other_end_the_shell_says_so()
    {
        using var link = Connect("echo 'bash: line 1: lightvm: command not found' >&2; exit 127");

        // Whoever writes first hears it all the same.
        var error = AssertFails(ErrorIds.ConnectionFailed, () =>
        {
            while (true) link.Stream.Write(new byte[100_000]);
        });

        Assert.Contains("lightvm: command not found", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void When_ssh_dies_in_the_middle_the_connection_is_lost()
    {
        using var link = Connect("echo begin; read line; echo 'client_loop: send disconnect: Broken pipe' >&2; exit 255");
        Assert.Equal("begin", ReadLine(link));
        WriteLine(link, "go on");

        Assert.Contains("Broken pipe", AssertFails(ErrorIds.ConnectionLost, () => link.Stream.ReadExactly(new byte[1])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_flood_of_words_is_kept_within_bounds()
    {
        using var link = Connect("i=0; while [ $i -lt 20000 ]; do echo \"line $i\"; i=$((i+1)); done >&2; exit 255");

        var error = AssertFails(ErrorIds.ConnectionFailed, () => link.Stream.ReadExactly(new byte[1]));

        Assert.Contains("line 19999", error.Message, StringComparison.Ordinal);
        Assert.InRange(error.Message.Length, 1000, 10_000);
    }

    [Fact]
    public void Words_that_somebody_else_holds_open_do_not_keep_us()
    {
        // As the master of a shared connection does.
        using var link = Connect("sleep 1000 </dev/null >/dev/null & echo $! >\"$0.pid\"; echo gone >&2; exit 255");
        try
        {
            Assert.Contains("gone", AssertFails(ErrorIds.ConnectionFailed, () => link.Stream.ReadExactly(new byte[1])).Message, StringComparison.Ordinal);
        }
        finally
        {
            using var sleeper = System.Diagnostics.Process.GetProcessById(int.Parse(File.ReadAllText(ProgramPath + ".pid"), null));
            sleeper.Kill();
        }
    }

    [Fact]
    public async Task Cancelling_wakes_who_reads_and_who_writes_and_ends_ssh()
    {
        foreach (var work in new Action<Stream>[] { stream => stream.ReadExactly(new byte[1]), stream => stream.Write(new byte[10 << 20]) })
        {
            using var cancel = new CancellationTokenSource();
            using var link = Connect("echo $$; exec sleep 1000");
            using var ssh = System.Diagnostics.Process.GetProcessById(int.Parse(ReadLine(link), null));
            using var aborting = link.AbortOn(cancel.Token);
            var waiting = Task.Run(() => work(link.Stream), Cancellation);
            Assert.NotSame(waiting, await Task.WhenAny(waiting, Task.Delay(100, Cancellation)));
            await cancel.CancelAsync();
            Assert.Equal(ErrorIds.OperationCancelled, (await Assert.ThrowsAnyAsync<LvmException>(() => waiting.WaitAsync(Patience, Cancellation))).ErrorId);
            Assert.True(ssh.WaitForExit(Patience));
        }
    }

    [Fact]
    public void A_peer_that_sends_or_takes_nothing_is_left_at_the_deadline()
    {
        using (var link = Connect("exec sleep 1000"))
        {
            link.Stream.ReadTimeout = 200;
            AssertFails(ErrorIds.ConnectionTimeout, () => link.Stream.ReadExactly(new byte[1]));
        }

        using (var link = Connect("exec sleep 1000"))
        {
            link.Stream.WriteTimeout = 200;
            AssertFails(ErrorIds.ConnectionTimeout, () => link.Stream.Write(new byte[10 << 20]));
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("-oProxyCommand=reboot")]
    [InlineData("root@-oProxyCommand")]
    [InlineData("root@")]
    [InlineData("there;reboot")]
    [InlineData("$(reboot)")]
    [InlineData("two words")]
    [InlineData("a\nb")]
    public void What_is_no_host_never_reaches_ssh(string host)
    {
        AssertFails(ErrorIds.HostNameInvalid, () => SshTransport.Connect(host, null, Patience, Program("touch \"$0.ran\"")));
        Assert.False(File.Exists(ProgramPath + ".ran"));
    }

    [Fact]
    public void Without_ssh_it_says_so() =>
        Assert.Contains("no-such-ssh", AssertFails(ErrorIds.TransportUnavailable, () => SshTransport.Connect("there", null, Patience, "no-such-ssh")).Message, StringComparison.Ordinal);

    private string ProgramPath => Path.Combine(_folder.FullName, "ssh");

    private MigrationLink Connect(string script, int? port = null) => SshTransport.Connect("root@there", port, Patience, Program(script));

    private string Program(string script)
    {
        // By a process of its own: a file that this one has written is open to whatever it starts meanwhile, and busy.
        File.WriteAllText(ProgramPath + ".sh", $"#!/bin/sh\n{script}\n");
        using var copy = System.Diagnostics.Process.Start("install", ["-m", "755", ProgramPath + ".sh", ProgramPath]);
        copy.WaitForExit();
        return ProgramPath;
    }
}
