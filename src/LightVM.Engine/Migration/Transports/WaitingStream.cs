using System.Net.Sockets;
using System.Runtime.InteropServices;
using LightVM.Linux;

namespace LightVM.Migration;

/// <summary>
/// A socket's stream of which a read that has to wait does so in the kernel. .NET makes a socket non-blocking for good with its first
/// asynchronous call; from then on whoever reads is woken by the thread that waits for all sockets, which is two changes of threads for each
/// message where one does. Does not own the socket.
/// </summary>
internal sealed unsafe class WaitingStream(Socket socket) : NetworkStream(socket, ownsSocket: false)
{
    private readonly SafeSocketHandle _handle = socket.SafeHandle;

    public override int Read(Span<byte> buffer)
    {
        var isKept = false;
        try
        {
            // Whoever disposes of the socket meanwhile wakes all who have kept it so.
            _handle.DangerousAddRef(ref isKept);
            var file = (int)_handle.DangerousGetHandle();
            fixed (byte* bytes = buffer)
            {
                while (true)
                {
                    var count = Libc.Read(file, bytes, (nuint)buffer.Length);
                    ObjectDisposedException.ThrowIf(_handle.IsClosed, this);
                    if (count >= 0) return (int)count;
                    var errno = Marshal.GetLastPInvokeError();
                    if (errno == Libc.EAGAIN) Wait(file);
                    else if (errno != Libc.EINTR) throw Libc.Failure("read");
                }
            }
        }
        finally
        {
            if (isKept) _handle.DangerousRelease();
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    private static void Wait(int file)
    {
        var files = stackalloc Libc.PollFile[] { new() { File = file, Events = Libc.PollIn } };
        if (Libc.Poll(files, 1, Timeout.Infinite) < 0 && Marshal.GetLastPInvokeError() != Libc.EINTR) throw Libc.Failure("poll");
    }
}
