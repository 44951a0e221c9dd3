namespace LightVM.Hosts;

public enum HostCheckStatus
{
    Passed,

    /// <summary>Works, with something missing that not everybody needs.</summary>
    Warning,

    Failed,
}

/// <summary>One line of the check list that tells whether this machine can run domains.</summary>
/// <param name="Name">What was looked at.</param>
/// <param name="Detail">What was found.</param>
/// <param name="Remedy">What to do about it; empty where the check passed.</param>
public sealed record HostCheck(string Name, HostCheckStatus Status, string Detail, string Remedy);
