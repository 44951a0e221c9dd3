using LightVM.Errors;
using LightVM.Host.Consoles;

namespace LightVM.Unit.Host;

public sealed class ConsoleLinkTests : IDisposable
{
    private readonly PseudoTerminal _guest = new();
    private readonly Pipe _input = new();
    private readonly Pipe _output = new();

    public void Dispose()
    {
        _guest.Dispose();
        _input.Dispose();
        _output.Dispose();
    }

    [Fact]
    public async Task What_the_guest_writes_reaches_the_user_until_its_console_is_gone()
    {
        using var link = Attach();
        _guest.Write("hello\n");
        var run = Run(link, null);
        Assert.Equal("hello", _output.Read(5));
        _guest.Hangup();

        Assert.Equal(ConsoleEnd.Closed, await run);
    }

    [Fact]
    public async Task What_was_written_before_the_end_is_not_lost()
    {
        using var link = Attach();
        var text = new string('x', 3000);
        _guest.Write(text);
        var run = Run(link, TimeSpan.FromSeconds(10));

        Assert.Equal(text, _output.Read(3000));
        _guest.Hangup();
        Assert.Equal(ConsoleEnd.Closed, await run);
    }

    [Fact]
    public void What_is_typed_reaches_the_guest_and_the_escape_leaves()
    {
        using var link = Attach();
        _input.Write("ab\u0003c\u001dd"u8);

        Assert.Equal(ConsoleEnd.Left, link.Run(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
        Assert.Equal("ab\u0003c", _guest.Read(4));
    }

    [Fact]
    public async Task The_end_of_the_input_is_not_the_end()
    {
        using var link = Attach();
        _input.CloseWriter();
        _guest.Write("still here");
        var run = Run(link, TimeSpan.FromMilliseconds(300));

        Assert.Equal("still here", _output.Read(10));
        Assert.Equal(ConsoleEnd.TimedOut, await run);
    }

    [Fact]
    public async Task It_is_cancelled_while_it_sleeps()
    {
        using var cancellation = new CancellationTokenSource();
        using var link = Attach();
        var run = Task.Run(() => link.Run(null, cancellation.Token), TestContext.Current.CancellationToken);
        await Task.Delay(50, TestContext.Current.CancellationToken);
        await cancellation.CancelAsync();

        Assert.Equal(ConsoleEnd.Cancelled, await run);
    }

    [Fact]
    public void It_ends_when_nobody_reads()
    {
        using var link = Attach();
        _output.CloseReader();
        _guest.Write("hello");

        Assert.Equal(ConsoleEnd.OutputClosed, link.Run(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
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

    private static Task<ConsoleEnd> Run(ConsoleLink link, TimeSpan? timeout) =>
        Task.Run(() => link.Run(timeout, TestContext.Current.CancellationToken), TestContext.Current.CancellationToken);

    private ConsoleLink Attach() => new(_guest.OpenSlave(), _input.Reader, _output.Writer);

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
