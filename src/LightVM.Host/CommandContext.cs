using System.CommandLine;
using System.Text.Json;
using LightVM.Host.Output;
using LightVM.Hosts;

namespace LightVM.Host;

/// <summary>One run of one command: its arguments, what it may use, and where it reports.</summary>
internal sealed class CommandContext
{
    private readonly ParseResult _arguments;

    public CommandContext(Session session, ParseResult arguments, GlobalSettings settings)
    {
        Session = session;
        Settings = settings;
        _arguments = arguments;
    }

    public Session Session { get; }

    public GlobalSettings Settings { get; }

    public LvmHost Host => Session.Host(Settings.Simulated);

    /// <summary>Set by the signals that <see cref="Catch"/> catches.</summary>
    public CancellationToken Cancellation => Session.Signals.Token;

    public T Get<T>(Argument<T> argument) => _arguments.GetRequiredValue(argument);

    public T? Get<T>(Option<T> option) => _arguments.GetValue(option);

    /// <summary>Makes signals cancel the command, instead of ending it in the middle of something, until the result is disposed.</summary>
    public IDisposable Catch() => Session.Signals.Arm();

    /// <summary>Writes a line for people: not with --json, not with --quiet.</summary>
    public void Say(string line)
    {
        if (Settings.Json || Settings.Quiet) return;
        Session.Output.WriteLine(line);
        Session.Output.Flush();
    }

    /// <summary>Writes the command's result, for programs or for people.</summary>
    public void Answer(Action<Utf8JsonWriter> json, Action<TextWriter> text)
    {
        if (Settings.Json) JsonLine.Write(Session.Output, json);
        else text(Session.Output);
        Session.Output.Flush();
    }

    /// <summary>Writes the command's result for programs, where they asked for it.</summary>
    public void Answer(Action<Utf8JsonWriter> json)
    {
        if (Settings.Json) Answer(json, _ => { });
    }

    /// <summary>Tells a failure and gives the exit code that goes with it.</summary>
    public int Report(Exception error)
    {
        Session.Output.Flush();
        return ErrorReport.Write(Session, Settings.Json, error);
    }
}
