using System.Diagnostics;
using System.Runtime.InteropServices;

namespace LightVM.Host.Consoles;

/// <summary>Why a console was left.</summary>
internal enum ConsoleEnd
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

/// <summary>Copies between a guest's console and the user's, and sleeps in poll(2) whenever there is nothing to copy.</summary>
internal sealed unsafe class ConsoleLink : IDisposable
{
    public const byte Escape = 0x1d; // Ctrl+], as in telnet and xl console

    /// <summary>A pipe that poll calls writable takes this much without blocking (PIPE_BUF).</summary>
    private const int ChunkSize = 4096;

    private const int None = -1;

    private readonly int _console;
    private readonly int _output;
    private readonly int _wake;
    private readonly Channel _toUser = new();
    private readonly Channel _toGuest = new();
    private int _input;

    /// <param name="console">The guest's console, open for reading and writing, non-blocking. Closed by <see cref="Dispose"/>.</param>
    /// <param name="input">Where the user types; -1 for nowhere.</param>
    /// <param name="output">Where the user reads.</param>
    public ConsoleLink(int console, int input, int output)
    {
        _console = console;
        _input = input;
        _output = output;
        _wake = Libc.EventFile(0, Libc.OpenCloseOnExec);
        if (_wake < 0) throw Failure("eventfd");
    }

    /// <summary>Copies until one side ends, the user leaves, the time is over, or it is cancelled.</summary>
    public ConsoleEnd Run(TimeSpan? timeout, CancellationToken cancellation)
    {
        using var waking = cancellation.Register(Wake);
        var begin = Stopwatch.GetTimestamp();
        var files = stackalloc Libc.PollFile[4];
        while (true)
        {
            if (cancellation.IsCancellationRequested) return ConsoleEnd.Cancelled;
            var left = timeout is null ? Timeout.InfiniteTimeSpan : timeout.Value - Stopwatch.GetElapsedTime(begin);
            if (timeout is not null && left <= TimeSpan.Zero) return ConsoleEnd.TimedOut;

            // Each direction reads only when what it read before has been written: nobody's output piles up here.
            files[0] = new Libc.PollFile { File = _wake, Events = Libc.PollIn };
            files[1] = new Libc.PollFile { File = _console, Events = (short)((_toUser.IsEmpty ? Libc.PollIn : 0) | (_toGuest.IsEmpty ? 0 : Libc.PollOut)) };
            files[2] = new Libc.PollFile { File = _toGuest.IsEmpty ? _input : None, Events = Libc.PollIn };
            files[3] = new Libc.PollFile { File = _toUser.IsEmpty ? None : _output, Events = Libc.PollOut };
            var wait = timeout is null ? -1 : (int)Math.Min(Math.Ceiling(left.TotalMilliseconds), int.MaxValue);
            if (Libc.Poll(files, 4, wait) < 0)
            {
                if (Marshal.GetLastPInvokeError() == Libc.EINTR) continue;
                throw Failure("poll");
            }

            if (files[3].Happened != 0 && !_toUser.Write(_output)) return ConsoleEnd.OutputClosed;
            if (files[2].Happened != 0 && !ReadInput()) return ConsoleEnd.Left;
            if ((files[1].Happened & Libc.PollOut) != 0 && !_toGuest.Write(_console)) return ConsoleEnd.Closed;
            if ((files[1].Happened & ~Libc.PollOut) != 0 && _toUser.IsEmpty && !_toUser.Read(_console)) return ConsoleEnd.Closed;
        }
    }

    public void Dispose()
    {
        _ = Libc.Close(_wake);
        _ = Libc.Close(_console);
    }

    /// <summary>False when the user wants to leave.</summary>
    private bool ReadInput()
    {
        if (!_toGuest.Read(_input))
        {
            _input = None; // the end of the input is not the end of the output
            return true;
        }

        var escape = _toGuest.Pending.IndexOf(Escape);
        if (escape < 0) return true;
        _toGuest.Truncate(escape);
        _toGuest.Write(_console); // what was typed before; the guest may have no room for it
        return false;
    }

    private void Wake()
    {
        ulong one = 1;
        _ = Libc.Write(_wake, (byte*)&one, sizeof(ulong));
    }

    private static IOException Failure(string call)
    {
        var errno = Marshal.GetLastPInvokeError();
        return new IOException($"{call}: {Marshal.GetPInvokeErrorMessage(errno)}");
    }

    /// <summary>One direction: what was read and is not written yet.</summary>
    private sealed class Channel
    {
        private readonly byte[] _buffer = new byte[ChunkSize];
        private int _start;
        private int _end;

        public bool IsEmpty => _start == _end;

        public Span<byte> Pending => _buffer.AsSpan(_start, _end - _start);

        public void Truncate(int length) => _end = _start + length;

        /// <summary>False at the end of the file.</summary>
        public bool Read(int file)
        {
            nint count;
            fixed (byte* buffer = _buffer) count = Libc.Read(file, buffer, (nuint)_buffer.Length);
            if (count < 0 && Marshal.GetLastPInvokeError() is Libc.EINTR or Libc.EAGAIN) count = 0;
            else if (count <= 0) return false; // a terminal whose other side is gone gives EIO
            _start = 0;
            _end = (int)count;
            return true;
        }

        /// <summary>False when nobody is there to read.</summary>
        public bool Write(int file)
        {
            nint count;
            fixed (byte* buffer = _buffer) count = Libc.Write(file, buffer + _start, (nuint)(_end - _start));
            if (count < 0) return Marshal.GetLastPInvokeError() is Libc.EINTR or Libc.EAGAIN;
            _start += (int)count;
            return true;
        }
    }
}
