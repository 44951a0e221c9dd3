using System.Globalization;
using LightVM.Xen;

namespace LightVM.Noxs;

/// <summary>Which of the kernel's block devices a file is.</summary>
internal static class DeviceNumber
{
    /// <summary>Null where it is none.</summary>
    public static (uint Major, uint Minor)? Find(string path)
    {
        try
        {
            var device = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path;
            if (!device.StartsWith("/dev/", StringComparison.Ordinal)) return null;
            var numbers = XenHost.ReadFirstLine($"/sys/class/block/{Path.GetFileName(device)}/dev")?.Split(':');
            return numbers is [var major, var minor] && uint.TryParse(major, NumberStyles.None, CultureInfo.InvariantCulture, out var first) && uint.TryParse(minor, NumberStyles.None, CultureInfo.InvariantCulture, out var second)
                ? (first, second)
                : null;
        }
        catch (IOException)
        {
            return null;
        }
    }
}
