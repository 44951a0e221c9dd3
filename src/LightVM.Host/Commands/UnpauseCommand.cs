using System.CommandLine;

namespace LightVM.Host.Commands;

internal static class UnpauseCommand
{
    public static Command Make(CommandLine line)
    {
        var domains = DomainArguments.Make();
        var jobs = JobsOption.Make();
        var command = new Command("unpause", "Let paused domains run") { domains, jobs };
        return line.Define(command, context =>
            DomainArguments.ForEach(context, context.Get(domains), "unpause", context.Get(jobs), (host, domain) => host.UnpauseDomain(domain.Key)));
    }
}
