using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Reflection;
using LightVM.Host.Commands;
using LightVM.Host.Output;

namespace LightVM.Host;

/// <summary>The commands of <c>lightvm</c> with their arguments, and the way from a line of words to an exit code.</summary>
internal sealed class CommandLine
{
    // A domain's name may begin with '@': no word names a response file.
    private static readonly ParserConfiguration Parser = new() { ResponseFileTokenReplacer = null };

    private readonly Session _session;
    private readonly Option<bool> _json = new("--json") { Description = "Write results and errors as JSON, one document a line", Recursive = true };
    private readonly Option<bool> _quiet = new("--quiet", "-q") { Description = "Write nothing but what was asked for and errors", Recursive = true };
    private readonly Option<bool> _simulated = new("--simulated") { Description = "Use a host in memory, which needs no Xen and ends with this process", Recursive = true };

    public CommandLine(Session session)
    {
        _session = session;
        Root = new RootCommand("A lean toolstack for Xen.");
        Root.Directives.Clear();
        Root.Options.Clear();
        foreach (var option in new Option[] { _json, _quiet, _simulated, new HelpOption("--help", "-h"), new VersionOption { Action = new ShowVersion(session) } })
            Root.Options.Add(option);
        Command[] commands =
        [
            CreateCommand.Make(this),
            ListCommand.Make(this),
            PauseCommand.Make(this),
            UnpauseCommand.Make(this),
            ShutdownCommand.Make(this),
            RebootCommand.Make(this),
            WaitCommand.Make(this),
            DestroyCommand.Make(this),
            RenameCommand.Make(this),
            SaveCommand.Make(this),
            RestoreCommand.Make(this),
            MigrateCommand.Make(this),
            ReceiveCommand.Make(this),
            ConsoleCommand.Make(this),
            .. NetworkCommands.Make(this),
            .. BlockCommands.Make(this),
            ImageCommand.Make(this),
            InfoCommand.Make(this),
            CheckCommand.Make(this),
            ServiceCommand.Make(this),
            TrustCommand.Make(this),
            PoolCommand.Make(this),
            DevdCommand.Make(this),
            PooldCommand.Make(this),
            NoxsdCommand.Make(this),
            ConfigCommand.Make(this),
            ScriptCommand.Make(this),
        ];
        foreach (var command in commands) Root.Subcommands.Add(command);
    }

    public RootCommand Root { get; }

    public static string Version =>
        typeof(CommandLine).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    /// <summary>Runs one command. Whatever goes wrong is told on the error stream and by the exit code.</summary>
    public int Run(IReadOnlyList<string> words)
    {
        var arguments = Root.Parse(words, Parser);
        var context = Context(arguments);
        try
        {
            if (arguments.Action is ParseErrorAction) throw UsageError(arguments);
            var exitCode = arguments.Invoke(new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
                Output = _session.Output,
                Error = _session.Error,
            });
            _session.Output.Flush();
            return exitCode;
        }
        catch (Exception error)
        {
            return context.Report(error);
        }
    }

    /// <summary>Says what a command does when it is run.</summary>
    public Command Define(Command command, Func<CommandContext, int> run)
    {
        command.SetAction(arguments => run(Context(arguments)));
        return command;
    }

    private CommandContext Context(ParseResult arguments) =>
        new(_session, arguments, _session.Defaults | new GlobalSettings(arguments.GetValue(_json), arguments.GetValue(_quiet), arguments.GetValue(_simulated)));

    private static UsageException UsageError(ParseResult arguments)
    {
        var path = Path(arguments.CommandResult);
        return new UsageException($"{string.Join(' ', arguments.Errors.Select(error => error.Message).Distinct())} Try '{path} --help'.");
    }

    /// <summary>"lightvm config check".</summary>
    private static string Path(SymbolResult? result) => result switch
    {
        CommandResult { Parent: CommandResult } command => $"{Path(command.Parent)} {command.Command.Name}",
        _ => "lightvm",
    };

    private sealed class ShowVersion(Session session) : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            session.Output.WriteLine($"lightvm {Version}");
            return ExitCodes.Ok;
        }
    }
}
