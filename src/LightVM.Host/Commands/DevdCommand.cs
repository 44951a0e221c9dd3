using System.CommandLine;
using System.Globalization;
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
            var options = new DeviceDaemonOptions { ServesAll = context.Get(all), Peers = new PeerPolicy(Group: GroupId(context.Get(group))) };
            return DaemonProcess.Run(context, context.Get(logFile), (log, notifier, cancellation) => DeviceDaemon.Run(options, log, notifier, cancellation));
        });
    }

    public static uint? GroupId(string? name) => name is null ? null
        : uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number
        : SystemCalls.GroupId(name) ?? throw new UsageException($"there is no group '{name}'");
}
