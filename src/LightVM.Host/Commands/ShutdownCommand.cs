using System.CommandLine;
using LightVM.Hypervisor;

namespace LightVM.Host.Commands;

internal static class ShutdownCommand
{
    /// <summary>How long guests may take where nothing else was said.</summary>
    public static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(60);

    public static Command Make(CommandLine line)
    {
        var domains = DomainArguments.Make();
        var noWait = new Option<bool>("--no-wait", "-e") { Description = "Ask the guests, and do not wait for their ends" };
        var force = new Option<bool>("--force", "-F") { Description = "Destroy a domain whose guest does not end in time, or cannot be asked" };
        var keep = new Option<bool>("--keep", "-k") { Description = "Keep the domains after their guests' ends" };
        var timeout = SecondsOption.Make("How long the guests may take; 60 seconds when not given");
        var jobs = JobsOption.Make();
        var command = new Command("shutdown", "Ask the guests of domains to power off, and wait for it") { domains, noWait, force, keep, timeout, jobs };
        command.Aliases.Add("stop");
        return line.Define(command, context =>
        {
            if (!context.Get(noWait))
            {
                return DomainArguments.ForAll(context, context.Get(domains), "shut down", (host, keys) =>
                    host.Lifecycle.Stop(keys, context.Get(timeout) ?? DefaultTimeout, context.Get(force), context.Get(keep), context.Get(jobs), context.Cancellation));
            }

            if (context.Get(force) || context.Get(timeout) is not null) throw new UsageException("who does not wait (--no-wait) cannot tell whether a guest ends in time (--force, --timeout)");
            return DomainArguments.ForEach(context, context.Get(domains), "shut down", context.Get(jobs), (host, domain) =>
            {
                if (context.Get(keep)) host.Lifecycle.KeepAfterPoweroff(domain.Key);
                host.Lifecycle.Request(domain.Key, ShutdownReason.Poweroff);
                return domain;
            });
        });
    }
}
