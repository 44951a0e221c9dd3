using LightVM.Pools;

namespace LightVM.Domains;

/// <summary>One step of a creation and how long it took.</summary>
/// <param name="Name">The step, as <see cref="DomainCreation"/> names it.</param>
public readonly record struct CreationStepTime(string Name, TimeSpan Duration);

/// <summary>What a domain was made of.</summary>
public enum CreationSource
{
    /// <summary>Of nothing: all steps were done when it was asked for.</summary>
    Full,

    /// <summary>Of a shell, which got its kernel when it was asked for.</summary>
    Shell,

    /// <summary>Of a shell that had its kernel.</summary>
    Built,

    /// <summary>Of a shell that had been restored from a saved domain.</summary>
    Snapshot,
}

/// <summary>How a domain came to be.</summary>
/// <param name="Steps">The steps in their order.</param>
/// <param name="Duration">From the call to the running guest; the steps and what lies between them.</param>
public sealed record CreationRecord(IReadOnlyList<CreationStepTime> Steps, TimeSpan Duration)
{
    public CreationSource Source { get; init; }

    /// <summary>The pool that the shell came from; null without one.</summary>
    public string? Pool { get; init; }

    internal static CreationSource SourceOf(ShellKind kind) => kind switch
    {
        ShellKind.Shell => CreationSource.Shell,
        ShellKind.Built => CreationSource.Built,
        _ => CreationSource.Snapshot,
    };
}
