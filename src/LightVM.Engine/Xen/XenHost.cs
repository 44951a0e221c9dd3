using System.Runtime.InteropServices;
using LightVM.Errors;

namespace LightVM.Xen;

/// <summary>What the kernel tells of Xen without any library.</summary>
internal static partial class XenHost
{
    public const string HypervisorType = "/sys/hypervisor/type";
    public const string Capabilities = "/proc/xen/capabilities";

    /// <summary>Whether this machine runs under Xen, as dom0 or as a guest.</summary>
    public static bool IsXen => ReadFirstLine(HypervisorType) == "xen";

    /// <summary>Whether this is the control domain.</summary>
    public static bool IsControlDomain => ReadFirstLine(Capabilities)?.Contains("control_d", StringComparison.Ordinal) == true;

    public static bool IsRoot => GetEffectiveUserId() == 0;

    /// <summary>
    /// How many event channels the control domain may have: Linux uses the FIFO ABI since 3.14 (2^17, xen/include/public/event_channel.h),
    /// unless it was told not to; then there are as many as bits in a word, squared.
    /// </summary>
    public static uint MostEventChannels =>
        ReadFirstLine("/proc/cmdline")?.Split(' ').Any(word => word is "xen.fifo_events=0" or "xen.fifo_events=n" or "xen.fifo_events=N") == true ? 1u << 12 : 1u << 17;

    /// <summary>
    /// How many pages may be mapped by grant from programs (xen-gntdev's parameter "limit"): xenstored and xenconsoled map one of each guest. Since
    /// Linux 5.5 the limit is of one request, and no concern here: then it is null, as where the driver is not there.
    /// </summary>
    public static int? MostGrantMappings =>
        Environment.OSVersion.Version < new Version(5, 5) && int.TryParse(ReadFirstLine("/sys/module/xen_gntdev/parameters/limit"), out var limit) ? limit : null;

    /// <summary>Errors: XenNotRunning, XenNotPrivileged.</summary>
    public static void RequireControlDomain()
    {
        if (!IsXen) throw new LvmException(ErrorIds.XenNotRunning, "this machine does not run under Xen") { Operation = "connect to Xen" };
        if (!IsRoot) throw new LvmException(ErrorIds.XenNotPrivileged, "this needs root") { Operation = "connect to Xen" };
        if (!IsControlDomain) throw new LvmException(ErrorIds.XenNotPrivileged, "this is a guest, not the control domain") { Operation = "connect to Xen" };
    }

    public static string? ReadFirstLine(string path)
    {
        try
        {
            return File.ReadLines(path).FirstOrDefault();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint GetEffectiveUserId();
}
