using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Linux;

namespace LightVM.Consoles;

/// <summary>Why a console was left.</summary>
public enum ConsoleEnd
{
    /// <summary>The user pressed Ctrl+].</summary>
    Left,

    /// <summary>The guest's console is gone: the domain ended.</summary>
    Closed,

    /// <summary>Nobody reads what the guest writes any more.</summary>
    OutputClosed,

    TimedOut,

    Cancelled,
}

/// <summary>Copies between a guest's console and the user's: one thread a direction, each asleep whenever there is nothing to copy.</summary>
internal sealed unsafe class ConsoleLink
{
    public const byte Escape = 0x1d; // Ctrl+], as in telnet and xl console

    /// <summary>A pipe that poll calls writable takes this much without blocking (PIPE_BUF).</summary>
    private const int ChunkSize = 4096;

    private readonly IGuestConsole _console;
    private readonly int _input;
    private readonly int _output;
    private readonly TimeSpan _keyPatience;
    private ConsoleEnd? _end;

    /// <param name="console">The guest's console, which stays the caller's.</param>
    /// <param name="input">Where the user types; -1 for nowhere.</param>
    /// <param name="output">Where the user reads.</param>
    /// <param name="keyPatience">
    /// How long the guest may take to read what is typed. What it has not read by then is dropped, so that Ctrl+] is always heard.
    /// </param>
    public ConsoleLink(IGuestConsole console, int input, int output, TimeSpan keyPatience)
    {
        _console = console;
        _input = input;
        _output = output;
        _keyPatience = keyPatience;
    }

    /// <summary>Copies until one side ends, the user leaves, the time is over, or it is cancelled.</summary>
    /// <param name="first">What to show before all else.</param>
    public ConsoleEnd Run(ReadOnlyMemory<byte> first, TimeSpan timeout, CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var timer = new Timer(_ => Stop(stop, ConsoleEnd.TimedOut));
        if (timeout != Timeout.InfiniteTimeSpan) timer.Change(timeout, Timeout.InfiniteTimeSpan);
        using var wake = new WakeFile();
        using var waking = stop.Token.Register(wake.Wake);
        Exception? inputFailure = null;
        var input = new Thread(() =>
        {
            try
            {
                CopyInput(wake, stop);
            }
            catch (Exception error) when (error is LvmException or IOException)
            {
                inputFailure = error;
                stop.Cancel();
            }
        })
        { IsBackground = true, Name = "LightVM console input" };
        try
        {
            // Whoever leaves at once has seen what there was to see.
            if (!Show(first.Span, wake, stop.Token)) return ConsoleEnd.OutputClosed;
            if (_input >= 0) input.Start();
            var end = CopyOutput(wake, stop.Token);
            _end ??= end;
        }
        catch (OperationCanceledException)
        {
            _end ??= ConsoleEnd.Cancelled;
        }
        finally
        {
            timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            stop.Cancel();
            if (!input.ThreadState.HasFlag(ThreadState.Unstarted)) input.Join();
        }

        if (inputFailure is not null) ExceptionDispatchInfo.Throw(inputFailure);
        return _end.Value;
    }

    private void Stop(CancellationTokenSource stop, ConsoleEnd end)
    {
        _end ??= end;
        stop.Cancel();
    }

    private ConsoleEnd CopyOutput(WakeFile wake, CancellationToken stop)
    {
        var buffer = new byte[ChunkSize];
        while (_console.Read(buffer, Timeout.InfiniteTimeSpan, stop) is > 0 and var count)
        {
            if (!Show(buffer.AsSpan(0, count), wake, stop)) return ConsoleEnd.OutputClosed;
        }

        return ConsoleEnd.Closed;
    }

    /// <summary>False when nobody is there to read.</summary>
    private bool Show(ReadOnlySpan<byte> bytes, WakeFile wake, CancellationToken stop)
    {
        while (bytes.Length > 0)
        {
            WaitFor(_output, Libc.PollOut, wake);
            stop.ThrowIfCancellationRequested();
            nint count;
            fixed (byte* rest = bytes) count = Libc.Write(_output, rest, (nuint)Math.Min(bytes.Length, ChunkSize));
            if (count >= 0) bytes = bytes[(int)count..];
            else if (Marshal.GetLastPInvokeError() is not (Libc.EINTR or Libc.EAGAIN)) return false;
        }

        return true;
    }

    private void CopyInput(WakeFile wake, CancellationTokenSource stop)
    {
        var buffer = new byte[ChunkSize];
        while (true)
        {
            WaitFor(_input, Libc.PollIn, wake);
            if (stop.IsCancellationRequested) return;
            nint count;
            fixed (byte* start = buffer) count = Libc.Read(_input, start, ChunkSize);
            if (count < 0 && Marshal.GetLastPInvokeError() is Libc.EINTR or Libc.EAGAIN) continue;
            if (count <= 0) return; // the end of the input is not the end of the output
            var typed = buffer.AsSpan(0, (int)count);
            var escape = typed.IndexOf(Escape);
            Send(escape < 0 ? typed : typed[..escape], stop.Token);
            if (escape < 0) continue;
            Stop(stop, ConsoleEnd.Left);
            return;
        }
    }

    private void Send(ReadOnlySpan<byte> typed, CancellationToken stop)
    {
        try
        {
            _console.Write(typed, _keyPatience, stop);
        }
        catch (OperationCanceledException)
        {
            // Somebody else ends this.
        }
        catch (LvmException error) when (error.ErrorId == ErrorIds.WaitTimeout)
        {
            // As a terminal does whose buffer is full.
        }
    }

    private static void WaitFor(int file, short events, WakeFile wake)
    {
        var files = stackalloc Libc.PollFile[2];
        files[0] = new Libc.PollFile { File = file, Events = events };
        files[1] = new Libc.PollFile { File = wake.File, Events = Libc.PollIn };
        if (Libc.Poll(files, 2, -1) < 0 && Marshal.GetLastPInvokeError() != Libc.EINTR) throw Libc.Failure("poll");
    }
}
