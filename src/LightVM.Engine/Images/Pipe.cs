using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Images;

/// <summary>A pipe of the kernel, for libxc, which reads and writes descriptors only.</summary>
internal static class Pipe
{
    /// <summary>What an unprivileged process may ask for: a fourth of what libxc writes at a time.</summary>
    private const int Size = 1 << 20;

    /// <summary>Makes one. Errors: HostFileFailure.</summary>
    public static unsafe (SafeFileHandle Read, SafeFileHandle Write) Open()
    {
        var ends = stackalloc int[2];
        if (Libc.Pipe(ends, Libc.OpenCloseOnExec) != 0)
        {
            var failure = Libc.Failure("pipe2");
            throw new LvmException(ErrorIds.HostFileFailure, $"there are no pipes left ({failure.Message})", failure);
        }

        // Where the kernel grants no more, the pipe works as it is.
        _ = Libc.Control(ends[0], Libc.SetPipeSize, Size);
        return (new SafeFileHandle(ends[0], ownsHandle: true), new SafeFileHandle(ends[1], ownsHandle: true));
    }

    /// <summary>The bytes that fit into one.</summary>
    public static int Capacity(SafeFileHandle pipe)
    {
        var size = Libc.Control((int)pipe.DangerousGetHandle(), Libc.GetPipeSize, 0);
        return size > 0 ? size : throw Libc.Failure("fcntl(F_GETPIPE_SZ)");
    }

    /// <summary>Waits until there is something to read, or nobody can write any more; or else until it is woken.</summary>
    /// <returns>False when it was woken, and there was nothing to read by then.</returns>
    public static unsafe bool AwaitReadable(SafeFileHandle pipe, WakeFile wake)
    {
        var files = stackalloc Libc.PollFile[2];
        files[0] = new Libc.PollFile { File = (int)pipe.DangerousGetHandle(), Events = Libc.PollIn };
        files[1] = new Libc.PollFile { File = wake.File, Events = Libc.PollIn };
        while (Libc.Poll(files, 2, Timeout.Infinite) < 0) ThrowUnlessInterrupted("poll");
        return files[0].Happened != 0;
    }

    /// <summary>Some bytes, at least one; 0 when nobody can write any more.</summary>
    public static unsafe int Read(SafeFileHandle pipe, Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            while (true)
            {
                var count = Libc.Read(pipe, start, (nuint)buffer.Length);
                if (count >= 0) return (int)count;
                ThrowUnlessInterrupted("read");
            }
        }
    }

    /// <summary>All of the bytes. Throws IOException when nobody can read any more.</summary>
    public static unsafe void Write(SafeFileHandle pipe, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            for (nint at = 0; at < bytes.Length;)
            {
                var count = Libc.Write(pipe, start + at, (nuint)(bytes.Length - at));
                if (count >= 0) at += count;
                else ThrowUnlessInterrupted("write");
            }
        }
    }

    private static void ThrowUnlessInterrupted(string call)
    {
        if (Marshal.GetLastPInvokeError() != Libc.EINTR) throw Libc.Failure(call);
    }
}
