using System.CommandLine;

namespace LightVM.Host.Commands;

internal static class PauseCommand
{
    public static Command Make(CommandLine line)
    {
        var domains = DomainArguments.Make();
        var jobs = JobsOption.Make();
        var command = new Command("pause", "Stop the vCPUs of domains") { domains, jobs };
        return line.Define(command, context =>
            DomainArguments.ForEach(context, context.Get(domains), "pause", context.Get(jobs), (host, domain) => host.PauseDomain(domain.Key)));
    }
}
