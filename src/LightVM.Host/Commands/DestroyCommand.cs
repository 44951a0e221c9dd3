using System.CommandLine;

namespace LightVM.Host.Commands;

internal static class DestroyCommand
{
    public static Command Make(CommandLine line)
    {
        var domains = DomainArguments.Make();
        var jobs = JobsOption.Make();
        var command = new Command("destroy", "End domains at once, whoever created them") { domains, jobs };
        return line.Define(command, context =>
            DomainArguments.ForEach(context, context.Get(domains), "destroy", context.Get(jobs), (host, domain) =>
            {
                host.DestroyDomain(domain.Key);
                return domain; // as it was
            }));
    }
}
