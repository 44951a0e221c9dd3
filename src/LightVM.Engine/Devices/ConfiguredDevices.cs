using LightVM.Configuration;

namespace LightVM.Devices;

/// <summary>Devices in the configuration of a domain that gets or loses one while it runs.</summary>
internal static class ConfiguredDevices
{
    /// <summary>With a device, in the place of one that has its number: of one that another toolstack took away, or that the guest let go of later.</summary>
    public static DomainConfig With(this DomainConfig config, Device device)
    {
        var draft = config.Without(device.Kind, device.Id).ToDraft();
        if (device is NetworkDevice network) draft.Vifs = [.. draft.Vifs ?? [], network.Config with { DeviceId = network.Id }];
        if (device is DiskDevice disk) draft.Vbds = [.. draft.Vbds ?? [], disk.Config];
        return DomainConfig.From(draft);
    }

    /// <summary>Without a device. The others keep their numbers, whatever their places.</summary>
    public static DomainConfig Without(this DomainConfig config, DeviceKind kind, int id)
    {
        var draft = config.ToDraft();
        if (kind == DeviceKind.Network) draft.Vifs = config.Interfaces().Where(network => network.Id != id).Select(network => network.Config with { DeviceId = network.Id }).ToList();
        if (kind == DeviceKind.Disk) draft.Vbds = config.Vbds.Where(vbd => DiskDevice.Of(vbd).Id != id).ToList();
        return DomainConfig.From(draft);
    }

    /// <summary>Its interfaces, then its disks.</summary>
    public static IEnumerable<Device> Devices(this DomainConfig config) => [.. config.Interfaces(), .. config.Vbds.Select(DiskDevice.Of)];

    private static IEnumerable<NetworkDevice> Interfaces(this DomainConfig config) => config.Vifs.Select((vif, place) => new NetworkDevice(vif.DeviceId ?? place, vif));
}
