using System.CommandLine;

namespace LightVM.Host.Commands;

internal static class RebootCommand
{
    public static Command Make(CommandLine line)
    {
        var domains = DomainArguments.Make();
        var force = new Option<bool>("--force", "-F") { Description = "Destroy a domain whose guest does not end in time, or cannot be asked, and start it again" };
        var timeout = SecondsOption.Make("How long the guests may take to end; 60 seconds when not given");
        var jobs = JobsOption.Make();
        var command = new Command("reboot", "Ask the guests of domains to reboot, and start the domains again") { domains, force, timeout, jobs };
        command.Aliases.Add("restart");
        return line.Define(command, context => DomainArguments.ForAll(context, context.Get(domains), "restart", (host, keys) =>
            host.Lifecycle.Restart(keys, context.Get(timeout) ?? ShutdownCommand.DefaultTimeout, context.Get(force), context.Get(jobs), context.Cancellation)));
    }
}
