using LightVM.Configuration;

namespace LightVM.Devices;

/// <summary>One request to the device daemon.</summary>
internal abstract record DeviceDaemonRequest
{
    /// <summary>Asks for devices of a domain, which need not exist yet; the MAC addresses come back.</summary>
    internal sealed record Reserve(Guid Uuid, IReadOnlyList<Device> Devices) : DeviceDaemonRequest;

    /// <summary>Gives up devices that were asked for and are not going to appear.</summary>
    internal sealed record Release(Guid Uuid, IReadOnlyList<Device> Devices) : DeviceDaemonRequest;

    /// <summary>Asks the daemon how it does.</summary>
    internal sealed record Status : DeviceDaemonRequest;

    /// <summary>Gets a block device for a disk; a loop device stays until it is detached.</summary>
    internal sealed record AttachDisk(DiskConfig Disk) : DeviceDaemonRequest;

    /// <summary>Frees a loop device.</summary>
    internal sealed record DetachDisk(uint Major, uint Minor) : DeviceDaemonRequest;

    /// <summary>Asks for the file behind a loop device, or the path of another block device.</summary>
    internal sealed record QueryDisk(uint Major, uint Minor) : DeviceDaemonRequest;

    /// <summary>Joins an interface to a bridge and sets it up.</summary>
    internal sealed record AttachNetwork(string Interface, string? Bridge) : DeviceDaemonRequest;

    /// <summary>Takes an interface down and off its bridge.</summary>
    internal sealed record DetachNetwork(string Interface) : DeviceDaemonRequest;
}
