namespace LightVM.Domains;

/// <summary>One step of a creation and how long it took.</summary>
/// <param name="Name">The step, as <see cref="DomainCreation"/> names it.</param>
public readonly record struct CreationStepTime(string Name, TimeSpan Duration);

/// <summary>How a domain came to be.</summary>
/// <param name="Steps">The steps in their order.</param>
/// <param name="Duration">From the call to the running guest; the steps and what lies between them.</param>
public sealed record CreationRecord(IReadOnlyList<CreationStepTime> Steps, TimeSpan Duration);
