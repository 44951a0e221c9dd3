namespace LightVM.Pools;

/// <summary>Where a test may have somebody die who makes a shell, keeps one or uses one (<see cref="Linux.CrashPoint"/>).</summary>
internal static class ShellCrashPoints
{
    // Of who makes it.
    public const string Noted = "shell-noted";
    public const string HasDomain = "shell-has-domain";
    public const string Made = "shell-made";
    public const string Ready = "shell-ready";

    // Of who hands it out.
    public const string Lent = "shell-lent";
    public const string Found = "shell-found";
    public const string Destroying = "shell-destroying";

    // Of who uses it.
    public const string Claimed = "shell-claimed";
    public const string Started = "shell-started";
    public const string Published = "shell-published";
    public const string Committed = "shell-committed";

    /// <summary>Those of the daemon.</summary>
    public static IReadOnlyList<string> OfKeeper { get; } = [Noted, HasDomain, Made, Ready, Lent, Found, Destroying];

    /// <summary>Those of whoever makes a domain of a shell.</summary>
    public static IReadOnlyList<string> OfUser { get; } = [Claimed, Started, Published, Committed];
}
