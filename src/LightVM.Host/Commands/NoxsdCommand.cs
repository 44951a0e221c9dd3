using System.CommandLine;
using LightVM.Host.Devices;
using LightVM.Host.Noxs;

namespace LightVM.Host.Commands;

internal static class NoxsdCommand
{
    public static Command Make(CommandLine line)
    {
        var workers = new Option<int>("--workers") { Description = "Threads that serve devices; as many as processors, and at most 4, when not given", HelpName = "N", DefaultValueFactory = _ => new NoxsDaemonOptions().Workers };
        var consoleLogs = new Option<string?>("--console-log") { Description = "Append what guests write to their consoles to files in this folder", HelpName = "FOLDER" };
        var logFile = new Option<string?>("--log-file") { Description = "Append the log to a file instead of writing it to standard error", HelpName = "FILE" };
        var command = new Command("noxsd", "Run the noxs daemon, which has the other ends of devices of guests that use no store") { workers, consoleLogs, logFile };
        return line.Define(command, context =>
        {
            if (context.Settings.Simulated) throw new UsageException("a simulated host has no devices that a daemon could serve");
            if (context.Get(workers) is < 1 or > 64) throw new UsageException("--workers must be from 1 to 64.");
            var options = new NoxsDaemonOptions { Workers = context.Get(workers), ConsoleLogs = context.Get(consoleLogs) };
            return DaemonProcess.Run(context, context.Get(logFile), (log, notifier, cancellation) => NoxsDaemon.Run(options, log, notifier, cancellation));
        });
    }
}
