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
