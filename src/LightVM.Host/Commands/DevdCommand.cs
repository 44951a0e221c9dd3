using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Host.Devices;

namespace LightVM.Host.Commands;

internal static class DevdCommand
{
    public static Command Make(CommandLine line)
    {
        var all = new Option<bool>("--all") { Description = "Set up the devices of other toolstacks, too (where xl runs no hotplug scripts)" };
        var group = new Option<string?>("--group") { Description = "Let the members of this group ask for devices, too", HelpName = "NAME" };
        var logFile = new Option<string?>("--log-file") { Description = "Append the log to a file instead of writing it to standard error", HelpName = "FILE" };
        var listCrashPoints = new Option<bool>("--list-crash-points") { Hidden = true };
        var command = new Command("devd", "Run the device daemon, which gives guests' devices what they need of this host") { all, group, logFile, listCrashPoints };
        return line.Define(command, context =>
        {
            if (context.Get(listCrashPoints))
            {
                foreach (var point in CrashPoints.All) context.Session.Output.WriteLine(point);
                return ExitCodes.Ok;
            }

            if (context.Settings.Simulated) throw new UsageException("a simulated host has no devices that a daemon could serve");
            if (CrashPoints.Chosen is { } chosen && !CrashPoints.All.Contains(chosen)) throw new UsageException($"{CrashPoints.Variable} names '{chosen}', which is no crash point");
            return Run(context, new DeviceDaemonOptions { ServesAll = context.Get(all), Peers = new PeerPolicy(Group: GroupId(context.Get(group))) }, context.Get(logFile));
        });
    }

    private static int Run(CommandContext context, DeviceDaemonOptions options, string? logFile)
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
            DeviceDaemon.Run(options, log, notifier, stop.Token);
            return ExitCodes.Ok;
        }
        catch (Exception error) when (error is LvmException or IOException)
        {
            if (logFile is not null) log.Error(error.Message);
            return context.Report(error);
        }
    }

    private static uint? GroupId(string? name) => name is null ? null
        : uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
        : SystemCalls.GroupId(name) ?? throw new UsageException($"there is no group '{name}'");

    private static DaemonLog OpenLog(CommandContext context, string? file)
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
