using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace LightVM.Host.Devices;

/// <summary>What a service tells systemd: that it is ready, stops, is alive (sd_notify(3), sd_watchdog_enabled(3)). Silent where nobody listens.</summary>
internal sealed class ServiceNotifier : IDisposable
{
    private readonly Socket? _socket;
    private readonly UnixDomainSocketEndPoint? _receiver;

    /// <param name="address">NOTIFY_SOCKET: a path, or @ and an abstract name.</param>
    /// <param name="watchdogMicroseconds">WATCHDOG_USEC.</param>
    /// <param name="watchdogProcess">WATCHDOG_PID: whose watchdog that is.</param>
    public ServiceNotifier(string? address, string? watchdogMicroseconds, string? watchdogProcess)
    {
        if (string.IsNullOrEmpty(address)) return;
        // .NET has abstract names begin with a NUL, as the kernel has.
        _receiver = new UnixDomainSocketEndPoint(address[0] == '@' ? '\0' + address[1..] : address);
        _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        var isOurs = string.IsNullOrEmpty(watchdogProcess) || watchdogProcess == Environment.ProcessId.ToString(CultureInfo.InvariantCulture);
        if (isOurs && long.TryParse(watchdogMicroseconds, NumberStyles.None, CultureInfo.InvariantCulture, out var microseconds) && microseconds > 0)
            PingInterval = TimeSpan.FromMicroseconds(Math.Min(microseconds, int.MaxValue) / 2.0);
    }

    /// <summary>How often <see cref="Ping"/> wants to be called: twice in the time after which the watchdog bites; null where there is none.</summary>
    public TimeSpan? PingInterval { get; }

    public static ServiceNotifier OfProcess() => new(
        Environment.GetEnvironmentVariable("NOTIFY_SOCKET"),
        Environment.GetEnvironmentVariable("WATCHDOG_USEC"),
        Environment.GetEnvironmentVariable("WATCHDOG_PID"));

    public void Ready(string status) => Send($"READY=1\nSTATUS={status}\n");

    public void Stopping() => Send("STOPPING=1\n");

    public void Ping()
    {
        if (PingInterval is not null) Send("WATCHDOG=1\n");
    }

    public void Dispose() => _socket?.Dispose();

    private void Send(string text)
    {
        if (_socket is null) return;
        try
        {
            _socket.SendTo(Encoding.UTF8.GetBytes(text), _receiver!);
        }
        catch (SocketException)
        {
            // Who asked to be told is gone: the service works without.
        }
    }
}
