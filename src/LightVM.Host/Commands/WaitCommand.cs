using System.CommandLine;
using System.Text.RegularExpressions;
using LightVM.Domains;
using LightVM.Host.Output;

namespace LightVM.Host.Commands;

internal static class WaitCommand
{
    private const string Console = "console";

    /// <summary>How long one line of a console may be matched: a pattern can be made to take for ever.</summary>
    private static readonly TimeSpan MatchTimeout = TimeSpan.FromSeconds(1);

    private static readonly Dictionary<string, DomainCondition> Conditions = new(StringComparer.Ordinal)
    {
        ["running"] = DomainCondition.Running,
        ["shutdown"] = DomainCondition.Shutdown,
        ["removed"] = DomainCondition.Removed,
        ["address"] = DomainCondition.Address,
    };

    public static Command Make(CommandLine line)
    {
        var domains = DomainArguments.Make();
        var condition = new Option<string>("--for") { Description = "What to wait for: running, shutdown, removed, address or console", HelpName = "WHAT", Required = true };
        condition.AcceptOnlyFromAmong([.. Conditions.Keys, Console]);
        var pattern = new Option<Regex?>("--pattern")
        {
            Description = "What a line of the console has to match, a regular expression of .NET",
            HelpName = "REGEX",
            CustomParser = result =>
            {
                try
                {
                    return new Regex(result.Tokens[0].Value, RegexOptions.CultureInvariant, MatchTimeout);
                }
                catch (ArgumentException error)
                {
                    result.AddError($"Option '--pattern' is no regular expression: {error.Message}");
                    return null;
                }
            },
        };
        var timeout = SecondsOption.Make("How long to wait; without end when not given");
        var command = new Command("wait", "Wait until domains are what was asked for") { domains, condition, pattern, timeout };
        return line.Define(command, context =>
        {
            var (what, regex, time) = (context.Get(condition)!, context.Get(pattern), context.Get(timeout) ?? Timeout.InfiniteTimeSpan);
            if (what == Console != regex is not null) throw new UsageException("--pattern is what to wait for on the console (--for console)");
            return DomainArguments.ForAll(
                context,
                context.Get(domains),
                $"wait for {what} of",
                (host, keys) => regex is null ? host.Lifecycle.WaitFor(keys, Conditions[what], time, context.Cancellation) : host.Lifecycle.WaitForConsole(keys, regex, time, context.Cancellation),
                (outcome, domain) =>
                {
                    if (outcome.Address is { } address) context.Say($"{domain}: {address}");
                    else if (outcome.Line is { } text) context.Say($"{domain}: {text}");
                },
                DomainOutput.WriteJson,
                canBeGone: what == "removed");
        });
    }
}
