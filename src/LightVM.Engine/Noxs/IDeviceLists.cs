namespace LightVM.Noxs;

/// <summary>The lists of devices that LightVM's own hypervisor keeps, one for each domain (<see cref="DeviceListCall"/>).</summary>
internal interface IDeviceLists
{
    /// <summary>Puts a device into the first place that is free. One too many ends the host: <see cref="DevicePage.MaxDevices"/> is what there is room for.</summary>
    void Add(uint domain, DeviceEntry device);

    /// <summary>Takes away every device that has this one's type <em>or</em> its number, and lowers the count in the guest's page by one, whatever was there.</summary>
    void Remove(uint domain, DeviceEntry device);

    /// <summary>The devices that are there, without the holes between them.</summary>
    IReadOnlyList<DeviceEntry> List(uint domain);
}
