using System.CommandLine;
using System.Globalization;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Host.Output;

namespace LightVM.Host.Commands;

internal static class CreateCommand
{
    public static Command Make(CommandLine line)
    {
        var file = new Argument<string>("FILE") { Description = "Configuration file (Chaos' JSON)" };
        var count = new Option<int>("--count", "-n")
        {
            Description = "How many to create; above 1 their names get -1, -2, ... at the end",
            HelpName = "N",
            DefaultValueFactory = _ => 1,
            CustomParser = result =>
            {
                if (!int.TryParse(result.Tokens[0].Value, CultureInfo.InvariantCulture, out var number) || number < 1)
                    result.AddError("Option '--count' must be a whole number, 1 or more.");
                return number;
            },
        };
        var name = new Option<string>("--name") { Description = "Name to use instead of the file's", HelpName = "NAME" };
        var paused = new Option<bool>("--paused") { Description = "Leave the new domain paused" };
        var timings = new Option<bool>("--timings") { Description = "Show how long each step took" };
        var command = new Command("create", "Create domains from a configuration file and start them") { file, count, name, paused, timings };
        return line.Define(command, context =>
        {
            var path = context.Get(file);
            var draft = ConfigFile.Read(path).ToDraft();
            draft.Name = context.Get(name) ?? draft.Name;
            draft.Paused |= context.Get(paused);
            return Create(context, path, draft, context.Get(count), context.Get(timings));
        });
    }

    /// <summary>Creates one after another and stops at the first that fails: what stopped it would stop the others.</summary>
    private static int Create(CommandContext context, string path, DomainConfigDraft draft, int count, bool timings)
    {
        if (count > 1 && draft.Uuid is not null) throw new UsageException($"'{path}' gives a uuid, which only one domain can have");
        var exitCode = ExitCodes.Ok;
        var created = new List<Domain>(count);
        var configs = Configs(path, draft, count);
        var host = context.Host;
        using (context.Catch())
        {
            try
            {
                foreach (var config in configs)
                {
                    var domain = host.CreateDomain(config, context.Cancellation);
                    created.Add(domain);
                    Show(context, domain, timings);
                }
            }
            catch (LvmException error)
            {
                exitCode = context.Report(error);
                if (count > 1) context.Say($"created {created.Count} of {count}");
            }
        }

        context.Answer(json => json.WriteArray(created, DomainOutput.WriteJson));
        return exitCode;
    }

    /// <summary>All configurations before the first domain: a name that becomes too long is found while nothing has been done.</summary>
    private static List<DomainConfig> Configs(string path, DomainConfigDraft draft, int count)
    {
        var name = draft.Name;
        var configs = new List<DomainConfig>(count);
        for (var i = 1; i <= count; i++)
        {
            if (count > 1) draft.Name = string.Create(CultureInfo.InvariantCulture, $"{name}-{i}");
            configs.Add(ConfigFile.From(path, draft));
        }

        return configs;
    }

    private static void Show(CommandContext context, Domain domain, bool timings)
    {
        var creation = domain.Creation!;
        context.Say($"{domain.Name}  id {domain.Id}  {Milliseconds(creation.Duration)} ms");
        if (!timings) return;
        foreach (var step in creation.Steps) context.Say($"  {step.Name,-10}{Milliseconds(step.Duration),10} ms");
        var between = creation.Duration - creation.Steps.Aggregate(TimeSpan.Zero, (sum, step) => sum + step.Duration);
        context.Say($"  {"(checks)",-10}{Milliseconds(between),10} ms");
    }

    private static string Milliseconds(TimeSpan time) => time.TotalMilliseconds.ToString("F2", CultureInfo.InvariantCulture);
}
