using System.CommandLine;
using LightVM.Host.Devices;
using LightVM.Host.Pools;
using LightVM.Linux;
using LightVM.Pools;

namespace LightVM.Host.Commands;

internal static class PooldCommand
{
    public static Command Make(CommandLine line)
    {
        var reserve = new Option<int>("--reserve") { Description = "Memory of the host that waiting domains leave free, MiB; 256 when not given", HelpName = "MIB", DefaultValueFactory = _ => new PoolDaemonOptions().ReserveMiB };
        var group = new Option<string?>("--group") { Description = "Let the members of this group ask for domains, too", HelpName = "NAME" };
        var logFile = new Option<string?>("--log-file") { Description = "Append the log to a file instead of writing it to standard error", HelpName = "FILE" };
        var listCrashPoints = new Option<bool>("--list-crash-points") { Hidden = true };
        var command = new Command("poold", "Run the pool daemon, which keeps domains ready that have not been asked for yet") { reserve, group, logFile, listCrashPoints };
        return line.Define(command, context =>
        {
            if (context.Get(listCrashPoints))
            {
                foreach (var point in ShellCrashPoints.OfKeeper.Concat(ShellCrashPoints.OfUser)) context.Session.Output.WriteLine(point);
                return ExitCodes.Ok;
            }

            if (context.Settings.Simulated) throw new UsageException("a simulated host keeps its pools itself");
            if (CrashPoint.Chosen is { } chosen && !ShellCrashPoints.OfKeeper.Concat(ShellCrashPoints.OfUser).Contains(chosen)) throw new UsageException($"{CrashPoint.Variable} names '{chosen}', which is no crash point");
            if (context.Get(reserve) < 0) throw new UsageException("--reserve must not be negative.");
            var options = new PoolDaemonOptions { ReserveMiB = context.Get(reserve), Peers = new PeerPolicy(Group: DevdCommand.GroupId(context.Get(group))) };
            return DaemonProcess.Run(context, context.Get(logFile), (log, notifier, cancellation) => PoolDaemon.Run(context.Host, options, log, notifier, cancellation));
        });
    }
}
