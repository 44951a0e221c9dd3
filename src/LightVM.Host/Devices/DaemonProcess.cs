using System.Globalization;
using System.Runtime.InteropServices;
using LightVM.Errors;

namespace LightVM.Host.Devices;

/// <summary>What commands have in common that run until a signal ends them: log, systemd, signals.</summary>
internal static class DaemonProcess
{
    /// <summary>Runs a daemon: SIGTERM and SIGINT end it, SIGHUP opens its log again.</summary>
    /// <param name="logFile">A file to append the log to; null for standard error.</param>
    public static int Run(CommandContext context, string? logFile, Action<DaemonLog, ServiceNotifier, CancellationToken> run)
    {
        using var log = OpenLog(context, logFile);
        using var notifier = ServiceNotifier.OfProcess();
        using var stop = new CancellationTokenSource();
        // A second signal does what it does to any process: the daemon may be stuck.
        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = !stop.IsCancellationRequested;
            stop.Cancel();
        }

        using var terminated = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        using var interrupted = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var hungUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
        {
            signal.Cancel = true;
            log.Reopen();
        });
        try
        {
            run(log, notifier, stop.Token);
            return ExitCodes.Ok;
        }
        catch (Exception error) when (error is LvmException or IOException)
        {
            if (logFile is not null) log.Error(error.Message);
            return context.Report(error);
        }
    }

    public static DaemonLog OpenLog(CommandContext context, string? file)
    {
        try
        {
            return new DaemonLog(context.Session.Error, file, ReadByJournal());
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new LvmException(ErrorIds.HostFileFailure, $"the log '{file}' cannot be opened: {error.Message.TrimEnd('.')}", error);
        }
    }

    /// <summary>Whether standard error is the stream that journald said it would read: it may have been redirected since.</summary>
    private static bool ReadByJournal()
    {
        if (Environment.GetEnvironmentVariable("JOURNAL_STREAM")?.Split(':') is not [var device, var inode]) return false;
        return SystemCalls.TryStat("/proc/self/fd/2", out var status)
            && inode == status.Inode.ToString(CultureInfo.InvariantCulture)
            && device == (((ulong)status.FileSystemMajor & 0xfff) << 8 | (status.FileSystemMinor & 0xff) | ((ulong)(status.FileSystemMinor & ~0xffu) << 12)).ToString(CultureInfo.InvariantCulture);
    }
}
