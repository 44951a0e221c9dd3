namespace LightVM.Linux;

/// <summary>
/// Places at which a test may have a process die by SIGKILL, as a crash or the kernel would have it: the first of them that is reached
/// and has the name in the environment variable <see cref="Variable"/>.
/// </summary>
internal static class CrashPoint
{
    public const string Variable = "LIGHTVM_CRASH_AT";

    /// <summary>Where this process is to die; null, as ever, for nowhere.</summary>
    public static string? Chosen { get; } = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } name ? name : null;

    public static void Reach(string point)
    {
        if (Chosen is null || Chosen != point) return;
        const int SIGKILL = 9;
        _ = Libc.Kill(Environment.ProcessId, SIGKILL);
        Thread.Sleep(Timeout.Infinite); // nothing more is done until the signal has arrived
    }
}
