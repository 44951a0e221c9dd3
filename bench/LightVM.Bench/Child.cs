using System.Diagnostics;
using System.Globalization;

namespace LightVM.Bench;

/// <summary>Other programs.</summary>
internal static class Child
{
    /// <summary>Runs a program to its end and gives its output. What it says on its error stream goes to ours.</summary>
    public static string Run(string program, params IEnumerable<string> arguments)
    {
        using var process = Start(program, arguments);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: exit code {process.ExitCode}");
    }

    public static Process Start(string program, params IEnumerable<string> arguments) =>
        Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!;

    public static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
