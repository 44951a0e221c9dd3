using System.CommandLine;
using System.Globalization;
using System.Runtime.InteropServices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Host.Consoles;

namespace LightVM.Host.Commands;

internal static class ConsoleCommand
{
    private const int StandardInput = 0;
    private const int StandardOutput = 1;
    private const int Nowhere = -1;

    public static Command Make(CommandLine line)
    {
        var domain = new Argument<string>("DOMAIN") { Description = "Name, id or uuid of the domain" };
        var log = new Option<bool>("--log") { Description = "Only show what the guest writes; read no keys" };
        var timeout = new Option<TimeSpan?>("--timeout")
        {
            Description = "Leave after this time",
            HelpName = "SECONDS",
            CustomParser = result =>
            {
                if (double.TryParse(result.Tokens[0].Value, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and <= 1e6)
                    return TimeSpan.FromSeconds(seconds);
                result.AddError("Option '--timeout' must be a number of seconds, above 0 and at most 1000000.");
                return null;
            },
        };
        var command = new Command("console", "Attach to a domain's console; Ctrl+] leaves it") { domain, log, timeout };
        return line.Define(command, context =>
        {
            // The lines of a script may come from standard input: they are not for the guest.
            var input = context.Get(log) || context.Session.InScript ? Nowhere : StandardInput;
            using (context.Catch()) return Attach(context, context.Host.GetDomain(context.Get(domain)), input, context.Get(timeout));
        });
    }

    private static int Attach(CommandContext context, Domain domain, int input, TimeSpan? timeout)
    {
        var signals = context.Session.Signals;
        var path = context.Host.GetConsolePath(domain.Key);
        try
        {
            using var held = ConsoleLock.Take(domain.Id);
            using var link = new ConsoleLink(Open(path), input, StandardOutput);
            using var terminal = new RawTerminal(input);
            signals.LastWords = terminal.Dispose;
            if (terminal.IsRaw && !context.Settings.Quiet) context.Session.Error.Write($"Attached to {domain}; Ctrl+] leaves.\r\n");
            context.Session.Error.Flush();
            var end = link.Run(timeout, context.Cancellation);
            return end == ConsoleEnd.Cancelled ? signals.ExitCode ?? ExitCodes.Of(ErrorKind.Cancelled) : ExitCodes.Ok;
        }
        catch (LvmException error)
        {
            throw error.During("attach to the console of", domain.ToString());
        }
        finally
        {
            signals.LastWords = null;
        }
    }

    private static int Open(string path)
    {
        var file = Libc.Open(path, Libc.OpenReadWrite | Libc.OpenNoControllingTerminal | Libc.OpenNonBlocking | Libc.OpenCloseOnExec);
        if (file >= 0) return file;
        throw new LvmException(ErrorIds.ConsoleUnavailable, $"'{path}' cannot be opened") { Errno = Marshal.GetLastPInvokeError() };
    }
}
