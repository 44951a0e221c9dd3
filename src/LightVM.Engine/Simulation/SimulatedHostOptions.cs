namespace LightVM.Simulation;

/// <summary>The machine that a simulated host pretends to be.</summary>
public sealed record SimulatedHostOptions
{
    /// <summary>Physical CPUs, 1 to 256.</summary>
    public int PhysicalCpus { get; init; } = 4;

    /// <summary>Memory of the machine, MiB.</summary>
    public int TotalMemoryMiB { get; init; } = 65536;

    /// <summary>Memory of the control domain, MiB.</summary>
    public int ControlDomainMemoryMiB { get; init; } = 1024;

    /// <summary>Whether the machine has hardware virtualisation.</summary>
    public bool SupportsPvh { get; init; } = true;

    /// <summary>The bridges that it has.</summary>
    public IReadOnlyList<string> Bridges { get; init; } = ["xenbr0", "xenbr1"];
}
