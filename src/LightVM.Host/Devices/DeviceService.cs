using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;

namespace LightVM.Host.Devices;

/// <summary>What clients of either socket may ask for.</summary>
internal sealed class DeviceService(DeviceTable table, IHostDevices host)
{
    /// <summary>Holds devices for a domain. Errors: BridgeNotFound, DiskNotFound, DiskInvalid, DiskInUse, MacAddressTaken.</summary>
    /// <returns>The address of each interface, in order.</returns>
    public IReadOnlyList<string> Reserve(Guid domain, IReadOnlyList<Device> devices)
    {
        CrashPoints.Reach(CrashPoints.ReserveBeforeHold);
        var interfaces = devices.OfType<NetworkDevice>().ToArray();
        foreach (var network in interfaces)
        {
            if (network.Config.Bridge is { } bridge && !host.IsBridge(bridge)) throw new LvmException(ErrorIds.BridgeNotFound, $"there is no bridge '{bridge}'");
        }

        var disks = devices.OfType<DiskDevice>().Select(disk => (disk, Examine(disk.Config))).ToArray();
        var macs = table.Reserve(domain, interfaces, disks);
        CrashPoints.Reach(CrashPoints.ReserveAfterHold);
        return macs;
    }

    /// <summary>Gives up devices of a domain that are not going to appear.</summary>
    public void Release(Guid domain, IReadOnlyList<Device> devices) => table.Release(domain, devices);

    /// <summary>Gets a block device for a disk. A loop device stays until it is detached. Errors: DiskNotFound, DiskInvalid, DiskInUse, DeviceFailure.</summary>
    public (uint Major, uint Minor) AttachDisk(DiskConfig disk)
    {
        var identity = Examine(disk);
        table.RequireFree(identity, disk.Access, disk.Target);
        if (disk.Type == DiskType.Phy) return (identity.Major, identity.Minor);
        using var loop = host.Bind(disk, "");
        return (LoopDevice.Major, loop.Minor);
    }

    /// <summary>Frees a loop device; any other block device has nothing to be freed. Errors: DiskNotFound, DiskInUse, DeviceFailure.</summary>
    public void DetachDisk(uint major, uint minor)
    {
        if (major != LoopDevice.Major) return;
        if (table.HasLoop(minor)) throw new LvmException(ErrorIds.DiskInUse, $"{LoopDevice.PathOf(minor)} is a guest's disk") { Errno = ErrnoText.EBUSY };
        host.Unbind(minor);
    }

    /// <summary>The file behind a loop device, or the node of any other block device. Errors: DiskNotFound.</summary>
    public string QueryDisk(uint major, uint minor) =>
        host.PathOfDevice(major, minor) ?? throw new LvmException(ErrorIds.DiskNotFound, $"there is no block device {major}:{minor}");

    public void AttachInterface(string name, string? bridge) => host.AttachInterface(name, bridge);

    public void DetachInterface(string name) => host.DetachInterface(name);

    private DiskIdentity Examine(DiskConfig disk)
    {
        var identity = host.Examine(disk);
        return host.FindForeignUser(identity, disk.Access, table.OwnDisks) is { } user
            ? throw new LvmException(ErrorIds.DiskInUse, $"disk '{disk.Target}' is in use: {user}") { Errno = ErrnoText.EBUSY }
            : identity;
    }
}
