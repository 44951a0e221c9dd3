using System.Text.Json;
using LightVM.Host;
using LightVM.Hosts;
using LightVM.Simulation;
using LightVM.Trust;

namespace LightVM.Unit.Host;

/// <summary>Runs <c>lightvm</c> in this process, each run on the same simulated host, and keeps the files it needs.</summary>
internal sealed class Lightvm(SimulatedHostOptions? options = null) : IDisposable
{
    private readonly LvmHost _host = LvmHost.OpenSimulated(options);
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("lightvm-unit-");

    /// <summary>Asked for a host by a command; a test may put a failure in its place.</summary>
    public Func<bool, LvmHost>? OpenHost { get; init; }

    public IReadOnlyList<HostCheck> Checks { get; init; } = [];

    /// <summary>What <c>script -</c> reads.</summary>
    public string Input { get; init; } = "";

    /// <summary>A signal that came before the command began.</summary>
    public int? Signal { get; init; }

    public LvmHost Host => _host;

    public TrustStore Trust => new(Path.Combine(_directory.FullName, "trust"));

    public Run Run(params string[] words)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        // Not disposed: that would close the host, which the next run needs.
        var session = new Session(output, error)
        {
            OpenHost = OpenHost ?? (_ => _host),
            CheckHost = () => Checks,
            OpenTrust = () => Trust,
            OpenInput = () => new StringReader(Input),
        };
        if (Signal is { } signal) session.Signals.Raise(signal);
        var exitCode = new CommandLine(session).Run(words);
        return new Run(exitCode, output.ToString(), error.ToString());
    }

    /// <summary>Writes a file and gives its path.</summary>
    public string File(string name, string text)
    {
        var path = Path.Combine(_directory.FullName, name);
        System.IO.File.WriteAllText(path, text);
        return path;
    }

    /// <summary>Writes a configuration of a small guest.</summary>
    public string Config(string name = "tiny", string more = "", string kernel = SimulatedKernel.Path) =>
        File($"{name}.json", $$"""{"name":"{{name}}","kernel":"{{kernel}}","memory":4,"vcpus":1{{more}}}""");

    public void Dispose()
    {
        _host.Dispose();
        _directory.Delete(recursive: true);
    }
}

/// <summary>What one run of <c>lightvm</c> gave.</summary>
internal sealed record Run(int ExitCode, string Output, string Error)
{
    public string[] Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    /// <summary>The objects under "error", one for each line of the error stream.</summary>
    public JsonElement[] Errors => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Select(line => JsonDocument.Parse(line).RootElement.GetProperty("error"))
        .ToArray();
}
