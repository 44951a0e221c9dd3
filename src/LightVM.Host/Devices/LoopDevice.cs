using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using LightVM.Configuration;
using LightVM.Errors;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Host.Devices;

/// <summary>
/// A loop device with a file behind it, held open. One for a guest has a label, by which a daemon that comes after this one knows whose it
/// is, and begins without the kernel's autoclear: as long as the guest's backend has not opened it, closing it must not free its number,
/// which would soon be another file's. Once the backend has it, <see cref="SetAutoclear"/> has the kernel free it when the last of the two
/// closes it, so that not even a daemon that is killed leaves one behind.
/// </summary>
internal sealed unsafe class LoopDevice : IDisposable
{
    public const uint Major = 7;

    /// <summary>How the labels of guests' disks begin.</summary>
    public const string LabelPrefix = "lightvm:";

    private const string Control = "/dev/loop-control";
    private const int Tries = 64;

    // linux/loop.h
    private const nuint Clear = 0x4C01;
    private const nuint SetStatus = 0x4C04;
    private const nuint GetStatus = 0x4C05;
    private const nuint Configure = 0x4C0A;
    private const nuint GetFree = 0x4C82;
    private const uint ReadOnlyFlag = 1;
    private const uint AutoclearFlag = 4;
    private const uint DirectFlag = 16;
    private const int NameSize = 64;

    private readonly SafeFileHandle _file;

    private LoopDevice(uint minor, SafeFileHandle file)
    {
        Minor = minor;
        _file = file;
    }

    public uint Minor { get; }

    public string Path => PathOf(Minor);

    /// <summary>Whether the kernel frees it with its last user.</summary>
    public bool HasAutoclear { get; private set; }

    public static string PathOf(uint minor) => string.Create(CultureInfo.InvariantCulture, $"/dev/loop{minor}");

    /// <summary>Puts a file behind a free loop device. Errors: DeviceFailure.</summary>
    /// <param name="file">Opened for what <paramref name="access"/> says.</param>
    /// <param name="label">At most 63 bytes.</param>
    public static LoopDevice Bind(SafeFileHandle file, DiskAccess access, string label)
    {
        using var control = SystemCalls.Open(Control, SystemCalls.OpenReadWrite | SystemCalls.OpenCloseOnExec);
        if (control.IsInvalid) throw Failure($"'{Control}' cannot be opened", Marshal.GetLastPInvokeError());
        for (var attempt = 0; attempt < Tries; attempt++)
        {
            var number = SystemCalls.Control(control, GetFree, 0);
            if (number < 0) throw Failure("there is no free loop device", Marshal.GetLastPInvokeError());
            var device = SystemCalls.Open(PathOf((uint)number), SystemCalls.OpenReadWrite | SystemCalls.OpenCloseOnExec);
            if (device.IsInvalid) throw Failure($"'{PathOf((uint)number)}' cannot be opened", Marshal.GetLastPInvokeError());
            var errno = Set(device, file, access, label, DirectFlag);
            // Where direct I/O is refused outright the page cache has to do.
            if (errno == ErrnoText.EINVAL) errno = Set(device, file, access, label, 0);
            if (errno == 0) return new LoopDevice((uint)number, device);
            device.Dispose();
            if (errno != ErrnoText.EBUSY) throw Failure($"'{PathOf((uint)number)}' takes no file", errno);
            // Somebody else was quicker: the next one.
        }

        throw new LvmException(ErrorIds.DeviceFailure, "others take the loop devices as soon as they are free");
    }

    /// <summary>Opens a loop device that has a file behind it; null where it has none, or there is none of this number.</summary>
    public static LoopDevice? TryOpen(uint minor, out string label, out DiskIdentity backing)
    {
        (label, backing) = ("", default);
        var device = SystemCalls.Open(PathOf(minor), SystemCalls.OpenReadOnly | SystemCalls.OpenCloseOnExec);
        Info info;
        if (device.IsInvalid || SystemCalls.Control(device, GetStatus, &info) != 0)
        {
            device.Dispose();
            return null;
        }

        label = Encoding.UTF8.GetString(info.Name, new ReadOnlySpan<byte>(info.Name, NameSize).IndexOf((byte)0) is >= 0 and var length ? length : NameSize);
        backing = new DiskIdentity(false, MajorOf(info.Device), MinorOf(info.Device), info.Inode);
        return new LoopDevice(minor, device) { HasAutoclear = (info.Flags & AutoclearFlag) != 0 };
    }

    /// <summary>Has the kernel free it with its last user, which this is no longer alone.</summary>
    public void SetAutoclear()
    {
        if (HasAutoclear) return;
        Info info;
        if (SystemCalls.Control(_file, GetStatus, &info) != 0) return;
        info.Flags |= AutoclearFlag;
        HasAutoclear = SystemCalls.Control(_file, SetStatus, &info) == 0;
    }

    /// <summary>Frees it: now, or when its other users are done. False with an errno when it had nothing to free.</summary>
    public bool TryClear() => SystemCalls.Control(_file, Clear, 0) == 0;

    /// <summary>Lets go of it.</summary>
    public void Dispose() => _file.Dispose();

    private static int Set(SafeFileHandle device, SafeFileHandle file, DiskAccess access, string label, uint flags)
    {
        Configuration configuration = default;
        configuration.File = (uint)(int)file.DangerousGetHandle();
        configuration.Info.Flags = flags | (access == DiskAccess.ReadOnly ? ReadOnlyFlag : 0);
        Encoding.UTF8.GetBytes(label, new Span<byte>(configuration.Info.Name, NameSize - 1));
        var result = SystemCalls.Control(device, Configure, &configuration);
        GC.KeepAlive(file);
        return result == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    // The kernel's own packing of device numbers (new_encode_dev).
    private static uint MajorOf(ulong device) => (uint)(device >> 8) & 0xfff;

    private static uint MinorOf(ulong device) => (uint)(device & 0xff) | ((uint)(device >> 12) & 0xfff00);

    private static LvmException Failure(string problem, int errno) => new(ErrorIds.DeviceFailure, problem) { Errno = errno };

    /// <summary>struct loop_info64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Info
    {
        public ulong Device;
        public ulong Inode;
        public ulong BackingDevice;
        public ulong Offset;
        public ulong SizeLimit;
        public uint Number;
        public uint EncryptionType;
        public uint EncryptionKeySize;
        public uint Flags;
        public fixed byte Name[NameSize];
        public fixed byte EncryptionName[NameSize];
        public fixed byte EncryptionKey[32];
        public ulong Initialisation0;
        public ulong Initialisation1;
    }

    /// <summary>struct loop_config.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Configuration
    {
        public uint File;
        public uint BlockSize;
        public Info Info;
        public fixed ulong Reserved[8];
    }
}
