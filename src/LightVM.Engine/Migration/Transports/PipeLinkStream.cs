using System.Runtime.InteropServices;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Migration;

/// <summary>Two files, one to read and one to write: the pipes of a process, or this process's own.</summary>
internal unsafe class PipeLinkStream : LinkStream
{
    private readonly SafeHandle _input;
    private readonly SafeHandle _output;
    private readonly int _inputFlags;
    private readonly int _outputFlags;
    private readonly SafeFileHandle _wake;

    /// <param name="input">What is read. It may be the same as what is written, a socket.</param>
    public PipeLinkStream(SafeHandle input, SafeHandle output, string peer)
        : base(peer)
    {
        _input = input;
        _output = output;
        var wake = Libc.EventFile(0, Libc.OpenCloseOnExec | Libc.OpenNonBlocking);
        if (wake < 0) throw Libc.Failure("eventfd");
        _wake = new SafeFileHandle(wake, ownsHandle: true);
        // Nothing may block but poll, which can be woken.
        _inputFlags = SetNonBlocking(input);
        _outputFlags = SetNonBlocking(output);
    }

    protected override int ReadCore(Span<byte> buffer)
    {
        using var use = new Use(_input);
        fixed (byte* bytes = buffer)
        {
            while (true)
            {
                Wait(use.File, Libc.PollIn);
                var count = Libc.Read(use.File, bytes, (nuint)buffer.Length);
                if (count >= 0) return (int)count;
                if (Marshal.GetLastPInvokeError() is not (Libc.EAGAIN or Libc.EINTR)) throw Libc.Failure("read");
            }
        }
    }

    protected override void WriteCore(ReadOnlySpan<byte> buffer)
    {
        using var use = new Use(_output);
        fixed (byte* bytes = buffer)
        {
            for (var written = 0; written < buffer.Length;)
            {
                Wait(use.File, Libc.PollOut);
                var count = Libc.Write(use.File, bytes + written, (nuint)(buffer.Length - written));
                if (count >= 0) written += (int)count;
                else if (Marshal.GetLastPInvokeError() is not (Libc.EAGAIN or Libc.EINTR)) throw Libc.Failure("write");
            }
        }
    }

    // Pipes have no asynchronous calls: a thread waits.
    protected override ValueTask<int> ReadCoreAsync(Memory<byte> buffer) => new(Task.Run(() => ReadCore(buffer.Span)));

    protected override ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer) => new(Task.Run(() => WriteCore(buffer.Span)));

    /// <summary>A socket is told, whoever else has it open; a pipe ends when it is closed.</summary>
    protected override void CloseWritingCore()
    {
        if (_output.IsClosed) return;
        using (var use = new Use(_output))
        {
            if (Libc.Shutdown(use.File, Libc.NoMoreSending) == 0) return;
        }

        _output.Dispose();
    }

    protected override void Cut() => Wake();

    protected override void CloseGently()
    {
        CloseWritingCore();
        Wake();
    }

    protected override void Release()
    {
        // As it was found: others may have the same file open.
        Restore(_input, _inputFlags);
        Restore(_output, _outputFlags);
        _input.Dispose();
        _output.Dispose();
        _wake.Dispose();
    }

    /// <summary>For good: whoever waits, or will, is woken.</summary>
    private void Wake()
    {
        if (_wake.IsClosed) return;
        ulong one = 1;
        using var use = new Use(_wake);
        _ = Libc.Write(use.File, (byte*)&one, sizeof(ulong));
    }

    private void Wait(int file, short events)
    {
        using var wake = new Use(_wake);
        var files = stackalloc Libc.PollFile[] { new() { File = file, Events = events }, new() { File = wake.File, Events = Libc.PollIn } };
        while (Libc.Poll(files, 2, Timeout.Infinite) < 0)
        {
            if (Marshal.GetLastPInvokeError() != Libc.EINTR) throw Libc.Failure("poll");
        }

        if (files[1].Happened != 0) throw new IOException("it was closed here");
    }

    private static int SetNonBlocking(SafeHandle handle)
    {
        using var use = new Use(handle);
        var flags = Libc.Control(use.File, Libc.GetFlags, 0);
        if (flags < 0 || Libc.Control(use.File, Libc.SetFlags, flags | Libc.OpenNonBlocking) < 0) throw Libc.Failure("fcntl");
        return flags;
    }

    private static void Restore(SafeHandle handle, int flags)
    {
        if (handle.IsClosed) return;
        using var use = new Use(handle);
        _ = Libc.Control(use.File, Libc.SetFlags, flags);
    }

    /// <summary>Keeps a file open, and its number from being another's, while it is used.</summary>
    private readonly ref struct Use
    {
        private readonly SafeHandle _handle;

        public Use(SafeHandle handle)
        {
            var kept = false;
            handle.DangerousAddRef(ref kept);
            _handle = handle;
        }

        public int File => (int)_handle.DangerousGetHandle();

        public void Dispose() => _handle.DangerousRelease();
    }
}
