using System.Diagnostics;
using System.Runtime.InteropServices;

namespace LightVM.Linux;

/// <summary>Waiting for a file in this very thread: a change of threads costs more than what is waited for.</summary>
internal sealed class Readiness : IDisposable
{
    private readonly WakeFile _wake = new();
    private readonly CancellationTokenRegistration _registration;
    private readonly CancellationToken _cancellation;

    /// <summary>For who waits again and again.</summary>
    public Readiness(CancellationToken cancellation)
    {
        _cancellation = cancellation;
        _registration = cancellation.Register(_wake.Wake);
    }

    public void Dispose()
    {
        _registration.Dispose();
        _wake.Dispose();
    }

    /// <summary>Waits until there is something to read.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Await(int file) => Await(file, _wake, Timeout.InfiniteTimeSpan, _cancellation);

    /// <summary>Waits until there is something to read; false when there was not in time.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static bool Await(int file, TimeSpan timeout, CancellationToken cancellation)
    {
        using var wake = cancellation.CanBeCanceled ? new WakeFile() : null;
        using var registration = cancellation.Register(() => wake!.Wake());
        return Await(file, wake, timeout, cancellation);
    }

    private static unsafe bool Await(int file, WakeFile? wake, TimeSpan timeout, CancellationToken cancellation)
    {
        var files = stackalloc Libc.PollFile[2];
        files[0] = new Libc.PollFile { File = file, Events = Libc.PollIn };
        files[1] = new Libc.PollFile { File = wake?.File ?? -1, Events = Libc.PollIn };
        for (var begin = Stopwatch.GetTimestamp(); ;)
        {
            var left = timeout == Timeout.InfiniteTimeSpan ? -1 : Math.Clamp(Math.Ceiling((timeout - Stopwatch.GetElapsedTime(begin)).TotalMilliseconds), 0, int.MaxValue);
            var count = Libc.Poll(files, 2, (int)left);
            if (count < 0 && Marshal.GetLastPInvokeError() != Libc.EINTR) throw Libc.Failure("poll");
            cancellation.ThrowIfCancellationRequested();
            if (count > 0) return true;
            if (count == 0) return false;
        }
    }
}
