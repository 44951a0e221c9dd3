using LightVM.Devices;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Noxs;

namespace LightVM.Simulation;

/// <summary>The noxs backend of a simulated host: it hands out pages and ports by number, and refuses what the real one does.</summary>
internal sealed class SimulatedNoxs(SimulatedMachine machine) : INoxsBackend
{
    private readonly Dictionary<(uint Domain, DeviceType Type, uint Id), DeviceSettings> _devices = [];
    private uint _next = 8; // GNTTAB_NR_RESERVED_ENTRIES

    /// <summary>The directory and the bus of a host whose guests may have a store or none.</summary>
    public static (IDomainDirectory Directory, IDeviceBus Bus) AddTo(SimulatedMachine machine, IHypervisor hypervisor)
    {
        var store = new SimulatedDirectory(machine);
        var noxs = new NoxsDomains(hypervisor, new SimulatedNoxs(machine), new NoxsRegistry(isSimulated: true), () => machine.Options.HasNoxs)
        {
            FindDisk = path => path.StartsWith(SimulatedDeviceBus.ImaginaryFolder, StringComparison.Ordinal) ? (202, 0) : DeviceNumber.Find(path),
            RemoveConsole = _ => { },
        };
        var directory = new NoxsDirectory(store, noxs, HasStore, name => HasStore() ? store.UuidsByName(name) : [], store.OpenConsole, others => others ?? new SimulatedWatch(machine));
        var bus = new NoxsDeviceBus(new SimulatedDeviceBus(machine), noxs, HasStore, (_, interfaces) => new SimulatedAddressWatch(machine, domain => interfaces[domain.Id].Select(status => status.Device).OfType<NetworkDevice>()));
        return (directory, bus);

        bool HasStore() => machine.Options.HasStore;
    }

    public DevicePlace CreateSysctl(ushort domain) => Add(domain, DeviceType.Sysctl, 0, default);

    public void CreateConsole(ushort domain, uint ringGrant, uint port)
    {
        Add(domain, DeviceType.Console, 0, default);
        lock (machine.Lock) machine.Require(domain, "attach the console of").HasConsole = true;
    }

    public DevicePlace CreateVif(ushort domain, uint id, in VifSettings settings)
    {
        if (settings.BridgeText() is { } bridge && !machine.Options.Bridges.Contains(bridge)) throw new LvmException(ErrorIds.BridgeNotFound, $"there is no bridge '{bridge}'");
        return Add(domain, DeviceType.Vif, id, new DeviceSettings { Vif = settings });
    }

    public DevicePlace CreateVbd(ushort domain, uint id, in VbdSettings settings) => Add(domain, DeviceType.Vbd, id, new DeviceSettings { Vbd = settings });

    public void Create(Span<CreateArgument> devices)
    {
        var made = 0;
        try
        {
            foreach (ref var device in devices)
            {
                var place = device.Type switch
                {
                    DeviceType.Console => AttachConsole(device),
                    DeviceType.Vif => CreateVif(device.Frontend, device.Id, device.Settings.Vif),
                    _ => Add(device.Frontend, device.Type, device.Id, device.Settings),
                };
                (device.Id, device.Grant, device.Port) = (place.Id, place.Grant, place.Port);
                made++;
            }
        }
        catch
        {
            foreach (ref var device in devices[..made]) Destroy(device.Type, device.Frontend, device.Id);
            throw;
        }

        DevicePlace AttachConsole(in CreateArgument console)
        {
            CreateConsole(console.Frontend, console.Grant, console.Port);
            return console.Place;
        }
    }

    public void DestroyAll(ushort domain)
    {
        lock (machine.Lock)
        {
            foreach (var device in _devices.Keys.Where(device => device.Domain == domain).ToList()) _devices.Remove(device);
        }
    }

    public void Destroy(DeviceType type, ushort domain, uint id)
    {
        lock (machine.Lock)
        {
            if (!_devices.Remove((domain, type, id))) throw Missing(domain, type, id);
        }
    }

    public IReadOnlyList<uint> List(DeviceType type, ushort domain)
    {
        lock (machine.Lock) return [.. _devices.Keys.Where(device => device.Domain == domain && device.Type == type).Select(device => device.Id)];
    }

    public IReadOnlyDictionary<uint, SideState> States(DeviceType type, ushort domain) => List(type, domain).ToDictionary(id => id, _ => SideState.Connected);

    public VifSettings QueryVif(ushort domain, uint id) => Query(domain, DeviceType.Vif, id).Vif;

    public VbdSettings QueryVbd(ushort domain, uint id) => Query(domain, DeviceType.Vbd, id).Vbd;

    public void RequestClose(ushort domain, CloseRequest request)
    {
        _ = Query(domain, DeviceType.Sysctl, 0);
        lock (machine.Lock)
        {
            var guest = machine.Require(domain, "ask");
            guest.Asked = request switch
            {
                CloseRequest.PowerOff => ShutdownReason.Poweroff,
                CloseRequest.Reboot => ShutdownReason.Reboot,
                _ => ShutdownReason.Suspend,
            };
            guest.Run();
            machine.Tell();
        }
    }

    public void Dispose()
    {
        // Nothing is held.
    }

    private static LvmException Missing(uint domain, DeviceType type, uint id) => new(ErrorIds.DeviceNotFound, $"there is no {type.ToString().ToLowerInvariant()} {id} of domain {domain}");

    private DevicePlace Add(uint domain, DeviceType type, uint id, DeviceSettings settings)
    {
        lock (machine.Lock)
        {
            machine.Require(domain, "make a device of");
            if (!_devices.TryAdd((domain, type, id), settings)) throw new LvmException(ErrorIds.DeviceIdTaken, $"there is a {type.ToString().ToLowerInvariant()} {id} of domain {domain} already");
            return new DevicePlace(id, _next, _next++);
        }
    }

    private DeviceSettings Query(uint domain, DeviceType type, uint id)
    {
        lock (machine.Lock) return _devices.TryGetValue((domain, type, id), out var settings) ? settings : throw Missing(domain, type, id);
    }
}
