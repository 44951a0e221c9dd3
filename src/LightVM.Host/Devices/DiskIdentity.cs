namespace LightVM.Host.Devices;

/// <summary>What a disk is, whichever its paths are: a block device by its number, a file by its file system's and its inode.</summary>
internal readonly record struct DiskIdentity(bool IsBlockDevice, uint Major, uint Minor, ulong Inode)
{
    public static DiskIdentity OfDevice(uint major, uint minor) => new(true, major, minor, 0);

    /// <summary>Of what is behind a path.</summary>
    public static DiskIdentity Of(in SystemCalls.FileStatus status) => status.IsBlockDevice
        ? OfDevice(status.DeviceMajor, status.DeviceMinor)
        : new(false, status.FileSystemMajor, status.FileSystemMinor, status.Inode);
}
