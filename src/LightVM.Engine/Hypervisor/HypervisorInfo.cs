namespace LightVM.Hypervisor;

/// <summary>The hypervisor and what it has to give.</summary>
public sealed record HypervisorInfo
{
    /// <summary>"Xen" or "Simulated".</summary>
    public required string Kind { get; init; }

    /// <summary>"4.17.7".</summary>
    public required string Version { get; init; }

    /// <summary>Xen's capability words, "xen-3.0-x86_64 hvm-3.0-x86_64".</summary>
    public required string Capabilities { get; init; }

    /// <summary>Physical CPUs that are online.</summary>
    public required int PhysicalCpus { get; init; }

    public required long TotalMemoryKiB { get; init; }

    public required long FreeMemoryKiB { get; init; }

    /// <summary>PV guests of 64 bits.</summary>
    public bool SupportsPV64 => HasCapability("xen-3.0-x86_64");

    /// <summary>PV guests of 32 bits: not where Xen was built without them or started with pv=no-32.</summary>
    public bool SupportsPV32 => HasCapability("xen-3.0-x86_32p");

    /// <summary>PVH guests: the host has hardware virtualisation with nested paging.</summary>
    public required bool SupportsPvh { get; init; }

    private bool HasCapability(string word) => Capabilities.Split(' ').Contains(word);
}
