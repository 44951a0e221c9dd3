using System.CommandLine;
using LightVM.Host.Output;
using LightVM.Hosts;

namespace LightVM.Host.Commands;

internal static class RestoreCommand
{
    public static Command Make(CommandLine line)
    {
        var file = new Argument<string>("FILE") { Description = "A saved domain: of lightvm, of chaos or of xl; - is standard input" };
        var name = new Option<string>("--name") { Description = "Name to use instead of the saved one", HelpName = "NAME" };
        var copy = new Option<bool>("--copy") { Description = "Make another domain of it, with a uuid and MAC addresses of its own (--name)" };
        var paused = new Option<bool>("--paused") { Description = "Leave the domain paused" };
        var command = new Command("restore", "Make a domain of a saved one, and let it go on") { file, name, copy, paused };
        return line.Define(command, context =>
        {
            var path = context.Get(file);
            if (context.Get(copy) && context.Get(name) is null) throw new UsageException("a copy needs a name of its own (--name)");
            var options = new RestoreOptions { Name = context.Get(name), AsCopy = context.Get(copy), Paused = context.Get(paused) };
            using var caught = context.Catch();
            if (path != SaveCommand.Pipe) return Answer(context, context.Host.Images.Restore(path, options, context.Cancellation));
            using var input = Console.OpenStandardInput();
            using var closing = context.Cancellation.Register(input.Close);
            return Answer(context, context.Host.Images.Restore(input, options, context.Cancellation));
        });
    }

    private static int Answer(CommandContext context, Domains.Domain domain)
    {
        context.Say($"{domain.Name}  id {domain.Id}");
        context.Answer(json => DomainOutput.WriteJson(json, domain));
        return ExitCodes.Ok;
    }
}
