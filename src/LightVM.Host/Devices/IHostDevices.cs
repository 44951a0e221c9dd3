using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Host.Devices;

/// <summary>What the daemon asks Linux about disks and bridges. Members may be called from several threads.</summary>
internal interface IHostDevices
{
    bool IsBridge(string name);

    /// <summary>Looks at a disk: whether it is there, is what it is said to be, and may be opened. Errors: DiskNotFound, DiskInvalid, DiskInUse.</summary>
    DiskIdentity Examine(DiskConfig disk);

    /// <summary>Who else on this host has a disk in a way that does not go together with this use; null for nobody.</summary>
    /// <param name="ours">What the daemon's own table speaks for, and is not looked at: loop devices and guests' disks.</param>
    string? FindForeignUser(DiskIdentity disk, DiskAccess access, OwnDisks ours);

    /// <summary>Joins an interface to a bridge and sets it up. Errors: BridgeNotFound, DeviceFailure.</summary>
    void AttachInterface(string name, string? bridge);

    /// <summary>Takes an interface down and off its bridge. Errors: DeviceFailure.</summary>
    void DetachInterface(string name);

    /// <summary>Puts an image file behind a loop device. Errors: DiskNotFound, DiskInvalid, DeviceFailure.</summary>
    LoopDevice Bind(DiskConfig disk, string label);

    /// <summary>Of a loop device, the file behind it; of any other block device, its node; null where there is no such thing.</summary>
    string? PathOfDevice(uint major, uint minor);

    /// <summary>Frees a loop device. Errors: DiskNotFound, DeviceFailure.</summary>
    void Unbind(uint minor);
}

/// <summary>Loop devices (their numbers) and guests' disks of the daemon's own.</summary>
internal sealed record OwnDisks(IReadOnlySet<uint> Loops, IReadOnlySet<DeviceKey> Disks)
{
    public static readonly OwnDisks None = new(new HashSet<uint>(), new HashSet<DeviceKey>());
}
