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
        var count = new Option<int?>("--count", "-n")
        {
            Description = "How many to create; their names are numbered from 1, even with a count of 1",
            HelpName = "N",
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
            var draft = DomainConfigJson.ReadFile(path).ToDraft();
            draft.Name = context.Get(name) ?? draft.Name;
            draft.Paused |= context.Get(paused);
            var configs = DomainSeries.Of(DomainConfig.From(draft, path), path, context.Get(count));
            return Create(context, configs, context.Get(timings));
        });
    }

    private static int Create(CommandContext context, IReadOnlyList<DomainConfig> configs, bool timings)
    {
        var host = context.Host;
        var outcome = new Outcome();
        var created = new List<Domain>();
        using (context.Catch())
        {
            foreach (var config in configs)
            {
                try
                {
                    created.Add(host.CreateDomain(config, context.Cancellation));
                    Show(context, created[^1], timings);
                }
                catch (LvmException error)
                {
                    outcome.Add(context.Report(error));
                    if (!DomainSeries.GoesOnAfter(error)) break;
                }
            }
        }

        if (outcome.Failed && configs.Count > 1) context.Say($"created {created.Count} of {configs.Count}");
        context.Answer(json => json.WriteArray(created, DomainOutput.WriteJson));
        return outcome.ExitCode;
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
