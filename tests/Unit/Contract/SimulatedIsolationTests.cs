using System.Diagnostics;

namespace LightVM.Unit.Contract;

/// <summary>The simulated host is for people without Xen: not one of Xen's libraries may be needed for it.</summary>
public sealed class SimulatedIsolationTests
{
    /// <summary>In a process of its own, which is looked at while it lives: what else this one's tests load does not matter.</summary>
    [Fact]
    public void The_simulated_host_loads_no_library_of_Xen()
    {
        var program = Path.Combine(AppContext.BaseDirectory, "lightvm.dll");
        using var process = Process.Start(new ProcessStartInfo("dotnet", [program, "--simulated", "script", "-"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        try
        {
            var config = Path.Combine(AppContext.BaseDirectory, "examples", "simulated.json");
            foreach (var line in (string[])[$"create {config} --name isolated", "pause isolated", "unpause isolated", "rename isolated renamed", "destroy renamed", "list --json"])
                process.StandardInput.WriteLine(line);
            process.StandardInput.Flush();
            // The last command's answer: by now all of them have run, and the process waits for the next line.
            while (process.StandardOutput.ReadLine() is { } line && !line.StartsWith('['))
            {
            }

            var mapped = File.ReadAllLines($"/proc/{process.Id}/maps");
            Assert.Contains(mapped, line => line.Contains("LightVM.Engine", StringComparison.Ordinal)); // it is the right process
            Assert.DoesNotContain(mapped, line => line.Contains("libxen", StringComparison.Ordinal) || line.Contains("liblightvm", StringComparison.Ordinal));
        }
        finally
        {
            process.StandardInput.Close();
            process.WaitForExit();
        }

        Assert.Equal(0, process.ExitCode);
    }
}
