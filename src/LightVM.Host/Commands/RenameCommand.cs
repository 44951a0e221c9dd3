using System.CommandLine;

namespace LightVM.Host.Commands;

internal static class RenameCommand
{
    public static Command Make(CommandLine line)
    {
        var domain = new Argument<string>("DOMAIN") { Description = "Name, id or uuid of the domain" };
        var name = new Argument<string>("NEWNAME") { Description = "The name it gets" };
        var command = new Command("rename", "Give a domain another name") { domain, name };
        return line.Define(command, context =>
            DomainArguments.ForEach(context, [context.Get(domain)], "rename", jobs: 1, (host, found) => host.RenameDomain(found.Key, context.Get(name))));
    }
}
