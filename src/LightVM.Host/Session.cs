using System.Text;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Trust;

namespace LightVM.Host;

/// <summary>
/// What the commands of one process share: where they read and write, the signals, and the host, which is opened when the first
/// command needs it. Tests make their own.
/// </summary>
internal sealed class Session : IDisposable
{
    private readonly bool _ownsStreams;
    private LvmHost? _host;
    private bool _hostIsSimulated;

    public Session(TextWriter output, TextWriter error)
    {
        Output = output;
        Error = error;
        Signals = new Signals(ofProcess: false);
    }

    private Session()
    {
        _ownsStreams = true;
        Output = Writer(Console.OpenStandardOutput);
        Error = Writer(Console.OpenStandardError);
        Signals = new Signals(ofProcess: true);
    }

    public TextWriter Output { get; }

    public TextWriter Error { get; }

    /// <summary>Where <c>script -</c> reads.</summary>
    public Func<TextReader> OpenInput { get; init; } = () => new StreamReader(Console.OpenStandardInput());

    public Signals Signals { get; }

    /// <summary>Opens the host; the argument says whether it is the simulated one.</summary>
    public Func<bool, LvmHost> OpenHost { get; init; } = simulated => simulated ? LvmHost.OpenSimulated() : LvmHost.OpenXen();

    /// <summary>Opens this machine's trust.</summary>
    public Func<TrustStore> OpenTrust { get; init; } = () => new TrustStore();

    /// <summary>Looks at this machine.</summary>
    public Func<IReadOnlyList<HostCheck>> CheckHost { get; init; } = HostChecks.RunLocal;

    /// <summary>What a script's own command line said for all of its lines.</summary>
    public GlobalSettings Defaults { get; set; }

    /// <summary>Whether a script is running.</summary>
    public bool InScript { get; set; }

    /// <summary>The session of this process: its streams and its signals.</summary>
    public static Session OfProcess() => new();

    /// <summary>The host, opened once.</summary>
    public LvmHost Host(bool simulated)
    {
        if (_host is null)
        {
            _host = OpenHost(simulated);
            _hostIsSimulated = simulated;
        }

        if (_hostIsSimulated != simulated) throw new UsageException("a script runs on one host: give --simulated to the script, not to one of its lines");
        return _host;
    }

    public void Dispose()
    {
        _host?.Dispose();
        Signals.Dispose();
        if (!_ownsStreams) return;
        Output.Dispose();
        Error.Dispose();
    }

    private static StreamWriter Writer(Func<Stream> open)
    {
        Stream stream;
        try
        {
            stream = open();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            stream = Stream.Null; // closed by the caller (>&-): nobody wants to read it
        }

        return new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), bufferSize: 4096);
    }
}

/// <summary>The options that every command has.</summary>
internal readonly record struct GlobalSettings(bool Json, bool Quiet, bool Simulated)
{
    public static GlobalSettings operator |(GlobalSettings one, GlobalSettings other) =>
        new(one.Json || other.Json, one.Quiet || other.Quiet, one.Simulated || other.Simulated);
}

/// <summary>The command line cannot be done as it stands.</summary>
internal sealed class UsageException(string message) : Exception(message);
