using Microsoft.Win32.SafeHandles;

namespace LightVM.Linux;

/// <summary>
/// A descriptor of an open file for a library that knows nothing of cancellation: cancelled, its number stands for a pipe whose
/// other end is closed, so that the next read or write fails. One that waits already is not woken.
/// </summary>
internal sealed class CancellableDescriptor : IDisposable
{
    private readonly object _lock = new();
    private readonly CancellationTokenRegistration _registration;
    private int _number;

    public CancellableDescriptor(SafeFileHandle file, CancellationToken cancellation)
    {
        var borrowed = false;
        try
        {
            file.DangerousAddRef(ref borrowed);
            _number = Libc.Control((int)file.DangerousGetHandle(), Libc.DuplicateCloseOnExec, 0);
            if (_number < 0) throw Libc.Failure("fcntl(F_DUPFD_CLOEXEC)");
        }
        finally
        {
            if (borrowed) file.DangerousRelease();
        }

        _registration = cancellation.Register(Break);
    }

    public int Number => _number;

    public void Dispose()
    {
        _registration.Dispose(); // waits for one that is under way
        lock (_lock)
        {
            if (_number >= 0) _ = Libc.Close(_number);
            _number = -1;
        }
    }

    private unsafe void Break()
    {
        lock (_lock)
        {
            if (_number < 0) return;
            var ends = stackalloc int[2];
            if (Libc.Pipe(ends, Libc.OpenCloseOnExec) != 0) return;
            _ = Libc.Close(ends[0]);
            _ = Libc.DuplicateTo(ends[1], _number, Libc.OpenCloseOnExec);
            _ = Libc.Close(ends[1]);
        }
    }
}
