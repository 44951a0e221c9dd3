using LightVM.Consoles;
using LightVM.Errors;
using LightVM.Linux;

namespace LightVM.Unit.Consoles;

public sealed class ConsoleLinkTests : IDisposable
{
    private readonly TestConsole _test = new();
    private readonly Pipe _input = new();
    private readonly Pipe _output = new();

    public void Dispose()
    {
        _test.Dispose();
        _input.Dispose();
        _output.Dispose();
    }

    [Fact]
    public async Task What_the_guest_writes_reaches_the_user_until_its_console_is_gone()
    {
        using var console = _test.Open();
        var link = Attach(console);
        _test.Guest.Write("hello\n");
        var run = Run(link, Timeout.InfiniteTimeSpan);
        Assert.Equal("hello", _output.Read(5));
        _test.End();

        Assert.Equal(ConsoleEnd.Closed, await run);
    }

    [Fact]
    public async Task What_was_written_before_the_end_is_not_lost()
    {
        using var console = _test.Open();
        var link = Attach(console);
        var text = new string('x', 3000);
        _test.Guest.Write(text);
        var run = Run(link, TimeSpan.FromSeconds(10));

        Assert.Equal(text, _output.Read(3000));
        _test.End();
        Assert.Equal(ConsoleEnd.Closed, await run);
    }

    [Fact]
    public void What_is_typed_reaches_the_guest_and_the_escape_leaves()
    {
        using var console = _test.Open();
        var link = Attach(console);
        _input.Write("ab\u0003c\u001dd"u8);

        Assert.Equal(ConsoleEnd.Left, link.Run(default, TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
        Assert.Equal("ab\u0003c", _test.Guest.Read(4));
    }

    [Fact]
    public void Whoever_leaves_at_once_has_seen_what_there_was()
    {
        using var console = _test.Open();
        var link = Attach(console);
        _input.Write([ConsoleLink.Escape]);

        Assert.Equal(ConsoleEnd.Left, link.Run("written before"u8.ToArray(), Timeout.InfiniteTimeSpan, TestContext.Current.CancellationToken));
        Assert.Equal("written before", _output.Read(14));
    }

    [Fact]
    public void The_escape_leaves_a_guest_that_reads_nothing()
    {
        using var console = _test.Open();
        var link = Attach(console);
        _input.Write(new byte[40_000]); // more than a terminal takes
        _input.Write([ConsoleLink.Escape]);

        Assert.Equal(ConsoleEnd.Left, link.Run(default, Timeout.InfiniteTimeSpan, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task The_end_of_the_input_is_not_the_end()
    {
        using var console = _test.Open();
        var link = Attach(console);
        _input.CloseWriter();
        _test.Guest.Write("still here");
        var run = Run(link, TimeSpan.FromMilliseconds(300));

        Assert.Equal("still here", _output.Read(10));
        Assert.Equal(ConsoleEnd.TimedOut, await run);
    }

    [Fact]
    public async Task It_is_cancelled_while_it_sleeps()
    {
        using var cancellation = new CancellationTokenSource();
        using var console = _test.Open();
        var link = Attach(console);
        var run = Task.Run(() => link.Run(default, Timeout.InfiniteTimeSpan, cancellation.Token), TestContext.Current.CancellationToken);
        await Task.Delay(50, TestContext.Current.CancellationToken);
        await cancellation.CancelAsync();

        Assert.Equal(ConsoleEnd.Cancelled, await run);
    }

    [Fact]
    public void It_ends_when_nobody_reads()
    {
        using var console = _test.Open();
        var link = Attach(console);
        _output.CloseReader();
        _test.Guest.Write("hello");

        Assert.Equal(ConsoleEnd.OutputClosed, link.Run(default, TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_terminal_is_raw_for_as_long_as_it_is_used()
    {
        using var user = new PseudoTerminal(raw: false);
        var file = user.OpenSlave();
        try
        {
            var before = Settings(file);
            using (var terminal = new RawTerminal(file))
            {
                Assert.True(terminal.IsRaw);
                Assert.NotEqual(before, Settings(file));
            }

            Assert.Equal(before, Settings(file));
        }
        finally
        {
            _ = Libc.Close(file);
        }
    }

    [Fact]
    public void A_pipe_is_left_alone()
    {
        using var terminal = new RawTerminal(_input.Reader);

        Assert.False(terminal.IsRaw);
    }

    [Fact]
    public void A_console_is_for_one_at_a_time()
    {
        var directory = Directory.CreateTempSubdirectory("lightvm-lock-");
        try
        {
            using (ConsoleLock.Take(7, directory.FullName))
            {
                var error = Assert.Throws<LvmException>(() => ConsoleLock.Take(7, directory.FullName));
                Assert.Equal(ErrorIds.ConsoleUnavailable, error.ErrorId);
                ConsoleLock.Take(8, directory.FullName).Dispose();
            }

            ConsoleLock.Take(7, directory.FullName).Dispose();
            Assert.Empty(directory.GetFiles());
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static Task<ConsoleEnd> Run(ConsoleLink link, TimeSpan timeout) =>
        Task.Run(() => link.Run(default, timeout, TestContext.Current.CancellationToken), TestContext.Current.CancellationToken);

    private ConsoleLink Attach(IGuestConsole console) => new(console, _input.Reader, _output.Writer, TimeSpan.FromMilliseconds(100));

    private static string Settings(int file)
    {
        var settings = default(Libc.TerminalSettings);
        Assert.Equal(0, Libc.GetTerminal(file, ref settings));
        unsafe
        {
            return Convert.ToHexString(new ReadOnlySpan<byte>(&settings, sizeof(Libc.TerminalSettings)));
        }
    }
}
