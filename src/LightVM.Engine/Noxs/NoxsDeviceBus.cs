using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Noxs;

/// <summary>Devices of all domains: of those without a store by noxs, of all others by the bus of the store.</summary>
/// <param name="store">Becomes this one's.</param>
/// <param name="hasStore">Whether the store can be reached now.</param>
/// <param name="watchAddresses">How addresses are heard of where some of the domains have no store.</param>
internal sealed class NoxsDeviceBus(IDeviceBus store, NoxsDomains noxs, Func<bool> hasStore, Func<IReadOnlyCollection<DomainKey>, ILookup<uint, DeviceStatus>, IAddressWatch> watchAddresses) : IDeviceBus
{
    public IReadOnlyList<Device> Reserve(Guid uuid, IReadOnlyList<Device> devices) =>
        noxs.Registry.Find(uuid) is null ? store.Reserve(uuid, devices) : noxs.Reserve(uuid, devices, IsBridge);

    public void Release(Guid uuid, IReadOnlyList<Device> devices)
    {
        if (noxs.Registry.Find(uuid) is null) store.Release(uuid, devices);
    }

    public IReadOnlyList<string> ListBridges() => store.ListBridges();

    public bool IsBridge(string name) => store.IsBridge(name);

    public void Attach(DomainKey domain, IReadOnlyList<Device> devices)
    {
        if (IsNoxs(domain)) noxs.AttachNow(domain, devices);
        else store.Attach(domain, devices);
    }

    public void AwaitBackends(DomainKey domain, IReadOnlyList<Device> devices, TimeSpan patience, CancellationToken cancellation)
    {
        if (IsNoxs(domain)) noxs.AwaitBackends(domain, devices, patience, cancellation);
        else store.AwaitBackends(domain, devices, patience, cancellation);
    }

    public bool AwaitGuest(DomainKey domain, IReadOnlyList<DeviceId> devices, TimeSpan patience, CancellationToken cancellation) =>
        IsNoxs(domain) || store.AwaitGuest(domain, devices, patience, cancellation);

    public IReadOnlyList<DeviceStatus> List(uint? domainId = null)
    {
        var records = noxs.Registry.List().Where(entry => domainId is null || entry.Value.Id == domainId).Select(entry => entry.Value).ToList();
        if (domainId is not null && records.Count > 0) return [.. records.SelectMany(Describe)];
        var others = hasStore() ? store.List(domainId) : [];
        return records.Count == 0 ? others : [.. others.Concat(records.SelectMany(Describe)).OrderBy(device => device.DomainId).ThenBy(device => device.Device.Kind).ThenBy(device => device.Device.Id)];
    }

    public void Detach(DomainKey domain, DeviceKind kind, int id, bool force, TimeSpan patience, CancellationToken cancellation)
    {
        if (IsNoxs(domain)) noxs.Detach(domain, kind, id, force, patience, cancellation);
        else store.Detach(domain, kind, id, force, patience, cancellation);
    }

    public void DetachAll(DomainKey domain, TimeSpan patience)
    {
        if (IsNoxs(domain)) noxs.DetachAll(domain.Id);
        else store.DetachAll(domain, patience);
    }

    public void Request(DomainKey domain, ShutdownReason reason)
    {
        if (!IsNoxs(domain)) store.Request(domain, reason);
        else
        {
            noxs.Backend.RequestClose((ushort)domain.Id, reason switch
            {
                ShutdownReason.Poweroff => CloseRequest.PowerOff,
                ShutdownReason.Reboot => CloseRequest.Reboot,
                ShutdownReason.Suspend => CloseRequest.Suspend,
                _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, "a guest can be asked to power off, to reboot and to suspend"),
            });
        }
    }

    public bool WithdrawRequest(DomainKey domain) => IsNoxs(domain) ? noxs.Backend.WithdrawRequest((ushort)domain.Id) : store.WithdrawRequest(domain);

    public IAddressWatch WatchAddresses(IReadOnlyCollection<DomainKey> domains) => !domains.Any(IsNoxs)
        ? store.WatchAddresses(domains)
        : watchAddresses(domains, List(domains.Count == 1 ? domains.First().Id : null).Where(status => status.Device is NetworkDevice).ToLookup(status => status.DomainId));

    public void Dispose() => store.Dispose();

    private bool IsNoxs(DomainKey domain) => noxs.Registry.Find(domain) is not null;

    private IEnumerable<DeviceStatus> Describe(NoxsRecord record)
    {
        foreach (var devices in record.Devices.GroupBy(device => device.Kind).OrderBy(devices => devices.Key))
        {
            var states = StatesOf(NoxsDomains.TypeOf(devices.Key), record.Id);
            foreach (var device in devices.OrderBy(device => device.Id))
            {
                var state = states?.TryGetValue((uint)device.Id, out var known) == true ? (DeviceState)known : DeviceState.Unknown;
                if (state == DeviceState.Unknown && states is not null && record.IsLeaving(device)) continue; // it has left
                yield return new DeviceStatus(record.Id, device, state, device is DiskDevice disk ? disk.Config.Target : $"vif{record.Id}.{device.Id}", "lightvm");
            }
        }
    }

    /// <summary>There is no telling while no daemon runs.</summary>
    private IReadOnlyDictionary<uint, SideState>? StatesOf(DeviceType type, uint domain)
    {
        try
        {
            return noxs.Backend.States(type, (ushort)domain);
        }
        catch (LvmException error) when (error.ErrorId == ErrorIds.NoxsUnavailable)
        {
            return null;
        }
    }
}
