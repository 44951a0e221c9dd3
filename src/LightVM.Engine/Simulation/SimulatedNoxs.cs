using LightVM.Devices;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Noxs;

namespace LightVM.Simulation;

/// <summary>The noxs backend of a simulated host: it hands out pages and ports by number, and refuses what the real one does.</summary>
internal sealed class SimulatedNoxs(SimulatedMachine machine) : INoxsBackend
{
    private readonly Dictionary<(uint Domain, DeviceType Type, uint Id), DeviceSettings> _devices = [];
    private readonly HashSet<(uint Domain, DeviceType Type, uint Id)> _inUse = []; // by their guests
    private readonly HashSet<(uint Domain, DeviceType Type, uint Id)> _leaving = []; // that the guests were asked to let go of
    private uint _next = 8; // GNTTAB_NR_RESERVED_ENTRIES

    /// <summary>The directory and the bus of a host whose guests may have a store or none.</summary>
    /// <param name="around">What is to be put around the backend.</param>
    public static (IDomainDirectory Directory, IDeviceBus Bus) AddTo(SimulatedMachine machine, IHypervisor hypervisor, Func<INoxsBackend, INoxsBackend>? around = null)
    {
        var store = new SimulatedDirectory(machine);
        var noxs = new NoxsDomains(hypervisor, around?.Invoke(new SimulatedNoxs(machine)) ?? new SimulatedNoxs(machine), new NoxsRegistry(isSimulated: true), () => machine.Options.HasNoxs)
        {
            OpenDisk = disk => disk.Target.StartsWith(SimulatedDeviceBus.ImaginaryFolder, StringComparison.Ordinal) ? new OpenedDisk(default, null) : OpenedDisk.Open(disk),
            RemoveConsole = _ => { },
        };
        var directory = new NoxsDirectory(store, noxs, HasStore, name => HasStore() ? store.UuidsByName(name) : [], store.OpenConsole, others => others ?? new SimulatedWatch(machine));
        var bus = new NoxsDeviceBus(new SimulatedDeviceBus(machine), noxs, HasStore, (_, interfaces) => new SimulatedAddressWatch(machine, domain => interfaces[domain.Id].Select(status => status.Device).OfType<NetworkDevice>()));
        return (directory, bus);

        bool HasStore() => machine.Options.HasStore;
    }

    public void Create(Span<CreateArgument> devices)
    {
        var made = 0;
        try
        {
            foreach (ref var device in devices)
            {
                Add(ref device);
                made++;
            }
        }
        catch
        {
            foreach (ref var device in devices[..made]) Destroy(device.Type, device.Frontend, device.Id);
            throw;
        }
    }

    public void DestroyAll(ushort domain)
    {
        lock (machine.Lock)
        {
            foreach (var device in _devices.Keys.Where(device => device.Domain == domain).ToList()) Remove(device);
        }
    }

    public void Destroy(DeviceType type, ushort domain, uint id)
    {
        lock (machine.Lock)
        {
            if (!Remove((domain, type, id))) throw Missing(domain, type, id);
        }
    }

    public IReadOnlyList<uint> List(DeviceType type, ushort domain)
    {
        lock (machine.Lock) return [.. _devices.Keys.Where(device => device.Domain == domain && device.Type == type).Select(device => device.Id)];
    }

    public IReadOnlyDictionary<uint, SideState> States(DeviceType type, ushort domain)
    {
        lock (machine.Lock)
        {
            Settle(domain);
            return List(type, domain).ToDictionary(id => id, id => !_inUse.Contains((domain, type, id)) ? SideState.InitialisingWait : _leaving.Contains((domain, type, id)) ? SideState.Closing : SideState.Connected);
        }
    }

    public bool AskToLetGo(DeviceType type, ushort domain, uint id)
    {
        lock (machine.Lock)
        {
            _ = Query(domain, type, id);
            _leaving.Add((domain, type, id));
            Settle(domain);
            return true;
        }
    }

    public void TellOfPage(ushort domain) => _ = Query(domain, DeviceType.Sysctl, 0);

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

    public bool WithdrawRequest(ushort domain)
    {
        lock (machine.Lock)
        {
            if (machine.Find(domain) is not { Asked: not null } asked) return false;
            asked.Asked = null;
            return true;
        }
    }

    public void Dispose()
    {
        // Nothing is held.
    }

    private static LvmException Missing(uint domain, DeviceType type, uint id) => new(ErrorIds.DeviceNotFound, $"there is no {type.ToString().ToLowerInvariant()} {id} of domain {domain}");

    private void Add(ref CreateArgument device)
    {
        var (domain, type, id) = (device.Frontend, device.Type, device.Id);
        lock (machine.Lock)
        {
            var guest = machine.Require(domain, "make a device of");
            if (type == DeviceType.Vif && device.Settings.Vif.BridgeText() is { } bridge && !machine.Options.Bridges.Contains(bridge)) throw new LvmException(ErrorIds.BridgeNotFound, $"there is no bridge '{bridge}'");
            if (!_devices.TryAdd((domain, type, id), device.Settings)) throw new LvmException(ErrorIds.DeviceIdTaken, $"there is a {type.ToString().ToLowerInvariant()} {id} of domain {domain} already");
            if (type == DeviceType.Console) guest.HasConsole = true;
            else (device.Grant, device.Port) = (_next, _next++);
        }
    }

    private bool Remove((uint Domain, DeviceType Type, uint Id) device)
    {
        _inUse.Remove(device);
        _leaving.Remove(device);
        return _devices.Remove(device);
    }

    /// <summary>A guest that runs and listens takes its devices, and lets go of them unless it has no time.</summary>
    private void Settle(uint domain)
    {
        if (machine.Find(domain) is not { Listens: true, State: DomainState.Running or DomainState.Blocked } guest) return;
        _inUse.UnionWith(_devices.Keys.Where(device => device.Domain == domain && device.Type is DeviceType.Vif or DeviceType.Vbd && !_leaving.Contains(device)));
        if (guest.State == DomainState.Blocked) foreach (var device in _leaving.Where(device => device.Domain == domain).ToList()) Remove(device);
    }

    private DeviceSettings Query(uint domain, DeviceType type, uint id)
    {
        lock (machine.Lock) return _devices.TryGetValue((domain, type, id), out var settings) ? settings : throw Missing(domain, type, id);
    }
}
