using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Devices;

/// <summary>A device that a domain has or shall have.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Id">Its id among the domain's devices of its kind: an interface's number, a disk's number of <see cref="VirtualDevice"/>.</param>
public abstract record Device(DeviceKind Kind, int Id);

/// <summary>A network interface.</summary>
/// <param name="Config">What it is. Its MAC address is there from the moment that the host has agreed to it.</param>
public sealed record NetworkDevice(int Id, NetworkConfig Config) : Device(DeviceKind.Network, Id);

/// <summary>A disk.</summary>
public sealed record DiskDevice(int Id, DiskConfig Config) : Device(DeviceKind.Disk, Id)
{
    /// <summary>The disk that a configuration describes. Errors: VirtualDeviceInvalid.</summary>
    public static DiskDevice Of(DiskConfig config) => VirtualDevice.TryParse(config.VirtualDevice, out var id, out var why)
        ? new DiskDevice(id, config)
        : throw new LvmException(ErrorIds.VirtualDeviceInvalid, $"'{config.VirtualDevice}' {why}");
}

/// <summary>The console: where its ring is, for the daemon that serves it.</summary>
/// <param name="Port">The guest's event channel.</param>
/// <param name="Frame">The ring's frame number.</param>
public sealed record ConsoleDevice(uint Port, ulong Frame) : Device(DeviceKind.Console, 0);
