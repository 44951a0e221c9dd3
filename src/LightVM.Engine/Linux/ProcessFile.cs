using System.Diagnostics;
using System.Runtime.InteropServices;
using LightVM.Errors;

namespace LightVM.Linux;

/// <summary>A process that is meant, even if its number is in use again (pidfd_open(2)).</summary>
internal sealed unsafe partial class ProcessFile : IDisposable
{
    private const int Terminated = 15;

    /// <summary>The number that pidfd_send_signal has on every architecture.</summary>
    private const long SendSignalCall = 424;

    private readonly int _file;

    private ProcessFile(int file)
    {
        _file = file;
    }

    /// <summary>Null when there is no such process.</summary>
    public static ProcessFile? Open(int process)
    {
        var file = Libc.PidFile(process);
        if (file >= 0) return new ProcessFile(file);
        return Marshal.GetLastPInvokeError() == Libc.ESRCH ? null : throw Failure($"process {process} cannot be looked at");
    }

    /// <summary>The process that has a file's first byte locked (fcntl(2), F_GETLK); null when none has.</summary>
    public static int? FindLockHolder(string path)
    {
        var file = Libc.Open(path, Libc.OpenReadWrite | Libc.OpenCloseOnExec);
        if (file < 0) return Marshal.GetLastPInvokeError() == ErrnoText.ENOENT ? null : throw Failure($"'{path}' cannot be looked at");
        try
        {
            var range = new Libc.RecordLock { Type = Libc.WriteLock, Length = 1 };
            if (Libc.FileLock(file, Libc.GetLock, ref range) != 0) throw Failure($"'{path}' cannot be looked at");
            return range.Type == Libc.Unlock ? null : range.Process;
        }
        finally
        {
            _ = Libc.Close(file);
        }
    }

    /// <summary>Asks the process to end (SIGTERM).</summary>
    public void Terminate()
    {
        if (SystemCall(SendSignalCall, _file, Terminated, 0, 0) != 0 && Marshal.GetLastPInvokeError() != Libc.ESRCH) throw Failure("the process cannot be asked to end");
    }

    /// <summary>Waits for the end of the process; false when it did not come in time.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public bool WaitForEnd(TimeSpan timeout, CancellationToken cancellation)
    {
        using var wake = new WakeFile();
        using var waking = cancellation.Register(wake.Wake);
        var begin = Stopwatch.GetTimestamp();
        var files = stackalloc Libc.PollFile[] { new() { File = _file, Events = Libc.PollIn }, new() { File = wake.File, Events = Libc.PollIn } };
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            var left = timeout - Stopwatch.GetElapsedTime(begin);
            var ready = Libc.Poll(files, 2, (int)Math.Clamp(Math.Ceiling(left.TotalMilliseconds), 0, int.MaxValue));
            if (ready < 0 && Marshal.GetLastPInvokeError() != Libc.EINTR) throw Failure("the process cannot be waited for");
            if (ready > 0 && files[0].Happened != 0) return true;
            if (ready == 0) return false;
        }
    }

    public void Dispose() => _ = Libc.Close(_file);

    private static LvmException Failure(string problem) => new(ErrorIds.ServiceFailure, problem) { Errno = Marshal.GetLastPInvokeError() };

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SystemCall(long number, long first, long second, long third, long fourth);
}
