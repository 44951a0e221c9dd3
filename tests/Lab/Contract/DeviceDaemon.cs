using System.Diagnostics;
using System.Net.Sockets;
using System.Text;

namespace LightVM.Lab;

/// <summary>A run of <c>lightvm devd</c>, or of another of its daemons, from its start until it is stopped or killed.</summary>
internal sealed class DeviceDaemon : IDisposable
{
    /// <summary>Long, for a machine that emulates many things at once.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private readonly Process _process;
    private readonly StringBuilder _log = new();

    private DeviceDaemon(ProcessStartInfo start)
    {
        _process = new Process { StartInfo = start };
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_log) _log.AppendLine(line.Data);
        };
        _process.Start();
        _process.BeginErrorReadLine();
    }

    public int ProcessId => _process.Id;

    public bool HasEnded => _process.HasExited;

    /// <summary>What it wrote so far.</summary>
    public string Log
    {
        get
        {
            lock (_log) return _log.ToString();
        }
    }

    /// <summary>Starts it and waits until it serves devices.</summary>
    public static DeviceDaemon Start(params string[] options) => StartOther("devd", new Dictionary<string, string>(), options);

    /// <summary>Starts a daemon and waits until it is ready.</summary>
    public static DeviceDaemon StartOther(string command, IReadOnlyDictionary<string, string> environment, params string[] options)
    {
        var daemon = StartUnready(command, environment, null, options, out var notify);
        using (notify)
        {
            var ended = daemon._process.WaitForExitAsync();
            var message = new byte[1024];
            while (true)
            {
                var received = notify.ReceiveAsync(message);
                if (Task.WaitAny([received, ended], Patience) != 0) Assert.Fail($"the device daemon does not get ready: {daemon.Log}");
                if (Encoding.UTF8.GetString(message, 0, received.Result).Contains("READY=1", StringComparison.Ordinal)) return daemon;
            }
        }
    }

    /// <summary>Starts one that is going to die at a crash point, maybe before it is ready.</summary>
    public static DeviceDaemon StartToCrash(string crashPoint) => StartToCrash("devd", new Dictionary<string, string>(), crashPoint);

    public static DeviceDaemon StartToCrash(string command, IReadOnlyDictionary<string, string> environment, string crashPoint)
    {
        var daemon = StartUnready(command, environment, crashPoint, [], out var notify);
        using (notify)
        {
            var ended = daemon._process.WaitForExitAsync();
            Assert.True(Task.WaitAny([notify.ReceiveAsync(new byte[1024]), ended], Patience) >= 0, $"the device daemon neither gets ready nor dies: {daemon.Log}");
        }

        return daemon;
    }

    /// <summary>Asks it to end, and waits for that.</summary>
    public int Stop()
    {
        Assert.Equal(0, Dom0.Run("kill", ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture)).ExitCode);
        Assert.True(_process.WaitForExit(Patience), $"the device daemon does not end: {Log}");
        return _process.ExitCode;
    }

    /// <summary>Ends it as hard as it gets.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Waits until it has died by itself.</summary>
    public void AwaitDeath() => Assert.True(_process.WaitForExit(Patience), $"the device daemon did not die: {Log}");

    public void Dispose()
    {
        if (!_process.HasExited) Kill();
        _process.Dispose();
    }

    private static DeviceDaemon StartUnready(string command, IReadOnlyDictionary<string, string> environment, string? crashPoint, string[] options, out Socket notify)
    {
        var path = Path.Combine(Path.GetTempPath(), $"lightvm-notify-{Guid.NewGuid():n}");
        notify = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        notify.Bind(new UnixDomainSocketEndPoint(path));
        var start = new ProcessStartInfo(Dom0.Lightvm, [command, .. options]) { RedirectStandardError = true };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        start.Environment["NOTIFY_SOCKET"] = path;
        if (crashPoint is not null) start.Environment["LIGHTVM_CRASH_AT"] = crashPoint;
        return new DeviceDaemon(start);
    }
}
