namespace LightVM.Hypervisor;

/// <summary>What is left on a host of what every domain takes some of, and what one domain may have.</summary>
public sealed record HostCapacity
{
    /// <summary>Domain ids there are beside the control domain's and those that Xen reserves (DOMID_FIRST_RESERVED).</summary>
    public const int DomainIds = 0x7ff0;

    /// <summary>Memory that nobody has, KiB.</summary>
    public required long FreeMemoryKiB { get; init; }

    /// <summary>How many domains more there may be.</summary>
    public required int FreeDomainIds { get; init; }

    /// <summary>Event channels that the control domain may still have; at least so many, where they are more than was asked for.</summary>
    public required int FreeEventChannels { get; init; }

    /// <summary>Pages of its grant table that one domain may have; each has 512 grants.</summary>
    public required int GrantFrames { get; init; }

    /// <summary>Pages of all guests together that the control domain's daemons may map by grant; null where there is no such limit.</summary>
    public int? GrantMappings { get; init; }
}
