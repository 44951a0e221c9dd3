using System.Globalization;
using LightVM.Devices;
using LightVM.Xen;

namespace LightVM.Host.Devices;

/// <summary>Names a device: its kind, its domain, and its id there.</summary>
internal readonly record struct DeviceKey(DeviceKind Kind, uint Domain, int Id)
{
    /// <summary>Of Xen: "vif", "vbd".</summary>
    public string KindName => XenstoreDeviceNodes.KindName(Kind);

    /// <summary>In sysfs, and in messages: "vif-3-0".</summary>
    public string SysName => XenstoreDeviceNodes.KernelName(Domain, Kind, Id);

    public string BackendPath => XenstoreDeviceNodes.Back(Domain, Kind, Id);

    public string FrontendPath => XenstoreDeviceNodes.Front(Domain, Kind, Id);

    public string LibxlPath => XenstoreDeviceNodes.Libxl(Domain, Kind, Id);

    /// <summary>Reads a name of sysfs, "vbd-3-51712"; false for any other device.</summary>
    public static bool TryParse(string sysName, out DeviceKey key)
    {
        key = default;
        var parts = sysName.Split('-');
        return parts.Length == 3 && TryParse(parts[0], parts[1], parts[2], out key);
    }

    public static bool TryParse(string kind, string domain, string id, out DeviceKey key)
    {
        key = default;
        if (kind is not ("vif" or "vbd")) return false;
        if (!uint.TryParse(domain, NumberStyles.None, CultureInfo.InvariantCulture, out var domainId)) return false;
        if (!int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var deviceId)) return false;
        key = new DeviceKey(kind == "vif" ? DeviceKind.Network : DeviceKind.Disk, domainId, deviceId);
        return true;
    }

    public override string ToString() => SysName;
}
