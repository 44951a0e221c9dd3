namespace LightVM.Configuration;

/// <summary>What a disk's target is.</summary>
public enum DiskType
{
    /// <summary>A block device of the control domain. JSON: "phy".</summary>
    Phy,

    /// <summary>An image file in the control domain. JSON: "file".</summary>
    File,
}

/// <summary>What a guest may do with a disk.</summary>
public enum DiskAccess
{
    /// <summary>JSON: "r".</summary>
    ReadOnly,

    /// <summary>JSON: "w".</summary>
    ReadWrite,
}

/// <summary>One block device (vbd) of a domain.</summary>
/// <param name="Target">Path of the block device or image in the control domain; at most 4095 bytes.</param>
/// <param name="Type">What <paramref name="Target"/> is.</param>
/// <param name="VirtualDevice">
/// The name that the guest sees, "xvda" or "xvda1"; <see cref="Configuration.VirtualDevice"/> turns it into Xen's device id.
/// Two disks of a domain never share an id.
/// </param>
/// <param name="Access">What the guest may do with it.</param>
public sealed record DiskConfig(string Target, DiskType Type, string VirtualDevice, DiskAccess Access);
