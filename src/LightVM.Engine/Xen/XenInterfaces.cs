using System.Runtime.InteropServices;
using LightVM.Errors;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Xen;

/// <summary>Event channels, by libxenevtchn (/dev/xen/evtchn).</summary>
internal sealed partial class EventChannelHandle() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
{
    /// <summary>Opens the device; an invalid handle and errno where that failed.</summary>
    public static EventChannelHandle Open() => Open(IntPtr.Zero, 0);

    protected override bool ReleaseHandle() => Close(handle) == 0;

    [LibraryImport(NativeLibraries.EventChannel, EntryPoint = "xenevtchn_open", SetLastError = true)]
    private static partial EventChannelHandle Open(IntPtr logger, uint flags);

    [LibraryImport(NativeLibraries.EventChannel, EntryPoint = "xenevtchn_close")]
    private static partial int Close(IntPtr handle);
}

/// <summary>Pages that guests grant, by libxengnttab (/dev/xen/gntdev).</summary>
internal sealed partial class GrantTableHandle() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
{
    /// <inheritdoc cref="EventChannelHandle.Open()"/>
    public static GrantTableHandle Open() => Open(IntPtr.Zero, 0);

    protected override bool ReleaseHandle() => Close(handle) == 0;

    [LibraryImport(NativeLibraries.GrantTable, EntryPoint = "xengnttab_open", SetLastError = true)]
    private static partial GrantTableHandle Open(IntPtr logger, uint flags);

    [LibraryImport(NativeLibraries.GrantTable, EntryPoint = "xengnttab_close")]
    private static partial int Close(IntPtr handle);
}

/// <summary>Guests' memory, by libxenforeignmemory (/dev/xen/privcmd).</summary>
internal sealed partial class ForeignMemoryHandle() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
{
    /// <inheritdoc cref="EventChannelHandle.Open()"/>
    public static ForeignMemoryHandle Open() => Open(IntPtr.Zero, 0);

    protected override bool ReleaseHandle() => Close(handle) == 0;

    [LibraryImport(NativeLibraries.ForeignMemory, EntryPoint = "xenforeignmemory_open", SetLastError = true)]
    private static partial ForeignMemoryHandle Open(IntPtr logger, uint flags);

    [LibraryImport(NativeLibraries.ForeignMemory, EntryPoint = "xenforeignmemory_close")]
    private static partial int Close(IntPtr handle);
}

internal static class XenInterfaces
{
    /// <summary>Every interface beside the hypervisor's and the store's, with what it is for: the host's check list opens each once.</summary>
    public static IReadOnlyList<(string Name, Func<SafeHandle> Open)> All { get; } =
    [
        ("Event channels", EventChannelHandle.Open),
        ("Grant tables", GrantTableHandle.Open),
        ("Guest memory", ForeignMemoryHandle.Open),
    ];

    /// <summary>Opens and closes an interface. Errors: XenLibraryMissing, XenNotPrivileged, XenNotRunning.</summary>
    public static void Probe(Func<SafeHandle> open)
    {
        using var handle = NativeLibraries.Require(open);
        if (!handle.IsInvalid) return;
        var errno = Marshal.GetLastPInvokeError();
        throw new LvmException(errno is ErrnoText.EACCES or ErrnoText.EPERM ? ErrorIds.XenNotPrivileged : ErrorIds.XenNotRunning, "its device cannot be opened") { Errno = errno };
    }
}
