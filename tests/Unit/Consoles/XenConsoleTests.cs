using System.Text;
using LightVM.Consoles;
using LightVM.Errors;

namespace LightVM.Unit.Consoles;

/// <summary>Readers of one console, in this process and in others, on a real pseudo-terminal and real files.</summary>
public sealed class XenConsoleTests : IDisposable
{
    private readonly TestConsole _test = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _test.Dispose();

    [Fact]
    public void Every_reader_gets_everything()
    {
        using var first = _test.Open();
        using var second = _test.Open();
        _test.Guest.Write("one");
        Assert.Equal("one", Read(first, 3));
        using var late = _test.Open();
        _test.Guest.Write("two");

        Assert.Equal("two", Read(first, 3));
        Assert.Equal("onetwo", Read(second, 6));
        Assert.Equal("onetwo", Read(late, 6));
    }

    [Fact]
    public void The_backlog_is_there_for_those_who_come_later()
    {
        _test.Guest.Write("before anybody came");
        using (var first = _test.Open()) Assert.Equal("before anybody came", Encoding.UTF8.GetString(ConsoleBacklog.Read(first, null, Cancellation)));
        using var second = _test.Open();

        Assert.Equal("before anybody came", Encoding.UTF8.GetString(ConsoleBacklog.Read(second, null, Cancellation)));
    }

    [Fact]
    public void Nothing_in_the_terminal_is_nothing_to_wait_for()
    {
        using var console = _test.Open();

        Assert.Equal(TimeSpan.Zero, console.Lag);
        Assert.Null(console.Read(new byte[10], TimeSpan.Zero, Cancellation));
    }

    [Fact]
    public void Its_spool_is_the_owner_s_alone()
    {
        using var console = _test.Open();
        _ = console.Lag;

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_test.Spool));
    }

    [Fact]
    public void A_reader_of_another_process_takes_over_from_one_that_is_killed()
    {
        using var pump = new ReaderProcess(_test);
        _test.Guest.Write("one");
        Assert.Equal("one", Read(pump, 3));
        using var follower = _test.Open();
        Assert.Equal("one", Read(follower, 3));
        Assert.Throws<LvmException>(() => ConsoleLock.Take(_test.Key.Id, _test.Folder));
        pump.Kill();
        _test.Guest.Write("two");

        Assert.Equal("two", Read(follower, 3));
    }

    [Fact]
    public void A_reader_of_another_process_takes_over_from_one_that_leaves()
    {
        using var follower = FollowerOf(out var pump);
        Assert.Equal("", pump.Leave());
        _test.Guest.Write("two");

        Assert.Equal("two", Read(follower, 3));
        pump.Dispose();
    }

    [Fact]
    public void Of_several_that_wait_one_takes_over()
    {
        using var follower = FollowerOf(out var pump);
        using var other = new ReaderProcess(_test);
        Assert.Equal("one", Read(other, 3));
        pump.Kill();
        _test.Guest.Write("two");

        Assert.Equal("two", Read(follower, 3));
        Assert.Equal("two", Read(other, 3));
        pump.Dispose();
    }

    [Fact]
    public void Whoever_comes_last_still_reads_what_a_killed_pump_had_read()
    {
        using (var pump = new ReaderProcess(_test))
        {
            _test.Guest.Write("one");
            Assert.Equal("one", Read(pump, 3));
        }

        using var console = _test.Open();
        Assert.Equal("one", Read(console, 3));
    }

    [Fact]
    public void Without_readers_the_console_is_free()
    {
        using (var console = _test.Open())
        {
            _ = console.Lag;
            Assert.Equal(ErrorIds.ConsoleUnavailable, Assert.Throws<LvmException>(() => ConsoleLock.Take(_test.Key.Id, _test.Folder)).ErrorId);
        }

        ConsoleLock.Take(_test.Key.Id, _test.Folder).Dispose();
    }

    [Fact]
    public void A_console_that_Xen_s_client_has_is_not_to_be_had()
    {
        using (ConsoleLock.Take(_test.Key.Id, _test.Folder))
        {
            using var console = _test.Open();
            var error = Assert.Throws<LvmException>(() => console.Read(new byte[10], TimeSpan.Zero, Cancellation));
            Assert.Equal(ErrorIds.ConsoleUnavailable, error.ErrorId);
            Assert.Contains("xl console", error.Message, StringComparison.Ordinal);
        }

        using var later = _test.Open();
        _test.Guest.Write("hello");
        Assert.Equal("hello", Read(later, 5));
    }

    [Fact]
    public void What_is_typed_does_not_need_the_console_for_itself()
    {
        using var held = ConsoleLock.Take(_test.Key.Id, _test.Folder);
        using var console = _test.Open();
        console.Write("typed"u8, TimeSpan.FromSeconds(10), Cancellation);

        Assert.Equal("typed", _test.Guest.Read(5));
    }

    [Fact]
    public void A_guest_that_reads_nothing_is_not_waited_for_without_end()
    {
        using var console = _test.Open();
        var error = Assert.Throws<LvmException>(() => console.Write(new byte[100_000], TimeSpan.FromMilliseconds(100), Cancellation));

        Assert.Equal(ErrorIds.WaitTimeout, error.ErrorId);
        Assert.Contains("of 100000 bytes", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Typing_and_reading_are_cancelled_while_they_wait()
    {
        using var console = _test.Open();
        using var cancellation = new CancellationTokenSource();
        var reading = Task.Run(() => console.Read(new byte[10], Timeout.InfiniteTimeSpan, cancellation.Token), Cancellation);
        var typing = Task.Run(() => console.Write(new byte[100_000], Timeout.InfiniteTimeSpan, cancellation.Token), Cancellation);
        await Task.Delay(50, Cancellation);
        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => typing);
    }

    [Fact]
    public void The_end_of_the_domain_is_the_end_for_all()
    {
        using var first = _test.Open();
        using var second = _test.Open();
        _ = second.Lag; // it is attached
        using var other = new ReaderProcess(_test);
        _test.Guest.Write("last words");
        Assert.Equal("last words", Read(first, 10));
        Assert.Equal("last words", Read(other, 10));
        _test.End();

        Assert.Equal(0, first.Read(new byte[10], Timeout.InfiniteTimeSpan, Cancellation));
        Assert.Equal("last words", Read(second, 10));
        Assert.Equal(0, second.Read(new byte[10], Timeout.InfiniteTimeSpan, Cancellation));
        Assert.Equal("", other.ReadToEnd());
        Assert.False(File.Exists(_test.Spool));
    }

    [Fact]
    public void The_removal_of_the_spool_is_the_end_for_all()
    {
        using var pump = new ReaderProcess(_test);
        _test.Guest.Write("one");
        Assert.Equal("one", Read(pump, 3));
        using var follower = _test.Open();
        Assert.Equal("one", Read(follower, 3));
        File.Delete(_test.Spool);

        Assert.Equal("", pump.ReadToEnd());
        Assert.Equal(0, follower.Read(new byte[10], Timeout.InfiniteTimeSpan, Cancellation));
    }

    [Fact]
    public void A_console_daemon_that_goes_is_not_the_end_of_the_domain()
    {
        using var console = _test.Open();
        _ = console.Lag;
        _test.Guest.Hangup();

        Assert.Equal(ErrorIds.ConsoleUnavailable, Assert.Throws<LvmException>(() => console.Read(new byte[10], Timeout.InfiniteTimeSpan, Cancellation)).ErrorId);
        Assert.True(File.Exists(_test.Spool));
    }

    [Fact]
    public async Task A_flood_is_passed_on_in_order_and_kept_within_bounds()
    {
        const int Lines = 200_000; // 2.2 MB
        using var reader = _test.Open();
        _ = reader.Lag;
        var writing = Task.Run(() =>
        {
            for (var i = 0; i < Lines; i += 100) _test.Guest.Write(string.Concat(Enumerable.Range(i, 100).Select(number => $"{number:0000000000}\n")));
            _test.End();
        }, Cancellation);
        var lines = new ConsoleLines();
        var read = new List<string>();
        var buffer = new byte[65536];
        while (reader.Read(buffer, Timeout.InfiniteTimeSpan, Cancellation) is > 0 and var count) read.AddRange(lines.Add(buffer.AsSpan(0, count)));
        await writing;

        // A reader that falls behind by more than is kept misses the oldest: a gap, and never a disorder. The end of a pseudo-terminal
        // takes along what nobody has read of it.
        var numbers = read.Where(line => line.Length == 10).Select(line => int.Parse(line, System.Globalization.CultureInfo.InvariantCulture)).ToList();
        Assert.Equal(numbers.Order(), numbers);
        Assert.True(numbers.Count > 50_000, $"{numbers.Count} lines");
    }

    private IGuestConsole FollowerOf(out ReaderProcess pump)
    {
        pump = new ReaderProcess(_test);
        _test.Guest.Write("one");
        Assert.Equal("one", Read(pump, 3));
        var follower = _test.Open();
        Assert.Equal("one", Read(follower, 3));
        return follower;
    }

    private static string Read(IGuestConsole console, int count)
    {
        var buffer = new byte[count];
        for (var at = 0; at < count;)
        {
            var read = console.Read(buffer.AsSpan(at), TimeSpan.FromSeconds(30), Cancellation);
            Assert.True(read > 0, $"nothing came after '{Encoding.UTF8.GetString(buffer, 0, at)}'");
            at += read.Value;
        }

        return Encoding.UTF8.GetString(buffer);
    }

    private static string Read(ReaderProcess process, int count)
    {
        var buffer = new char[count];
        Assert.Equal(count, process.Output.ReadBlock(buffer));
        return new string(buffer);
    }
}
