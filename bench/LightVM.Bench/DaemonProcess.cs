using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace LightVM.Bench;

/// <summary>A daemon of this build, from when it is ready until it is disposed.</summary>
internal sealed partial class DaemonProcess : IDisposable
{
    private const int Terminate = 15; // SIGTERM

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process _process;

    /// <param name="words">Its command: "devd", "poold"; and what that is to be told.</param>
    /// <param name="log">The file that its log is appended to.</param>
    public DaemonProcess(string lightvm, IEnumerable<string> words, string log)
    {
        var folder = Directory.CreateTempSubdirectory("lightvm-bench-");
        try
        {
            // As systemd does: the service says by itself when it is ready.
            var path = Path.Combine(folder.FullName, "notify");
            using var notified = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = (int)Patience.TotalMilliseconds };
            notified.Bind(new UnixDomainSocketEndPoint(path));
            var start = new ProcessStartInfo(lightvm, [.. words, "--log-file", log]);
            start.Environment["NOTIFY_SOCKET"] = path;
            _process = Process.Start(start)!;
            var buffer = new byte[4096];
            string said;
            do said = Encoding.UTF8.GetString(buffer, 0, notified.Receive(buffer));
            while (!said.Contains("READY=1", StringComparison.Ordinal));
        }
        catch (SocketException error)
        {
            throw new InvalidOperationException($"lightvm {string.Join(' ', words)} has not become ready ({log})", error);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>Memory that it has in use, MiB.</summary>
    public double ResidentMiB => Memory.ResidentMiB(_process.Id);

    public void Dispose()
    {
        _ = Kill(_process.Id, Terminate);
        _process.WaitForExit();
        _process.Dispose();
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
