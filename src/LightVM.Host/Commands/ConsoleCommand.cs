using System.CommandLine;
using System.Globalization;
using LightVM.Consoles;
using LightVM.Domains;
using LightVM.Errors;

namespace LightVM.Host.Commands;

internal static class ConsoleCommand
{
    /// <summary>How long a guest may take over what is sent to it, unless something else is said.</summary>
    private static readonly TimeSpan SendPatience = TimeSpan.FromSeconds(10);

    public static Command Make(CommandLine line)
    {
        var domain = new Argument<string>("DOMAIN") { Description = "Name, id or uuid of the domain" };
        var log = new Option<bool>("--log") { Description = "Only show what the guest writes; read no keys" };
        var tail = new Option<int?>("--tail")
        {
            Description = "Show the last lines that the guest has written, and leave",
            HelpName = "LINES",
            CustomParser = result =>
            {
                if (int.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var lines)) return lines;
                result.AddError("Option '--tail' must be a number of lines.");
                return null;
            },
        };
        var follow = new Option<bool>("--follow", "-f") { Description = "With --tail or --send: stay, and show what the guest writes from then on" };
        var send = new Option<string?>("--send") { Description = "Type a line at the console, with Enter at its end", HelpName = "TEXT" };
        var timeout = SecondsOption.Make("Leave after this time");
        var command = new Command("console", "Attach to a domain's console; Ctrl+] leaves it") { domain, log, tail, follow, send, timeout };
        return line.Define(command, context =>
        {
            using (context.Catch())
            {
                var target = context.Host.GetDomain(context.Get(domain));
                var stays = context.Get(log) || context.Get(follow);
                var (text, lines, time) = (context.Get(send), context.Get(tail), context.Get(timeout));
                if (text is not null && !stays) Send(context, target, text, time);
                if (stays) return Attach(context, target, readKeys: false, lines ?? (text is null ? null : 0), text, time);
                if (lines is not null) return Show(context, target, lines.Value);
                return text is null ? Attach(context, target, readKeys: true, null, null, time) : ExitCodes.Ok;
            }
        });
    }

    private static int Attach(CommandContext context, Domain domain, bool readKeys, int? tail, string? text, TimeSpan? timeout)
    {
        var signals = context.Session.Signals;
        try
        {
            // The lines of a script may come from standard input: they are not for the guest.
            var end = context.Host.Consoles.Attach(domain.Key, readKeys && !context.Session.InScript, tail, timeout, Begin, context.Cancellation);
            return end == ConsoleEnd.Cancelled ? signals.ExitCode ?? ExitCodes.Of(ErrorKind.Cancelled) : ExitCodes.Ok;
        }
        finally
        {
            signals.LastWords = null;
        }

        void Begin(bool isRaw, Action restore)
        {
            signals.LastWords = restore;
            if (isRaw && !context.Settings.Quiet) context.Session.Error.Write($"Attached to {domain}; Ctrl+] leaves.\r\n");
            context.Session.Error.Flush();
            // Only now, so that the answer is seen.
            if (text is not null) Send(context, domain, text, timeout);
        }
    }

    private static int Show(CommandContext context, Domain domain, int lines)
    {
        foreach (var text in context.Host.Consoles.ReadLines(domain.Key, lines, cancellation: context.Cancellation)) context.Session.Output.WriteLine(text);
        context.Session.Output.Flush();
        return ExitCodes.Ok;
    }

    private static void Send(CommandContext context, Domain domain, string text, TimeSpan? timeout) =>
        context.Host.Consoles.Send(domain.Key, text + "\n", timeout ?? SendPatience, context.Cancellation);
}
