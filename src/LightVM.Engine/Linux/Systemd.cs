using System.Diagnostics;
using System.Globalization;
using LightVM.Errors;

namespace LightVM.Linux;

/// <summary>systemd, where it is this machine's init, by its own program.</summary>
internal sealed class Systemd(string systemctl, string journalctl)
{
    private const int LogLines = 5;

    private static readonly TimeSpan Answer = TimeSpan.FromSeconds(10);

    /// <summary>Null where another init runs (sd_booted(3)).</summary>
    public static Systemd? Find() => Directory.Exists("/run/systemd/system") ? new Systemd("systemctl", "journalctl") : null;

    public bool Knows(string unit) => Run(systemctl, Answer, default, "cat", "--", unit).ExitCode == 0;

    public bool HasFailed(string unit) => Run(systemctl, Answer, default, "is-failed", "--quiet", "--", unit).ExitCode == 0;

    /// <summary>The process of a unit that runs; null where none does.</summary>
    public int? MainProcess(string unit) =>
        int.TryParse(Run(systemctl, Answer, default, "show", "--property=MainPID", "--value", "--", unit).Output.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var process) && process > 0 ? process : null;

    /// <summary>Starts a unit and waits until it is ready. Errors: ServiceFailure.</summary>
    public void Start(string unit, TimeSpan patience, CancellationToken cancellation) => Change("start", unit, patience, cancellation);

    /// <summary>Stops a unit and waits for its end. Errors: ServiceFailure.</summary>
    public void Stop(string unit, TimeSpan patience, CancellationToken cancellation) => Change("stop", unit, patience, cancellation);

    private void Change(string verb, string unit, TimeSpan patience, CancellationToken cancellation)
    {
        var (exitCode, output) = Run(systemctl, patience, cancellation, verb, "--", unit);
        if (exitCode == 0) return;
        var log = Run(journalctl, Answer, default, "--unit", unit, "--lines", LogLines.ToString(CultureInfo.InvariantCulture), "--output", "cat", "--no-pager").Output;
        var lines = string.Join(" | ", log.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        var said = string.Join(' ', output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        throw new LvmException(ErrorIds.ServiceFailure, $"systemctl {verb} {unit} ended with {exitCode}{(said.Length > 0 ? $": {said.TrimEnd('.')}" : "")}{(lines.Length > 0 ? $"; it logged: {lines}" : "")}");
    }

    private static (int ExitCode, string Output) Run(string program, TimeSpan patience, CancellationToken cancellation, params string[] arguments)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        end.CancelAfter(patience);
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
            process.StandardInput.Close();
            try
            {
                var output = process.StandardOutput.ReadToEndAsync(end.Token);
                var errors = process.StandardError.ReadToEndAsync(end.Token);
                process.WaitForExitAsync(end.Token).GetAwaiter().GetResult();
                return (process.ExitCode, output.GetAwaiter().GetResult() + errors.GetAwaiter().GetResult());
            }
            catch (OperationCanceledException)
            {
                process.Kill();
                throw;
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new LvmException(ErrorIds.ServiceFailure, $"{program} {string.Join(' ', arguments)} has not ended within {patience.TotalSeconds:0.#} s");
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            throw new LvmException(ErrorIds.ServiceFailure, $"'{program}' cannot be started: {error.Message.TrimEnd('.')}", error);
        }
    }
}
