namespace LightVM.Hypervisor;

/// <summary>What names one domain for its whole life: ids are used again after it, uuids are not.</summary>
/// <param name="Id">Xen's domain id.</param>
/// <param name="Uuid">The domain's handle, which Xen keeps with it.</param>
public readonly record struct DomainKey(uint Id, Guid Uuid)
{
    public override string ToString() => $"{Id} ({Uuid})";
}

/// <summary>One domain as the hypervisor reports it (xen_domctl_getdomaininfo).</summary>
public readonly record struct DomainInfo
{
    public required DomainKey Key { get; init; }

    public required GuestType Type { get; init; }

    public required DomainState State { get; init; }

    /// <summary>Set when <see cref="State"/> is Shutdown or Crashed.</summary>
    public ShutdownReason? ShutdownReason { get; init; }

    /// <summary>vCPUs that are online.</summary>
    public int OnlineVcpus { get; init; }

    /// <summary>vCPUs that the domain may bring online.</summary>
    public int MaxVcpus { get; init; }

    /// <summary>Memory in use, KiB.</summary>
    public long MemoryKiB { get; init; }

    /// <summary>The limit of its memory, KiB; <see cref="long.MaxValue"/> where there is none.</summary>
    public long MaxMemoryKiB { get; init; }

    /// <summary>Processor time used by all its vCPUs together.</summary>
    public TimeSpan CpuTime { get; init; }
}
