using System.Net.Sockets;
using LightVM.Errors;

namespace LightVM.Services;

/// <summary>
/// The way to a daemon (<see cref="DaemonProtocol"/>): one connection, made when it is first needed and kept, and made anew when the daemon
/// was restarted meanwhile. Members may be called from several threads.
/// </summary>
/// <param name="daemon">Who is there: "the device daemon".</param>
/// <param name="path">Its socket.</param>
/// <param name="unavailable">The error's id when it cannot be asked.</param>
/// <param name="patience">How long an answer may take.</param>
internal sealed class DaemonConnection(string daemon, string path, string unavailable, TimeSpan patience) : IDisposable
{
    private readonly object _lock = new();
    private byte[] _received = new byte[4096];
    private Socket? _socket;
    private bool _disposed;

    /// <summary>Sends a line, and reads the one that comes back while it is valid. Errors: the daemon is unavailable, XenNotPrivileged.</summary>
    /// <param name="again">Whether a line may be sent a second time, where the daemon that had the connection is gone: asking twice does no harm.</param>
    public T Ask<T>(byte[] line, Func<ReadOnlyMemory<byte>, T> read, TimeSpan? longer = null, bool again = true)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return read(Exchange(line, longer ?? patience, again));
        }
    }

    /// <summary>Sends a line that gets no answer, over a connection that is there; else it has lost its sense.</summary>
    public void Tell(byte[] line)
    {
        lock (_lock)
        {
            if (_socket is null) return; // also after it was disposed of
            try
            {
                Send(_socket, line, Environment.TickCount64 + (long)patience.TotalMilliseconds);
            }
            catch (SocketException)
            {
                Disconnect(); // which tells the daemon as much
            }
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            Disconnect();
        }
    }

    private ReadOnlyMemory<byte> Exchange(byte[] line, TimeSpan allowed, bool again)
    {
        var end = Environment.TickCount64 + (long)allowed.TotalMilliseconds;
        // What may be sent only once goes over a connection that is known to be there.
        if (!again && _socket is { } old && old.Poll(0, SelectMode.SelectRead) && old.Available == 0) Disconnect();
        while (true)
        {
            var isNew = _socket is null;
            try
            {
                _socket ??= Connect();
                Send(_socket, line, end);
                return ReceiveLine(_socket, end);
            }
            catch (SocketException error)
            {
                Disconnect();
                // A connection that was idle may have ended with the daemon that had it.
                if (again && !isNew && error.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown or SocketError.ConnectionAborted) continue;
                throw Unavailable(error, allowed);
            }
        }
    }

    private Socket Connect()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.SendTimeout = (int)patience.TotalMilliseconds;
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static void Send(Socket socket, byte[] line, long end)
    {
        socket.SendTimeout = Left(end);
        for (var sent = 0; sent < line.Length;) sent += socket.Send(line.AsSpan(sent));
    }

    private ReadOnlyMemory<byte> ReceiveLine(Socket socket, long end)
    {
        for (var length = 0; ;)
        {
            if (length == _received.Length)
            {
                if (length >= DaemonProtocol.MaxLine) throw new SocketException((int)SocketError.MessageSize);
                Array.Resize(ref _received, length * 2);
            }

            socket.ReceiveTimeout = Left(end);
            var count = socket.Receive(_received.AsSpan(length));
            if (count == 0) throw new SocketException((int)SocketError.ConnectionReset);
            length += count;
            // An answer is one line, and there is no second before the next request.
            if (_received[length - 1] == '\n') return _received.AsMemory(0, length);
        }
    }

    /// <summary>Milliseconds; a socket takes 0 for no limit.</summary>
    private static int Left(long end) =>
        end - Environment.TickCount64 is > 0 and var left ? (int)left : throw new SocketException((int)SocketError.TimedOut);

    private void Disconnect()
    {
        _socket?.Dispose();
        _socket = null;
    }

    private LvmException Unavailable(SocketException error, TimeSpan allowed) => error.SocketErrorCode switch
    {
        SocketError.AccessDenied => new LvmException(ErrorIds.XenNotPrivileged, $"{daemon} lets others in only ('{path}')", error),
        SocketError.TimedOut or SocketError.WouldBlock =>
            new LvmException(unavailable, $"{daemon} does not answer within {allowed.TotalSeconds:0} s ('{path}')", error),
        _ => new LvmException(unavailable, $"{daemon} cannot be reached at '{path}': {error.Message.TrimEnd('.')}", error),
    };
}
