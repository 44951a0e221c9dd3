using System.CommandLine;
using LightVM.Host.Output;

namespace LightVM.Host.Commands;

internal static class ListCommand
{
    public static Command Make(CommandLine line) =>
        line.Define(new Command("list", "List all domains, the control domain first"), context =>
        {
            var domains = context.Host.ListDomains();
            context.Answer(
                json => json.WriteArray(domains, DomainOutput.WriteJson),
                text => DomainOutput.WriteTable(text, domains));
            return ExitCodes.Ok;
        });
}
