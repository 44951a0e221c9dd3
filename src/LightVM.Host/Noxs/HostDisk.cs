using System.Globalization;
using System.Runtime.InteropServices;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Linux;
using LightVM.Noxs;
using LightVM.Xen;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Host.Noxs;

/// <summary>
/// A block device or a file of this host. The host's page cache is left out wherever that is possible: what a guest was told to be written is
/// not only in this host's memory, and a disk that two hosts have is the same for both. A lock keeps others away (<see cref="SystemCalls.TryLockDisk"/>),
/// and of a block device that is written its exclusive use.
/// </summary>
internal sealed unsafe class HostDisk : IDisk
{
    private const nuint GetSectorSize = 0x1268; // BLKSSZGET
    private const nuint GetPhysicalSectorSize = 0x127b; // BLKPBSZGET
    private const nuint DiscardPart = 0x1277; // BLKDISCARD
    private const uint Sector = 512;

    /// <summary>Of a file system that does not say more.</summary>
    private const uint BlockOfFile = 4096;

    private readonly SafeFileHandle _file;

    private HostDisk(SafeFileHandle file, DiskIdentity identity, string path, DiskShape shape)
    {
        _file = file;
        Identity = identity;
        Path = path;
        Shape = shape;
    }

    public DiskShape Shape { get; }

    public DiskIdentity Identity { get; }

    public string Path { get; }

    /// <summary>
    /// Opens what a call names: a block device by its number, a file by the descriptor that the calling process has of it. Errors: DiskNotFound
    /// (ENODEV), DiskInvalid (EROFS, EINVAL), DiskInUse (EBUSY).
    /// </summary>
    public static HostDisk Open(in VbdSettings settings, int process, LinuxDevices devices)
    {
        var access = AccessOf(settings);
        if (settings.Type == VbdType.Physical)
        {
            var node = LinuxDevices.NodeOf(settings.Major, settings.Minor) ?? throw Problem(ErrorIds.DiskNotFound, ErrnoText.ENODEV, $"there is no block device {settings.Major}:{settings.Minor}");
            return Open(node, node, DiskType.Phy, access, DiskIdentity.OfDevice(settings.Major, settings.Minor), devices);
        }

        var link = string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/fd/{settings.Minor}");
        try
        {
            var path = settings.Major == 0 ? File.ResolveLinkTarget(link, returnFinalTarget: false)?.FullName : null;
            return Open(link, path ?? throw Problem(ErrorIds.DiskNotFound, ErrnoText.ENODEV, $"process {process} has no file {settings.Minor}"), DiskType.File, access, null, devices);
        }
        catch (IOException error)
        {
            throw Problem(ErrorIds.DiskNotFound, ErrnoText.ENODEV, error.Message);
        }
    }

    /// <summary>Opens what an earlier daemon had. Errors: as of <see cref="Open(in VbdSettings, int, LinuxDevices)"/>; DiskNotFound also where there is another one by now.</summary>
    public static HostDisk Reopen(in VbdSettings settings, string path, DiskIdentity identity, LinuxDevices devices) =>
        Open(path, path, settings.Type == VbdType.Physical ? DiskType.Phy : DiskType.File, AccessOf(settings), identity, devices);

    public int Read(Span<SystemCalls.Piece> pieces, long offset) => Transfer(pieces, offset, isWrite: false);

    public int Write(Span<SystemCalls.Piece> pieces, long offset) => Transfer(pieces, offset, isWrite: true);

    public int Flush() => SystemCalls.SynchronizeData(_file) == 0 ? 0 : Marshal.GetLastPInvokeError();

    public int Discard(long offset, long length)
    {
        var part = stackalloc ulong[] { (ulong)offset, (ulong)length };
        var result = Identity.IsBlockDevice ? SystemCalls.Control(_file, DiscardPart, part) : SystemCalls.Allocate(_file, Libc.KeepSizeAndPunchHole, offset, length);
        return result == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    public void Close() => _file.Dispose();

    private static DiskAccess AccessOf(in VbdSettings settings) => settings.Mode == VbdMode.ReadWrite ? DiskAccess.ReadWrite : DiskAccess.ReadOnly;

    private static HostDisk Open(string place, string path, DiskType type, DiskAccess access, DiskIdentity? expected, LinuxDevices devices)
    {
        if (!SystemCalls.TryStat(place, out var status)) throw Problem(ErrorIds.DiskNotFound, ErrnoText.ENODEV, $"disk '{path}' does not exist");
        var identity = DiskIdentity.Of(status);
        if (!(type == DiskType.Phy ? status.IsBlockDevice : status.IsRegularFile)) throw Problem(ErrorIds.DiskInvalid, ErrnoText.EINVAL, $"disk '{path}' is no {(type == DiskType.Phy ? "block device" : "file")}");
        if (expected is { } same && identity != same) throw Problem(ErrorIds.DiskNotFound, ErrnoText.ENODEV, $"disk '{path}' is another one by now");
        if (devices.FindForeignUser(identity, access, OwnDisks.None) is { } user) throw InUse(path, user);
        var flags = SystemCalls.OpenNonBlocking | SystemCalls.OpenCloseOnExec | (access == DiskAccess.ReadWrite ? SystemCalls.OpenReadWrite : SystemCalls.OpenReadOnly);
        if (type == DiskType.Phy && access == DiskAccess.ReadWrite) flags |= SystemCalls.OpenExclusive;
        var file = OpenBest(place, flags);
        if (file.IsInvalid)
        {
            var errno = Marshal.GetLastPInvokeError();
            throw errno == ErrnoText.EBUSY ? InUse(path, "somebody on this host has it for himself") : Problem(ErrorIds.DiskInvalid, ErrnoText.EROFS, $"disk '{path}' cannot be opened: {ErrnoText.Describe(errno)}");
        }

        try
        {
            status = SystemCalls.Stat(file);
            if (DiskIdentity.Of(status) != identity) throw Problem(ErrorIds.DiskNotFound, ErrnoText.ENODEV, $"disk '{path}' is another one by now");
            if (!SystemCalls.TryLockDisk(file, access)) throw InUse(path, "somebody on this host has locked it");
            var shape = ShapeOf(file, status, access);
            return shape.Sectors > 0 ? new HostDisk(file, identity, path, shape) : throw Problem(ErrorIds.DiskInvalid, ErrnoText.EINVAL, $"disk '{path}' is empty");
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Past the page cache, where sectors can be read so; else through it.</summary>
    private static SafeFileHandle OpenBest(string place, int flags)
    {
        var direct = SystemCalls.Open(place, flags | SystemCalls.OpenDirect);
        if (direct.IsInvalid) return Marshal.GetLastPInvokeError() == ErrnoText.EINVAL ? SystemCalls.Open(place, flags) : direct;
        var memory = (byte*)NativeMemory.AlignedAlloc(BlockOfFile, BlockOfFile);
        try
        {
            // The second sector: a medium with larger ones refuses it, unless that is what the guest is told.
            var piece = new SystemCalls.Piece { Start = memory, Length = Sector };
            if (SystemCalls.ReadAt(direct, &piece, 1, Sector) >= 0 || SystemCalls.Stat(direct).IsBlockDevice) return direct;
            direct.Dispose();
            return SystemCalls.Open(place, flags);
        }
        finally
        {
            NativeMemory.AlignedFree(memory);
        }
    }

    private static DiskShape ShapeOf(SafeFileHandle file, in SystemCalls.FileStatus status, DiskAccess access)
    {
        var isReadOnly = access == DiskAccess.ReadOnly;
        if (!status.IsBlockDevice) return new DiskShape(status.Size / Sector, Sector, BlockOfFile, isReadOnly, isReadOnly ? 0 : BlockOfFile);
        uint size = 0, physical = 0;
        if (SystemCalls.Control(file, GetSectorSize, &size) != 0) size = Sector;
        if (SystemCalls.Control(file, GetPhysicalSectorSize, &physical) != 0 || physical < size) physical = size;
        return new DiskShape(LinuxDevices.SizeOf(file) / Sector, size, physical, isReadOnly, isReadOnly ? 0 : DiscardGranularity(status.DeviceMajor, status.DeviceMinor));
    }

    /// <summary>A partition has none of its own, but its disk's.</summary>
    private static uint DiscardGranularity(uint major, uint minor)
    {
        foreach (var folder in (string[])["queue", "../queue"])
        {
            if (uint.TryParse(XenHost.ReadFirstLine($"/sys/dev/block/{major}:{minor}/{folder}/discard_granularity"), NumberStyles.None, CultureInfo.InvariantCulture, out var granularity)) return granularity;
        }

        return 0;
    }

    private int Transfer(Span<SystemCalls.Piece> pieces, long offset, bool isWrite)
    {
        fixed (SystemCalls.Piece* first = pieces)
        {
            var next = first;
            for (var left = pieces.Length; left > 0;)
            {
                var count = isWrite ? SystemCalls.WriteAt(_file, next, left, offset) : SystemCalls.ReadAt(_file, next, left, offset);
                if (count < 0)
                {
                    var errno = Marshal.GetLastPInvokeError();
                    if (errno == Libc.EINTR) continue;
                    return errno;
                }

                if (count == 0) return Libc.EIO; // it has become shorter
                offset += count;
                for (; left > 0 && (nuint)count >= next->Length; next++, left--) count -= (nint)next->Length;
                if (left == 0) break;
                next->Start += count;
                next->Length -= (nuint)count;
            }
        }

        return 0;
    }

    private static LvmException InUse(string path, string user) => Problem(ErrorIds.DiskInUse, ErrnoText.EBUSY, $"disk '{path}' is in use: {user}");

    private static LvmException Problem(string id, int errno, string problem) => new(id, problem) { Errno = errno };
}
