using System.Runtime.InteropServices;
using LightVM.Hypervisor;
using LightVM.Noxs;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Xen;

/// <summary>The C API of src/Native/xen/lightvm_xen.h. Results below zero are negative errnos, or <see cref="NoErrno"/>.</summary>
internal static partial class XenControl
{
    public const int AbiVersion = 6;

    /// <summary>LVM_NO_ERRNO: failed, and libxc did not say by what errno.</summary>
    public const int NoErrno = -4096;

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_abi_version")]
    public static partial int GetAbiVersion();

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_built_for_xen")]
    public static partial int GetBuiltForXen();

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_xen_open")]
    public static partial int Open(out XenControlHandle handle);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_xen_close")]
    public static partial void Close(IntPtr handle);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_xen_log")]
    public static partial IntPtr GetLog(XenControlHandle handle);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_xen_clear_log")]
    public static partial void ClearLog(XenControlHandle handle);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_xen_host")]
    public static partial int GetHost(XenControlHandle handle, out NativeHost host);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_list")]
    public static unsafe partial int ListDomains(XenControlHandle handle, uint first, uint max, NativeDomain* entries);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_create")]
    public static partial int CreateDomain(XenControlHandle handle, in NativeShape shape, out uint id);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_set_affinity")]
    public static partial int SetAffinity(XenControlHandle handle, uint id, uint vcpu, ReadOnlySpan<uint> cpus, uint count);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_set_limits")]
    public static partial int SetLimits(XenControlHandle handle, uint id, in NativeShape shape, ulong maxMemoryKiB);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_set_max_memory")]
    public static partial int SetMaxMemory(XenControlHandle handle, uint id, in NativeShape shape, ulong maxMemoryKiB);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_set_uuid")]
    public static partial int SetUuid(XenControlHandle handle, uint id, ReadOnlySpan<byte> uuid);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_alloc_port")]
    public static partial int AllocatePort(XenControlHandle handle, uint id, uint remote);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_pause")]
    public static partial int Pause(XenControlHandle handle, uint id);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_unpause")]
    public static partial int Unpause(XenControlHandle handle, uint id);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_shutdown")]
    public static partial int Shutdown(XenControlHandle handle, uint id, uint reason);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_destroy")]
    public static partial int Destroy(XenControlHandle handle, uint id);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_write_page")]
    public static partial int WritePage(XenControlHandle handle, uint id, ulong frame, ReadOnlySpan<byte> bytes);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_device_list_call")]
    public static partial int CallDeviceList(XenControlHandle handle, ref DeviceListCall call);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_event_channel_room")]
    public static partial int GetEventChannelRoom(XenControlHandle handle, uint id, out uint room);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_event_channel_count")]
    public static partial int CountEventChannels(XenControlHandle handle, uint id, uint room, out uint count);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_grant_frames")]
    public static partial int GetGrantFrames(XenControlHandle handle, uint id, out uint most);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_image_new")]
    public static partial int NewImage(XenControlHandle handle, uint id, in NativeShape shape, out XenImageHandle image);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_image_frames")]
    public static partial int GetFrames(XenImageHandle image, Span<FrameRun> runs, uint max);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_image_adopt")]
    public static partial int AdoptImage(XenControlHandle handle, uint id, in NativeShape shape, uint heldMiB, ReadOnlySpan<FrameRun> runs, uint count, out XenImageHandle image);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_image_parse", StringMarshalling = StringMarshalling.Utf8)]
    public static unsafe partial int ParseImage(XenImageHandle image, void* kernel, nuint kernelSize, void* ramdisk, nuint ramdiskSize, string commandLine);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_image_build")]
    public static partial int BuildImage(XenImageHandle image);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_image_boot")]
    public static partial int BootImage(XenImageHandle image, out ulong storeFrame, out ulong consoleFrame);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_image_seed_grants")]
    public static partial int SeedGrants(XenImageHandle image);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_image_free")]
    public static partial void FreeImage(IntPtr image);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_save")]
    public static partial int Save(XenControlHandle handle, uint id, int descriptor, uint live, in NativeSaveCalls calls);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_restore")]
    public static partial int Restore(XenControlHandle handle, uint id, int descriptor, in NativeShape shape, out ulong storeFrame, out ulong consoleFrame);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_resume")]
    public static partial int Resume(XenControlHandle handle, uint id);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_domain_can_log_dirty")]
    public static partial int CanLogDirty(XenControlHandle handle, uint id);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_cpu_of_domain")]
    public static unsafe partial int GetDomainCpu(XenControlHandle handle, uint id, CpuidLeaf* leaves, uint max);

    [LibraryImport(NativeLibraries.Shim, EntryPoint = "lvm_cpu_of_host")]
    public static unsafe partial int GetHostCpu(XenControlHandle handle, uint type, CpuidLeaf* leaves, uint max);
}

/// <summary>struct lvm_host.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeHost
{
    public uint VersionMajor;
    public uint VersionMinor;
    public uint PhysicalCpus;
    public uint HasHap;
    public ulong TotalMemoryKiB;
    public ulong FreeMemoryKiB;
    public fixed byte ExtraVersion[16];
    public fixed byte Capabilities[1024];
}

/// <summary>struct lvm_domain.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeDomain
{
    public uint Id;
    public uint Flags;
    public fixed byte Uuid[16];
    public ulong MemoryKiB;
    public ulong MaxMemoryKiB;
    public ulong CpuTimeNs;
    public uint OnlineVcpus;
    public uint MaxVcpus;
    public uint HasEmulatedDevices;
    public uint Reserved;
}

/// <summary>struct lvm_shape.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeShape
{
    public fixed byte Uuid[16];
    public uint Type;
    public uint AddressSize;
    public uint Vcpus;
    public uint MemoryMiB;
    public uint StorePort;
    public uint ConsolePort;
}

/// <summary>struct lvm_save_calls.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct NativeSaveCalls
{
    public delegate* unmanaged<IntPtr, int> Suspend;
    public delegate* unmanaged<IntPtr, uint, ulong, long, int> NextRound;
    public IntPtr Data;
}

internal sealed class XenControlHandle() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
{
    protected override bool ReleaseHandle()
    {
        XenControl.Close(handle);
        return true;
    }
}

internal sealed class XenImageHandle() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
{
    protected override bool ReleaseHandle()
    {
        XenControl.FreeImage(handle);
        return true;
    }
}
