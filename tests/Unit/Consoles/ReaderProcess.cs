using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using LightVM.Consoles;
using LightVM.Hypervisor;

namespace LightVM.Unit.Consoles;

/// <summary>Another process that reads a console, and writes what it reads to its standard output: this program, told so by its environment.</summary>
internal sealed class ReaderProcess : IDisposable
{
    private const string Variable = "LIGHTVM_UNIT_READER";

    private readonly Process _process;

    public ReaderProcess(TestConsole console)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, [typeof(ReaderProcess).Assembly.Location]) { RedirectStandardOutput = true, RedirectStandardInput = true };
        start.Environment[Variable] = string.Join('|', console.Folder, console.Guest.Path, console.Key.Id.ToString(CultureInfo.InvariantCulture), console.Key.Uuid);
        _process = Process.Start(start)!;
    }

    public StreamReader Output => _process.StandardOutput;

    /// <summary>SIGKILL.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    /// <summary>Lets it leave the console in good order, and gives what is left of its output.</summary>
    public string Leave()
    {
        _process.StandardInput.Close();
        return _process.StandardOutput.ReadToEnd();
    }

    /// <summary>The rest of its output, after the console's end.</summary>
    public string ReadToEnd() => _process.StandardOutput.ReadToEnd();

    public void Dispose()
    {
        if (!_process.HasExited) Kill();
        _process.Dispose();
    }

    [ModuleInitializer]
    internal static void RunIfAsked()
    {
        if (Environment.GetEnvironmentVariable(Variable)?.Split('|') is not [var folder, var terminal, var id, var uuid]) return;
        var source = new ConsoleSource
        {
            Key = new DomainKey(uint.Parse(id, CultureInfo.InvariantCulture), Guid.Parse(uuid)),
            SpoolFolder = folder,
            LockFolder = folder,
            FindTerminal = () => terminal,
            Exists = () => false,
        };
        using var asked = new CancellationTokenSource();
        new Thread(() =>
        {
            while (Console.In.Read() >= 0) continue;
            asked.Cancel();
        })
        { IsBackground = true }.Start();
        using var output = Console.OpenStandardOutput();
        using (var console = new XenConsole(source))
        {
            var buffer = new byte[65536];
            try
            {
                while (console.Read(buffer, Timeout.InfiniteTimeSpan, asked.Token) is > 0 and var count) output.Write(buffer, 0, count);
            }
            catch (OperationCanceledException)
            {
                // It was told to leave.
            }
        }

        Environment.Exit(0);
    }
}
