using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using LightVM.Errors;
using LightVM.Host.Devices;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Unit.Host.Devices;

/// <summary>What makes a service of the daemon: what it tells systemd, its log, its lock, and that its tasks live and die together.</summary>
public sealed partial class ServiceTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lightvm-unit-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // --- sd_notify ----------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Systemd_is_told_by_a_path_or_an_abstract_name(bool isAbstract)
    {
        var name = Path.Combine(_folder, "notify");
        using var systemd = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 10_000 };
        systemd.Bind(new UnixDomainSocketEndPoint(isAbstract ? "\0" + name : name));
        using var notifier = new ServiceNotifier(isAbstract ? "@" + name : name, "30000000", Environment.ProcessId.ToString(CultureInfo.InvariantCulture));

        notifier.Ready("serving");
        notifier.Ping();
        notifier.Stopping();

        Assert.Equal("READY=1\nSTATUS=serving\n", Receive(systemd));
        Assert.Equal("WATCHDOG=1\n", Receive(systemd));
        Assert.Equal("STOPPING=1\n", Receive(systemd));
        Assert.Equal(TimeSpan.FromSeconds(15), notifier.PingInterval);
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData("", null)]
    [InlineData("0", null)]
    [InlineData("x", null)]
    [InlineData("1000", "1")] // another process's watchdog
    public void There_is_not_always_a_watchdog(string? microseconds, string? process)
    {
        using var notifier = new ServiceNotifier(Path.Combine(_folder, "nobody"), microseconds, process);

        Assert.Null(notifier.PingInterval);
        notifier.Ping();
        notifier.Ready(""); // nobody listens: no matter
    }

    [Fact]
    public void Nobody_has_to_listen()
    {
        using var notifier = new ServiceNotifier(null, "1000", null);

        notifier.Ready("");
        Assert.Null(notifier.PingInterval);
    }

    // --- the log ------------------------------------------------------------------------------------------------------

    [Fact]
    public void Journald_gets_priorities_and_keeps_the_time_itself()
    {
        using var output = new StringWriter();
        using var log = new DaemonLog(output, toJournal: true);

        log.Error("bad");
        log.Info("two\nlines");

        Assert.Equal($"<3>bad{output.NewLine}<6>two lines{output.NewLine}", output.ToString());
    }

    [Fact]
    public void Others_get_the_time()
    {
        using var output = new StringWriter();
        using var log = new DaemonLog(output);

        log.Warning("odd");

        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z warning: odd\s*$", output.ToString());
    }

    [Fact]
    public void A_log_that_was_moved_away_begins_anew()
    {
        var path = Path.Combine(_folder, "devd.log");
        using var log = new DaemonLog(TextWriter.Null, path, toJournal: true);
        log.Info("first");
        File.Move(path, path + ".1");

        log.Info("still first");
        log.Reopen();
        log.Info("second");

        Assert.Equal(2, File.ReadAllLines(path + ".1").Length);
        Assert.EndsWith("info: second", Assert.Single(File.ReadAllLines(path)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_log_that_cannot_be_written_stops_nobody()
    {
        var output = new StringWriter();
        using var log = new DaemonLog(output);
        output.Dispose();

        log.Error("into the void");
    }

    // --- one daemon at a time ---------------------------------------------------------------------------------------------

    [Fact]
    public void Another_process_that_has_the_lock_is_named()
    {
        var path = Path.Combine(_folder, "devd.pid");
        using (InstanceLock.Take(path, "a device daemon"))
        {
            Assert.Equal($"{Environment.ProcessId}\n", File.ReadAllText(path));
        }

        File.WriteAllText(path, "4711\n");
        using (ForeignLock.Take(path))
        {
            var error = Assert.Throws<LvmException>(() => InstanceLock.Take(path, "a device daemon"));
            Assert.Equal(ErrorIds.ServiceFailure, error.ErrorId);
            Assert.Contains("4711", error.Message, StringComparison.Ordinal);
        }

        InstanceLock.Take(path, "a device daemon").Dispose();
        Assert.Equal("", File.ReadAllText(path));
    }

    [Fact]
    public void A_folder_that_is_not_there_is_an_error_with_an_id()
    {
        var error = Assert.Throws<LvmException>(() => InstanceLock.Take(Path.Combine(_folder, "no", "devd.pid"), "a device daemon"));
        Assert.Equal(ErrorIds.HostFileFailure, error.ErrorId);
    }

    // --- tasks ------------------------------------------------------------------------------------------------------------

    [Fact]
    public void The_first_task_that_fails_ends_the_others_and_is_what_is_told()
    {
        var patient = new Task("patient", cancellation => cancellation.WaitHandle.WaitOne());

        var error = Assert.Throws<LvmException>(() => DeviceDaemon.RunAll([patient, new Task("weak", _ => throw new LvmException(ErrorIds.StoreFailure, "broken"))], CancellationToken.None));
        Assert.Equal(ErrorIds.StoreFailure, error.ErrorId);
        Assert.True(patient.HasEnded);
    }

    [Fact]
    public void A_task_that_ends_by_itself_has_failed() =>
        Assert.Contains("brief", Assert.Throws<InvalidOperationException>(() => DeviceDaemon.RunAll([new Task("brief", _ => { })], CancellationToken.None)).Message, StringComparison.Ordinal);

    [Fact]
    public void Who_is_cancelled_has_not_failed()
    {
        using var source = new CancellationTokenSource();
        var thrower = new Task("thrower", cancellation =>
        {
            cancellation.WaitHandle.WaitOne();
            cancellation.ThrowIfCancellationRequested();
        });

        DeviceDaemon.RunAll([new Task("stopper", _ => source.Cancel()), thrower], source.Token);
        Assert.True(thrower.HasEnded);
    }

    private static string Receive(Socket socket)
    {
        var message = new byte[256];
        return Encoding.UTF8.GetString(message, 0, socket.Receive(message));
    }

    /// <summary>A lock that keeps this process out as another process's would: it belongs to the open file (F_OFD_SETLK).</summary>
    private static partial class ForeignLock
    {
        public static SafeFileHandle Take(string path)
        {
            var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            var range = new Range { Type = 1, Length = 1 };
            Assert.Equal(0, Lock((int)file.DangerousGetHandle(), 37, ref range));
            return file;
        }

        [LibraryImport("libc", EntryPoint = "fcntl")]
        private static partial int Lock(int file, int command, ref Range range);

        /// <summary>struct flock.</summary>
        [StructLayout(LayoutKind.Sequential)]
        private struct Range
        {
            public short Type;
            public short Whence;
            public long Start;
            public long Length;
            public int Process;
        }
    }

    private sealed class Task(string name, Action<CancellationToken> work) : IDaemonTask
    {
        public string Name => name;

        public bool HasEnded { get; private set; }

        public void Run(CancellationToken cancellation)
        {
            try
            {
                work(cancellation);
            }
            finally
            {
                HasEnded = true;
            }
        }
    }
}
