using System.Diagnostics;
using System.Net.Sockets;
using System.Text;

namespace LightVM.Lab;

/// <summary>The device daemon, running for the tests of a class; it is ended with them.</summary>
public sealed class RunningDeviceDaemon : IDisposable
{
    private readonly Process _process;

    public RunningDeviceDaemon()
    {
        var path = Path.Combine(Path.GetTempPath(), $"lightvm-notify-{Guid.NewGuid():n}");
        using var notify = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 60_000 };
        notify.Bind(new UnixDomainSocketEndPoint(path));
        try
        {
            var start = new ProcessStartInfo(Path.Combine(Dom0.Build, "bin", "lightvm"), ["devd"]);
            start.Environment["NOTIFY_SOCKET"] = path;
            _process = Process.Start(start)!;
            var message = new byte[1024];
            while (!Encoding.UTF8.GetString(message, 0, notify.Receive(message)).Contains("READY=1", StringComparison.Ordinal))
            {
                // It may say more before.
            }
        }
        finally
        {
            File.Delete(path);
        }
    }

    public void Dispose()
    {
        _process.Kill(); // as hard as it gets: nothing may depend on its taking leave
        _process.WaitForExit();
        _process.Dispose();
    }
}
