using LightVM.Hypervisor;

namespace LightVM.Devices;

/// <summary>A device as it was when it was listed.</summary>
/// <param name="DomainId">The id of the domain that has it.</param>
/// <param name="Device">What it is, as far as its toolstack said.</param>
/// <param name="State">How far its backend is.</param>
/// <param name="Backend">What it is in the control domain: an interface ("vif3.0"), a block device ("/dev/loop0"); null where it has none yet.</param>
/// <param name="Toolstack">Who made it: "lightvm", or null for another.</param>
public sealed record DeviceStatus(uint DomainId, Device Device, DeviceState State, string? Backend, string? Toolstack);
