using System.Diagnostics;

namespace LightVM.Bench;

/// <summary>What it costs to start: lightvm, and the module over bare PowerShell. Each in turn, so that a busy moment hits all.</summary>
internal static class StartSuite
{
    public static void Run(string? lightvm, string? pwsh, string module, int samples, DirectoryInfo output)
    {
        var results = new Results();
        for (var i = -1; i < samples; i++) // the first one only fills the page cache
        {
            if (lightvm is not null) Take("start-lightvm", lightvm, ["--version"]);
            // A start of pwsh takes half a second, and varies less.
            if (pwsh is null || i >= Math.Min(samples, 10)) continue;
            Take("start-pwsh", pwsh, ["-NoProfile", "-NonInteractive", "-Command", "exit 0"]);
            Take("start-pwsh-module", pwsh, ["-NoProfile", "-NonInteractive", "-Command", $"Import-Module '{module}'; exit 0"]);

            void Take(string series, string program, string[] arguments)
            {
                var begin = Stopwatch.GetTimestamp();
                Child.Run(program, arguments);
                if (i >= 0) results.Sample(series, 0, Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
            }
        }

        results.Figure("start-lightvm-version", results.Median("start-lightvm", 0), "ms", Bound.Below(70));
        results.Figure("start-pwsh", results.Median("start-pwsh", 0), "ms");
        results.Figure("start-module-over-pwsh", results.Median("start-pwsh-module", 0) - results.Median("start-pwsh", 0), "ms", Bound.Below(150));
        results.Write(output, "starts");
    }
}
