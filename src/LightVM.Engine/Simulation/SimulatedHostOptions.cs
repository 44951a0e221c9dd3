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

    /// <summary>Event channels that the control domain may have beside those of its own; Linux has 131072.</summary>
    public int EventChannels { get; init; } = 1 << 17;

    /// <summary>Pages of its grant table that a domain may have; Xen's own limit is 64.</summary>
    public int GrantFrames { get; init; } = 64;

    /// <summary>Nodes that a guest may have in the store; xenstored's own limit is 1000.</summary>
    public int StoreNodesPerDomain { get; init; } = 1000;

    /// <summary>Whether a store runs.</summary>
    public bool HasStore { get; init; } = true;

    /// <summary>Whether guests can have devices without a store.</summary>
    public bool HasNoxs { get; init; } = true;

    /// <summary>The bridges that it has.</summary>
    public IReadOnlyList<string> Bridges { get; init; } = ["xenbr0", "xenbr1"];
}
