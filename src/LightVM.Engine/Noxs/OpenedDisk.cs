using System.Runtime.InteropServices;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Noxs;

/// <summary>
/// A disk as the backend is told of it: a block device by its number, a file by a descriptor, which stays open until the backend has opened it as well. So
/// the backend needs no path, and has what was looked at.
/// </summary>
internal sealed class OpenedDisk(VbdSettings settings, SafeFileHandle? file) : IDisposable
{
    public VbdSettings Settings => settings;

    /// <summary>Errors: DiskNotFound, DiskInvalid.</summary>
    public static OpenedDisk Open(DiskConfig disk)
    {
        var isWritten = disk.Access == DiskAccess.ReadWrite;
        var settings = new VbdSettings { Type = disk.Type == DiskType.Phy ? VbdType.Physical : VbdType.File, Mode = isWritten ? VbdMode.ReadWrite : VbdMode.ReadOnly };
        if (disk.Type == DiskType.Phy)
        {
            (settings.Major, settings.Minor) = DeviceNumber.Find(disk.Target) ?? throw new LvmException(
                Path.Exists(disk.Target) ? ErrorIds.DiskInvalid : ErrorIds.DiskNotFound, $"there is no block device '{disk.Target}'");
            return new OpenedDisk(settings, null);
        }

        // Before it is opened: opening a device or a pipe may do something. Neither has a length.
        var info = new FileInfo(disk.Target);
        if (!info.Exists && !Directory.Exists(disk.Target)) throw new LvmException(ErrorIds.DiskNotFound, $"there is no disk '{disk.Target}'");
        if (!info.Exists || (info.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? info).Length == 0) throw new LvmException(ErrorIds.DiskInvalid, $"disk '{disk.Target}' is no file, or empty");
        var number = Libc.Open(disk.Target, (isWritten ? Libc.OpenReadWrite : Libc.OpenReadOnly) | Libc.OpenNonBlocking | Libc.OpenCloseOnExec);
        if (number < 0) throw new LvmException(ErrorIds.DiskInvalid, $"disk '{disk.Target}' cannot be {(isWritten ? "written" : "read")}") { Errno = Marshal.GetLastPInvokeError() };
        settings.Minor = (uint)number;
        return new OpenedDisk(settings, new SafeFileHandle(number, ownsHandle: true));
    }

    public void Dispose() => file?.Dispose();
}
