using System.CommandLine;

namespace LightVM.Host.Commands;

internal static class UnpauseCommand
{
    public static Command Make(CommandLine line)
    {
        var domains = DomainArguments.Make();
        var command = new Command("unpause", "Let paused domains run") { domains };
        return line.Define(command, context =>
            DomainArguments.ForEach(context, context.Get(domains), "unpause", (host, domain) => host.UnpauseDomain(domain.Key)));
    }
}
