using System.CommandLine;

namespace LightVM.Host.Commands;

internal static class PauseCommand
{
    public static Command Make(CommandLine line)
    {
        var domains = DomainArguments.Make();
        var command = new Command("pause", "Stop the vCPUs of domains") { domains };
        return line.Define(command, context =>
            DomainArguments.ForEach(context, context.Get(domains), "pause", (host, domain) => host.PauseDomain(domain.Key)));
    }
}
