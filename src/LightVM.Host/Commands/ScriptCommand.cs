using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using LightVM.Errors;

namespace LightVM.Host.Commands;

/// <summary>
/// Runs command lines from a file in this one process, on one host that stays open: for demonstrations, for the simulated host,
/// which lives no longer than its process, and for many operations at the price of one start.
/// </summary>
internal static class ScriptCommand
{
    public static Command Make(CommandLine line)
    {
        var file = new Argument<string>("FILE") { Description = "File with one command a line, or - for standard input" };
        var keepGoing = new Option<bool>("--keep-going", "-k") { Description = "Go on after a command that failed" };
        var time = new Option<bool>("--time") { Description = "Say how long each command took" };
        var command = new Command("script", "Run commands from a file, one a line, in one process") { file, keepGoing, time };
        return line.Define(command, context =>
        {
            if (context.Session.InScript) throw new UsageException("a script cannot run another");
            using var input = Open(context, context.Get(file));
            using (context.Catch()) return Run(line, context, input, context.Get(keepGoing), context.Get(time));
        });
    }

    private static int Run(CommandLine line, CommandContext context, TextReader input, bool keepGoing, bool time)
    {
        var session = context.Session;
        var outcome = new Outcome();
        session.InScript = true;
        session.Defaults = context.Settings;
        try
        {
            for (var number = 1; input.ReadLine() is { } text && !context.Cancellation.IsCancellationRequested; number++)
            {
                var words = Words(text, number);
                if (words.Count == 0) continue;
                context.Say($"+ {text.Trim()}");
                var begin = Stopwatch.GetTimestamp();
                outcome.Add(line.Run(words));
                if (time) context.Say($"  ({Stopwatch.GetElapsedTime(begin).TotalMilliseconds.ToString("F1", CultureInfo.InvariantCulture)} ms)");
                if (outcome.Failed && !keepGoing) break;
            }

            return session.Signals.ExitCode ?? outcome.ExitCode;
        }
        finally
        {
            session.InScript = false;
            session.Defaults = default;
        }
    }

    private static TextReader Open(CommandContext context, string path)
    {
        if (path == "-") return context.Session.OpenInput();
        try
        {
            return new StreamReader(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"script '{path}' cannot be read: {error.Message}");
        }
    }

    private static List<string> Words(string text, int number)
    {
        try
        {
            return ShellWords.Split(text);
        }
        catch (FormatException error)
        {
            throw new UsageException($"line {number} of the script: {error.Message}");
        }
    }
}
