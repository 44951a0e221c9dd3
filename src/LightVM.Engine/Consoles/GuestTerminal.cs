using System.Diagnostics;
using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Linux;

namespace LightVM.Consoles;

/// <summary>The pseudo-terminal behind which xenconsoled has a guest's console.</summary>
internal static unsafe class GuestTerminal
{
    /// <summary>Opens it, non-blocking. Errors: ConsoleUnavailable.</summary>
    public static int Open(string path)
    {
        var file = Libc.Open(path, Libc.OpenReadWrite | Libc.OpenNoControllingTerminal | Libc.OpenNonBlocking | Libc.OpenCloseOnExec);
        if (file >= 0) return file;
        throw new LvmException(ErrorIds.ConsoleUnavailable, $"'{path}' cannot be opened") { Errno = Marshal.GetLastPInvokeError() };
    }

    /// <summary>Writes all, and waits for the room that it takes. Errors: WaitTimeout, ConsoleUnavailable.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static void Write(int terminal, ReadOnlySpan<byte> bytes, TimeSpan timeout, CancellationToken cancellation)
    {
        using var wake = new WakeFile();
        using var waking = cancellation.Register(wake.Wake);
        var begin = Stopwatch.GetTimestamp();
        var files = stackalloc Libc.PollFile[2];
        for (var written = 0; ;)
        {
            fixed (byte* rest = bytes[written..])
            {
                var count = Libc.Write(terminal, rest, (nuint)(bytes.Length - written));
                if (count >= 0) written += (int)count;
                else if (Marshal.GetLastPInvokeError() is not (Libc.EINTR or Libc.EAGAIN))
                    throw new LvmException(ErrorIds.ConsoleUnavailable, "xenconsoled has closed it") { Errno = Marshal.GetLastPInvokeError() };
            }

            if (written == bytes.Length) return;
            cancellation.ThrowIfCancellationRequested();
            var left = timeout - Stopwatch.GetElapsedTime(begin);
            if (timeout != Timeout.InfiniteTimeSpan && left <= TimeSpan.Zero)
                throw new LvmException(ErrorIds.WaitTimeout, $"its guest reads no input: of {bytes.Length} bytes {written} were taken within {timeout.TotalSeconds:0.###} s");
            files[0] = new Libc.PollFile { File = terminal, Events = Libc.PollOut };
            files[1] = new Libc.PollFile { File = wake.File, Events = Libc.PollIn };
            _ = Libc.Poll(files, 2, timeout == Timeout.InfiniteTimeSpan ? -1 : (int)Math.Min(Math.Ceiling(left.TotalMilliseconds), int.MaxValue));
        }
    }
}
