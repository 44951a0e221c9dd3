using System.Net.Sockets;
using System.Text.Json;
using LightVM.Errors;

namespace LightVM.Devices;

/// <summary>
/// The way to the device daemon: one connection, made when it is first needed and kept, and made anew when the daemon was restarted
/// meanwhile. Members may be called from several threads.
/// </summary>
internal sealed class DeviceDaemonClient : IDisposable
{
    /// <summary>How long an answer may take.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly object _lock = new();
    private readonly string _path;
    private byte[] _received = new byte[4096];
    private Socket? _socket;
    private bool _disposed;

    /// <param name="path">The daemon's socket; null for the usual one.</param>
    public DeviceDaemonClient(string? path = null)
    {
        _path = path ?? DeviceDaemonProtocol.SocketPath;
    }

    /// <summary>
    /// Asks for devices of a domain. They are held for the domain for a minute, or until they appear. Errors: BridgeNotFound,
    /// MacAddressTaken, NetworkAdapterInvalid, DiskNotFound, DiskInvalid, DiskInUse, DeviceFailure, DeviceDaemonUnavailable, XenNotPrivileged.
    /// </summary>
    /// <returns>The devices, with MAC addresses where there were none.</returns>
    public IReadOnlyList<Device> Reserve(Guid uuid, IReadOnlyList<Device> devices)
    {
        var asked = ThatAreAskedFor(devices);
        if (asked.Length == 0) return devices;
        var macs = Ask(new DeviceDaemonRequest.Reserve(uuid, asked), DeviceDaemonProtocol.ReadMacs);
        if (macs.Count != asked.Count(device => device is NetworkDevice))
            throw new LvmException(ErrorIds.DeviceFailure, $"the device daemon gave {macs.Count} addresses for {asked.Count(device => device is NetworkDevice)} interfaces");
        var next = 0;
        return devices.Select(device => device is NetworkDevice network ? network with { Config = network.Config with { Mac = macs[next++] } } : device).ToArray();
    }

    /// <summary>
    /// Gives up devices that are not going to appear, so that others may have their disks and addresses at once. A daemon that cannot be
    /// asked holds nothing, or not for long.
    /// </summary>
    public void Release(Guid uuid, IReadOnlyList<Device> devices)
    {
        var asked = ThatAreAskedFor(devices);
        if (asked.Length == 0) return;
        try
        {
            Ask(new DeviceDaemonRequest.Release(uuid, asked), _ => true);
        }
        catch (LvmException)
        {
            // What it holds it forgets within a minute.
        }
    }

    /// <summary>How the daemon does; null when none runs. Errors: DeviceFailure, XenNotPrivileged.</summary>
    public DeviceDaemonStatus? TryGetStatus()
    {
        try
        {
            return Ask(new DeviceDaemonRequest.Status(), DeviceDaemonProtocol.ReadStatus);
        }
        catch (LvmException error) when (error.ErrorId == ErrorIds.DeviceDaemonUnavailable)
        {
            return null;
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

    /// <summary>Asks, and reads the members of the answer.</summary>
    public T Ask<T>(DeviceDaemonRequest request, Func<JsonElement, T> read)
    {
        var line = DeviceDaemonProtocol.Write(request);
        if (line.Length > DeviceDaemonProtocol.MaxLine)
            throw new LvmException(ErrorIds.DeviceFailure, $"a request of {line.Length} bytes is too long for the device daemon ({DeviceDaemonProtocol.MaxLine})");
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return DeviceDaemonProtocol.ReadAnswer(Exchange(line), read);
        }
    }

    private static Device[] ThatAreAskedFor(IReadOnlyList<Device> devices) => devices.Where(device => device is NetworkDevice or DiskDevice).ToArray();

    private ReadOnlyMemory<byte> Exchange(byte[] line)
    {
        var end = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        while (true)
        {
            var isNew = _socket is null;
            try
            {
                _socket ??= Connect();
                _socket.SendTimeout = Left(end);
                for (var sent = 0; sent < line.Length;) sent += _socket.Send(line.AsSpan(sent));
                return ReceiveLine(_socket, end);
            }
            catch (SocketException error)
            {
                Disconnect();
                // A connection that was idle may have ended with the daemon that had it; asking twice does no harm.
                if (!isNew && error.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown or SocketError.ConnectionAborted) continue;
                throw Unavailable(error);
            }
        }
    }

    private Socket Connect()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.SendTimeout = (int)Patience.TotalMilliseconds;
            socket.Connect(new UnixDomainSocketEndPoint(_path));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private ReadOnlyMemory<byte> ReceiveLine(Socket socket, long end)
    {
        for (var length = 0; ;)
        {
            if (length == _received.Length)
            {
                if (length >= DeviceDaemonProtocol.MaxLine) throw new SocketException((int)SocketError.MessageSize);
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

    private LvmException Unavailable(SocketException error) => error.SocketErrorCode switch
    {
        SocketError.AccessDenied => new LvmException(ErrorIds.XenNotPrivileged, $"the device daemon lets others in only ('{_path}')", error),
        SocketError.TimedOut or SocketError.WouldBlock =>
            new LvmException(ErrorIds.DeviceDaemonUnavailable, $"the device daemon does not answer within {Patience.TotalSeconds:0} s ('{_path}')", error),
        _ => new LvmException(ErrorIds.DeviceDaemonUnavailable, $"the device daemon cannot be reached at '{_path}': {error.Message.TrimEnd('.')}", error),
    };
}
