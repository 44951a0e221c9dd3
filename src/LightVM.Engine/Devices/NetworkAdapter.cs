using LightVM.Hypervisor;

namespace LightVM.Devices;

/// <summary>A network interface of a domain, as it was when it was listed.</summary>
public sealed record NetworkAdapter
{
    /// <summary>The domain that has it.</summary>
    public required DomainKey Domain { get; init; }

    public required string DomainName { get; init; }

    public uint DomainId => Domain.Id;

    /// <summary>Its number among the domain's interfaces; the guest's first is 0.</summary>
    public required int DeviceId { get; init; }

    /// <summary>"00:16:3e:00:00:01".</summary>
    public required string MacAddress { get; init; }

    /// <summary>The bridge that it was to join; null for none.</summary>
    public string? Bridge { get; init; }

    /// <summary>The guest's address as its configuration has it; null where it says none.</summary>
    public string? IpAddress { get; init; }

    /// <summary>The most that the guest may send, "10Mb/s@50ms"; null for no limit.</summary>
    public string? Rate { get; init; }

    /// <summary>How many queues the guest may use; null for as many as the backend has.</summary>
    public int? QueueCount { get; init; }

    /// <summary>Whether the guest was told to trust its backend.</summary>
    public bool Trusted { get; init; } = true;

    public required DeviceState State { get; init; }

    /// <summary>The interface in the control domain, "vif3.0".</summary>
    public required string InterfaceName { get; init; }

    public override string ToString() => InterfaceName;
}
