using System.Globalization;
using System.Runtime.InteropServices;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Xen;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Host.Devices;

/// <summary>Disks and bridges of this host, by the kernel's interfaces.</summary>
internal sealed class LinuxDevices : IHostDevices, IDisposable
{
    private const string XenDevices = "/sys/bus/xen-backend/devices";
    private const nuint GetSize = 0x80081272; // BLKGETSIZE64

    private const int ENXIO = 6;
    private const int ENOTBLK = 15;
    private const int ENOTDIR = 20;
    private const int ELOOP = 40;
    private const int ENAMETOOLONG = 36;
    private const int ENOMEDIUM = 123;

    private static readonly IReadOnlySet<DeviceKey> Nothing = new HashSet<DeviceKey>();

    private readonly NetworkInterfaces _interfaces = new();

    /// <summary>The devices of guests that the kernel has backends of now.</summary>
    public static IReadOnlySet<DeviceKey> KernelDevices()
    {
        var devices = new HashSet<DeviceKey>();
        foreach (var name in Names(XenDevices))
        {
            if (DeviceKey.TryParse(name, out var key)) devices.Add(key);
        }

        return devices;
    }

    /// <summary>Whether the kernel has a backend of a device now.</summary>
    public static bool Exists(DeviceKey device) => Directory.Exists($"{XenDevices}/{device.SysName}");

    /// <summary>The interface of a guest's network device; null where it has none now.</summary>
    public static string? InterfaceOf(DeviceKey device) => Names($"{XenDevices}/{device.SysName}/net").FirstOrDefault();

    /// <summary>Whether a guest's backend has opened a block device, and which; null where it has none.</summary>
    public static (uint Major, uint Minor)? DeviceOf(DeviceKey disk) =>
        TryParseNumbers(XenHost.ReadFirstLine($"{XenDevices}/{disk.SysName}/physical_device"), NumberStyles.AllowHexSpecifier, out var numbers) && numbers != (0, 0) ? numbers : null;

    /// <summary>The numbers of loop devices that have a file behind them.</summary>
    public static IEnumerable<uint> BoundLoops()
    {
        foreach (var name in Names("/sys/block"))
        {
            if (name.StartsWith("loop", StringComparison.Ordinal)
                && uint.TryParse(name.AsSpan(4), NumberStyles.None, CultureInfo.InvariantCulture, out var minor)
                && Directory.Exists($"/sys/block/{name}/loop"))
            {
                yield return minor;
            }
        }
    }

    public bool IsBridge(string name) => NetworkInterfaces.IsBridge(name);

    public DiskIdentity Examine(DiskConfig disk)
    {
        using var file = OpenDisk(disk, out var identity);
        // For a moment: a lock that a loop device had with its file would outlive this daemon.
        if (!SystemCalls.TryLockDisk(file, disk.Access)) throw Problem(disk, "is in use: somebody on this host has locked it, as the noxs daemon does for its guests", ErrorIds.DiskInUse, ErrnoText.EBUSY);
        return identity;
    }

    public string? FindForeignUser(DiskIdentity disk, DiskAccess access, OwnDisks ours)
    {
        foreach (var key in disk.IsBlockDevice ? KernelDevices() : Nothing)
        {
            if (key.Kind != DeviceKind.Disk || ours.Disks.Contains(key) || DeviceOf(key) is not { } numbers) continue;
            var (major, minor) = numbers;
            if (DiskIdentity.OfDevice(major, minor) == disk && (access == DiskAccess.ReadWrite || XenHost.ReadFirstLine($"{XenDevices}/{key.SysName}/mode")?.StartsWith('w') == true))
                return $"domain {key.Domain} has it ({key.SysName})";
        }

        foreach (var minor in BoundLoops())
        {
            if (ours.Loops.Contains(minor)) continue;
            using var loop = LoopDevice.TryOpen(minor, out _, out var backing);
            if (loop is not null && backing == disk && (access == DiskAccess.ReadWrite || XenHost.ReadFirstLine($"/sys/block/loop{minor}/ro") != "1"))
                return $"{loop.Path} is made of it";
        }

        if (!disk.IsBlockDevice) return null;
        if (FindMount(disk.Major, disk.Minor, access) is { } mount) return $"it is mounted on '{mount}'";
        if (access == DiskAccess.ReadOnly) return null;
        var folder = $"/sys/dev/block/{disk.Major}:{disk.Minor}";
        if (Names($"{folder}/holders").FirstOrDefault() is { } holder) return $"{holder} is made of it";
        using var claimed = SystemCalls.Open(NodeOf(disk.Major, disk.Minor) ?? "", SystemCalls.OpenReadWrite | SystemCalls.OpenExclusive | SystemCalls.OpenNonBlocking | SystemCalls.OpenCloseOnExec);
        return claimed.IsInvalid && Marshal.GetLastPInvokeError() == ErrnoText.EBUSY ? "somebody on this host has it for himself" : null;
    }

    public void AttachInterface(string name, string? bridge) => _interfaces.Attach(name, bridge);

    public void DetachInterface(string name) => _interfaces.Detach(name);

    public LoopDevice Bind(DiskConfig disk, string label)
    {
        using var file = OpenDisk(disk, out _);
        return LoopDevice.Bind(file, disk.Access, label);
    }

    public string? PathOfDevice(uint major, uint minor) =>
        major == LoopDevice.Major ? XenHost.ReadFirstLine($"/sys/dev/block/{major}:{minor}/loop/backing_file") : NodeOf(major, minor);

    public void Unbind(uint minor)
    {
        using var loop = LoopDevice.TryOpen(minor, out _, out _)
            ?? throw new LvmException(ErrorIds.DiskNotFound, $"there is no loop device {minor} with a file behind it") { Errno = ENXIO };
        if (!loop.TryClear()) throw new LvmException(ErrorIds.DeviceFailure, $"{loop.Path} cannot be freed") { Errno = Marshal.GetLastPInvokeError() };
    }

    public void Dispose() => _interfaces.Dispose();

    /// <summary>The node of a block device, as devtmpfs has it.</summary>
    public static string? NodeOf(uint major, uint minor)
    {
        const string Variable = "DEVNAME=";
        try
        {
            return File.ReadLines($"/sys/dev/block/{major}:{minor}/uevent")
                .Where(line => line.StartsWith(Variable, StringComparison.Ordinal))
                .Select(line => $"/dev/{line[Variable.Length..]}")
                .FirstOrDefault();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>"7:3", in the base that is said.</summary>
    private static bool TryParseNumbers(string? text, NumberStyles style, out (uint Major, uint Minor) numbers)
    {
        numbers = default;
        return text?.Split(':') is [var major, var minor]
            && uint.TryParse(major, style, CultureInfo.InvariantCulture, out numbers.Major)
            && uint.TryParse(minor, style, CultureInfo.InvariantCulture, out numbers.Minor);
    }

    private static SafeFileHandle OpenDisk(DiskConfig disk, out DiskIdentity identity)
    {
        // Without waiting: what is no disk may be a pipe that nobody writes to.
        var flags = (disk.Access == DiskAccess.ReadWrite ? SystemCalls.OpenReadWrite : SystemCalls.OpenReadOnly) | SystemCalls.OpenNonBlocking | SystemCalls.OpenCloseOnExec;
        if (disk.Target.Contains('\0', StringComparison.Ordinal)) throw Problem(disk, "is no path", ErrorIds.DiskInvalid);
        if (!SystemCalls.TryStat(disk.Target, out var before)) throw Missing(disk, Marshal.GetLastPInvokeError());
        RequireType(disk, before); // before it is opened: opening a device of another kind may do something
        var file = SystemCalls.Open(disk.Target, flags);
        if (file.IsInvalid) throw Missing(disk, Marshal.GetLastPInvokeError());
        try
        {
            var status = SystemCalls.Stat(file);
            RequireType(disk, status);
            if ((status.IsBlockDevice ? SizeOf(file) : status.Size) == 0) throw Problem(disk, "is empty", ErrorIds.DiskInvalid);
            identity = DiskIdentity.Of(status);
            return file;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static void RequireType(DiskConfig disk, in SystemCalls.FileStatus status)
    {
        if (disk.Type == DiskType.Phy && !status.IsBlockDevice) throw Problem(disk, "is no block device", ErrorIds.DiskInvalid, ENOTBLK);
        if (disk.Type == DiskType.File && !status.IsRegularFile) throw Problem(disk, "is no file", ErrorIds.DiskInvalid, ErrnoText.EINVAL);
    }

    /// <summary>Bytes of a block device; 0 where that is not to be had.</summary>
    public static unsafe ulong SizeOf(SafeFileHandle device)
    {
        ulong size;
        return SystemCalls.Control(device, GetSize, &size) == 0 ? size : 0;
    }

    private static LvmException Missing(DiskConfig disk, int errno) => errno switch
    {
        ErrnoText.ENOENT or ENOTDIR or ELOOP or ENAMETOOLONG => Problem(disk, "does not exist", ErrorIds.DiskNotFound, errno),
        ErrnoText.EROFS or ErrnoText.EACCES or ErrnoText.EPERM => Problem(disk, disk.Access == DiskAccess.ReadWrite ? "cannot be written" : "cannot be read", ErrorIds.DiskInvalid, errno),
        ErrnoText.EBUSY => Problem(disk, "is in use: somebody on this host has it for himself", ErrorIds.DiskInUse, errno),
        ENXIO or ENOMEDIUM => Problem(disk, "has nothing in it", ErrorIds.DiskInvalid, errno),
        _ => Problem(disk, "cannot be opened", ErrorIds.DiskInvalid, errno),
    };

    private static LvmException Problem(DiskConfig disk, string problem, string id, int? errno = null) => new(id, $"disk '{disk.Target}' {problem}") { Errno = errno };

    /// <summary>Where a block device is mounted in a way that does not go together with a use.</summary>
    private static string? FindMount(uint major, uint minor, DiskAccess access)
    {
        var numbers = string.Create(CultureInfo.InvariantCulture, $"{major}:{minor}");
        foreach (var line in File.ReadLines("/proc/self/mountinfo"))
        {
            // id, parent, device, root, mount point, options, …, "-", type, source, options of the file system (proc(5))
            var fields = line.Split(' ');
            if (fields.Length < 7 || fields[2] != numbers) continue;
            if (access == DiskAccess.ReadWrite || !fields[^1].Split(',').Contains("ro")) return fields[4];
        }

        return null;
    }

    private static string[] Names(string folder)
    {
        try
        {
            return Directory.Exists(folder) ? Directory.EnumerateFileSystemEntries(folder).Select(path => Path.GetFileName(path)!).ToArray() : [];
        }
        catch (IOException)
        {
            return []; // it went while it was looked at
        }
    }
}
