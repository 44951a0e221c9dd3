using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>A domain that has devices, all at one worker.</summary>
internal sealed class NoxsGuest(ushort domain, IWorker worker)
{
    public ushort Domain { get; } = domain;

    public IWorker Worker { get; } = worker;

    public List<GuestDevice> Devices { get; } = [];

    /// <summary>False while its devices could not be noted as they are.</summary>
    public bool IsNoted { get; set; } = true;

    public GuestDevice? Find(DeviceType type, uint id) => Devices.Find(device => device.Type == type && device.Id == id);
}
