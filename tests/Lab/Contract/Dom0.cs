using System.Diagnostics;

namespace LightVM.Lab;

/// <summary>The control domain that these tests run in, and Xen's own tools, which judge what the engine did.</summary>
internal static class Dom0
{
    /// <summary>Where the build is: the tests' own folder is artifacts/lab.</summary>
    public static string Build { get; } = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, ".."));

    /// <summary>Kernels and ramdisks of real guests, which the lab's image brings.</summary>
    public const string Guests = "/guests";

    /// <summary>The program that is being tested, for what needs a process of its own.</summary>
    public static string Lightvm { get; } = Path.Combine(Build, "bin", "lightvm");

    public static string TinyKernel { get; } = Path.Combine(Build, "guests", "tiny.elf");

    /// <summary>Runs a program to its end; output and errors together. Xen's tools are found beside xl.</summary>
    public static (int ExitCode, string Output) Run(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["PATH"] = $"/usr/lib/xen-4.17/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }

    /// <summary>Runs a program that has to succeed.</summary>
    public static string Output(string program, params string[] arguments)
    {
        var (exitCode, output) = Run(program, arguments);
        Assert.True(exitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {exitCode}: {output}");
        return output;
    }
}
