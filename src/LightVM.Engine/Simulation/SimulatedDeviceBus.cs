using System.Security.Cryptography;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Simulation;

/// <summary>Devices of simulated guests: the same rules and errors as on Xen, with bridges and disks that are only named.</summary>
internal sealed class SimulatedDeviceBus(SimulatedMachine machine) : IDeviceBus
{
    /// <summary>Disks below this path exist without a file.</summary>
    public const string ImaginaryFolder = "/simulated/";

    public IReadOnlyList<Device> Reserve(Guid uuid, IReadOnlyList<Device> devices)
    {
        machine.RequireStore();
        lock (machine.Lock)
        {
            var taken = machine.Domains.Where(domain => domain.Key.Uuid != uuid).SelectMany(domain => domain.Devices).ToList();
            return devices.Select(device => device switch
            {
                NetworkDevice network => Reserve(uuid, network, taken),
                DiskDevice disk => Reserve(disk, taken),
                _ => device,
            }).ToList();
        }
    }

    public void Release(Guid uuid, IReadOnlyList<Device> devices)
    {
        // Only what is attached is anybody's here.
    }

    public IReadOnlyList<string> ListBridges() => machine.Options.Bridges.Order(StringComparer.Ordinal).ToList();

    public void Attach(DomainKey domain, IReadOnlyList<Device> devices)
    {
        machine.RequireStore();
        lock (machine.Lock) machine.Require(domain.Id, "attach devices to").Devices.AddRange(devices);
    }

    public void AwaitBackends(DomainKey domain, IReadOnlyList<Device> devices, TimeSpan patience, CancellationToken cancellation)
    {
        // They are ready as soon as they are there.
    }

    public IReadOnlyList<DeviceStatus> List(uint? domainId = null)
    {
        machine.RequireStore();
        lock (machine.Lock)
        {
            return machine.Domains.Where(domain => domainId is null || domain.Key.Id == domainId)
                .SelectMany(domain => domain.Devices.OrderBy(device => device.Kind).ThenBy(device => device.Id).Select(device => Describe(domain, device)))
                .ToList();
        }
    }

    public void Detach(DomainKey domain, DeviceKind kind, int id, bool force, TimeSpan patience, CancellationToken cancellation)
    {
        machine.RequireStore();
        lock (machine.Lock)
        {
            var owner = machine.Require(domain.Id, "detach a device of");
            var device = owner.Devices.Find(device => device.Kind == kind && device.Id == id)
                ?? throw new LvmException(ErrorIds.DeviceNotFound, $"it has no {(kind == DeviceKind.Network ? "vif" : "vbd")} {id}");
            if (!force && owner is { Listens: true, State: DomainState.Paused, Activity: not GuestActivity.None } or { Listens: true, Activity: GuestActivity.Busy })
                throw new LvmException(ErrorIds.DeviceBusy, $"the guest has not let go of its {(kind == DeviceKind.Network ? "vif" : "vbd")} {id} within {patience.TotalSeconds:0.#} s; it is taken away as soon as the guest does");
            owner.Devices.Remove(device);
        }
    }

    public void DetachAll(DomainKey domain, TimeSpan patience)
    {
        machine.RequireStore();
        lock (machine.Lock) machine.Find(domain.Id)?.Devices.Clear();
    }

    public bool AwaitGuest(DomainKey domain, IReadOnlyList<DeviceId> devices, TimeSpan patience, CancellationToken cancellation)
    {
        machine.RequireStore();
        // A simulated guest takes no time.
        lock (machine.Lock) return machine.Find(domain.Id) is { State: DomainState.Running or DomainState.Blocked };
    }

    public void Request(DomainKey domain, ShutdownReason reason)
    {
        machine.RequireStore();
        lock (machine.Lock)
        {
            var asked = machine.Require(domain.Id, "ask");
            asked.Asked = reason;
            asked.Run();
            machine.Tell();
        }
    }

    public bool WithdrawRequest(DomainKey domain)
    {
        machine.RequireStore();
        lock (machine.Lock)
        {
            if (machine.Find(domain.Id) is not { Asked: not null } asked) return false;
            asked.Asked = null;
            return true;
        }
    }

    public IAddressWatch WatchAddresses(IReadOnlyCollection<DomainKey> domains) => new SimulatedAddressWatch(machine);

    public void Dispose()
    {
        // Nothing is held.
    }

    private NetworkDevice Reserve(Guid uuid, NetworkDevice device, List<Device> taken)
    {
        if (device.Config.Bridge is { } bridge && !machine.Options.Bridges.Contains(bridge)) throw new LvmException(ErrorIds.BridgeNotFound, $"there is no bridge '{bridge}'");
        var macs = taken.OfType<NetworkDevice>().Select(other => other.Config.Mac).ToHashSet(StringComparer.Ordinal);
        if (device.Config.Mac is { } given) return macs.Contains(given) ? throw new LvmException(ErrorIds.MacAddressTaken, $"another domain has the address {given}") : device;
        for (var attempt = 0; ; attempt++)
        {
            var hash = SHA256.HashData([.. uuid.ToByteArray(bigEndian: true), .. BitConverter.GetBytes(device.Id), .. BitConverter.GetBytes(attempt)]);
            var mac = $"00:16:3e:{hash[0] & 0x7f:x2}:{hash[1]:x2}:{hash[2]:x2}";
            if (!macs.Contains(mac)) return device with { Config = device.Config with { Mac = mac } };
        }
    }

    private static DiskDevice Reserve(DiskDevice device, List<Device> taken)
    {
        var (target, type, _, access) = device.Config;
        if (!target.StartsWith(ImaginaryFolder, StringComparison.Ordinal))
        {
            if (!Path.Exists(target)) throw new LvmException(ErrorIds.DiskNotFound, $"there is no disk '{target}'");
            if (type == DiskType.File && Directory.Exists(target)) throw new LvmException(ErrorIds.DiskInvalid, $"'{target}' is a directory, not an image file");
        }

        if (taken.OfType<DiskDevice>().Any(other => other.Config.Target == target && (access == DiskAccess.ReadWrite || other.Config.Access == DiskAccess.ReadWrite)))
            throw new LvmException(ErrorIds.DiskInUse, $"another domain has the disk '{target}'");
        return device;
    }

    private static DeviceStatus Describe(SimulatedDomain domain, Device device)
    {
        var state = domain.State is DomainState.Paused || domain.Ended is not null ? DeviceState.InitWait : DeviceState.Connected;
        var backend = device is DiskDevice disk ? disk.Config.Target : $"vif{domain.Key.Id}.{device.Id}";
        return new DeviceStatus(domain.Key.Id, device, state, backend, "lightvm");
    }
}
