using LightVM.Configuration;
using LightVM.Hypervisor;

namespace LightVM.Devices;

/// <summary>A disk of a domain, as it was when it was listed.</summary>
public sealed record Disk
{
    /// <summary>The domain that has it.</summary>
    public required DomainKey Domain { get; init; }

    public required string DomainName { get; init; }

    public uint DomainId => Domain.Id;

    /// <summary>Xen's number of the virtual device (xen-vbd-interface(7)), 51712 for xvda.</summary>
    public required int DeviceId { get; init; }

    /// <summary>The name that the guest gives it, "xvda".</summary>
    public required string VirtualDevice { get; init; }

    /// <summary>The block device or image file in the control domain.</summary>
    public required string Target { get; init; }

    public required DiskType Type { get; init; }

    public required DiskAccess Access { get; init; }

    public required DeviceState State { get; init; }

    /// <summary>The block device behind it, "/dev/loop0" for a file; null while there is none.</summary>
    public string? BlockDevice { get; init; }

    public override string ToString() => VirtualDevice;
}
