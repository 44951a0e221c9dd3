using System.CommandLine;
using LightVM.Host.Output;

namespace LightVM.Host.Commands;

internal static class ListCommand
{
    public static Command Make(CommandLine line)
    {
        var shells = new Option<bool>("--shells") { Description = "List domains, too, that wait in a pool and are nobody's yet" };
        return line.Define(new Command("list", "List all domains, the control domain first") { shells }, context =>
        {
            var domains = context.Host.ListDomains(context.Get(shells));
            context.Answer(
                json => json.WriteArray(domains, DomainOutput.WriteJson),
                text => DomainOutput.WriteTable(text, domains));
            return ExitCodes.Ok;
        });
    }
}
