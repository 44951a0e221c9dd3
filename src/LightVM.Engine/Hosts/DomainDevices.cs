using System.Globalization;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Hosts;

/// <summary>The devices of a host's domains: listed, added and removed at any time.</summary>
public sealed class DomainDevices
{
    private readonly HostContext _host;

    internal DomainDevices(HostContext host)
    {
        _host = host;
    }

    /// <summary>How long drivers and the device daemon may take over a device; 30 seconds at first.</summary>
    public TimeSpan Patience
    {
        get => _host.DevicePatience;
        set => _host.DevicePatience = value;
    }

    /// <summary>The network interfaces of some domains, whoever made them, in the order of the domains' ids.</summary>
    public IReadOnlyList<NetworkAdapter> ListNetworkAdapters(params IReadOnlyCollection<Domain> domains) => List(domains, DeviceKind.Network, ToAdapter);

    /// <summary>The disks of some domains, whoever made them, in the order of the domains' ids.</summary>
    public IReadOnlyList<Disk> ListDisks(params IReadOnlyCollection<Domain> domains) => List(domains, DeviceKind.Disk, ToDisk);

    /// <summary>The bridges that interfaces can join, in the order of the alphabet.</summary>
    public IReadOnlyList<string> ListBridges() => _host.Bus.ListBridges();

    /// <summary>The network interface of a domain that has a number, or a MAC address, written as text. Errors: DeviceNotFound.</summary>
    public NetworkAdapter GetNetworkAdapter(Domain domain, string reference)
    {
        var adapters = ListNetworkAdapters(domain);
        var found = MacAddress.TryParse(reference, out var mac, out _) ? adapters.FirstOrDefault(adapter => adapter.MacAddress == mac)
            : int.TryParse(reference, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? adapters.FirstOrDefault(adapter => adapter.DeviceId == id)
            : null;
        return found ?? throw new LvmException(ErrorIds.DeviceNotFound, $"it has no network adapter {reference}").During("find a network adapter of", domain.ToString());
    }

    /// <summary>The disk of a domain that has a virtual device's name, or its number, written as text. Errors: DeviceNotFound, VirtualDeviceInvalid.</summary>
    public Disk GetDisk(Domain domain, string reference)
    {
        const string Operation = "find a disk of";
        if (!int.TryParse(reference, NumberStyles.None, CultureInfo.InvariantCulture, out var id) && !VirtualDevice.TryParse(reference, out id, out var why))
            throw new LvmException(ErrorIds.VirtualDeviceInvalid, $"'{reference}' {why}").During(Operation, domain.ToString());
        return ListDisks(domain).FirstOrDefault(disk => disk.DeviceId == id)
            ?? throw new LvmException(ErrorIds.DeviceNotFound, $"it has no disk {reference}").During(Operation, domain.ToString());
    }

    /// <summary>
    /// Gives a domain a network interface. It is there and on its bridge when this returns; the guest takes it up by itself.
    /// When this throws, nothing of it is left. Errors: NetworkAdapterInvalid, TooManyDevices, BridgeNotFound, MacAddressTaken,
    /// DeviceTimeout, DeviceFailure, DeviceDaemonUnavailable, DomainGone, DomainInvalidState, OperationCancelled.
    /// </summary>
    /// <param name="patience">How long drivers and the device daemon may take; null for <see cref="Patience"/>.</param>
    public NetworkAdapter AddNetworkAdapter(DomainKey key, NetworkConfig config, TimeSpan? patience = null, CancellationToken cancellation = default)
    {
        RequireValid(DomainConfigRules.Check(config), ErrorIds.NetworkAdapterInvalid, "add a network adapter to", key);
        var canonical = DomainConfigRules.Canonical(config);
        return Add(key, "add a network adapter to", DeviceKind.Network, canonical.QueueCount is not null, owned => ChooseAdapter(canonical, owned), ToAdapter, patience, cancellation);
    }

    /// <summary>
    /// Gives a domain a disk. It is there when this returns; the guest takes it up by itself. When this throws, nothing of it is left.
    /// Errors: VirtualDeviceInvalid, DeviceIdTaken, TooManyDevices, DiskNotFound, DiskInvalid, DiskInUse, DeviceTimeout,
    /// DeviceFailure, DeviceDaemonUnavailable, DomainGone, DomainInvalidState, OperationCancelled.
    /// </summary>
    /// <param name="patience">How long drivers and the device daemon may take; null for <see cref="Patience"/>.</param>
    public Disk AddDisk(DomainKey key, DiskConfig config, TimeSpan? patience = null, CancellationToken cancellation = default)
    {
        RequireValid(DomainConfigRules.Check(config), VirtualDevice.TryParse(config.VirtualDevice, out _, out _) ? ErrorIds.DiskInvalid : ErrorIds.VirtualDeviceInvalid, "add a disk to", key);
        var device = DiskDevice.Of(config);
        return Add(key, "add a disk to", DeviceKind.Disk, mustNotRun: false, owned => owned.Any(other => other.Id == device.Id)
            ? throw new LvmException(ErrorIds.DeviceIdTaken, $"it has a disk {config.VirtualDevice} (device id {device.Id}) already")
            : device, ToDisk, patience, cancellation);
    }

    /// <summary>Takes a network interface away: once the guest lets go of it, or at once. Errors: DeviceNotFound, DeviceBusy, DomainGone, OperationCancelled.</summary>
    /// <param name="id">Its number among the domain's interfaces.</param>
    /// <param name="force">Whether to do without the guest's consent.</param>
    /// <param name="patience">How long the guest may take; null for <see cref="Patience"/>.</param>
    public void RemoveNetworkAdapter(DomainKey key, int id, bool force = false, TimeSpan? patience = null, CancellationToken cancellation = default) =>
        Remove(key, "remove a network adapter of", DeviceKind.Network, id, _ => true, force, patience, cancellation);

    /// <summary>As the other, for an interface as it was listed: another one that has its number by now is left alone.</summary>
    public void RemoveNetworkAdapter(NetworkAdapter adapter, bool force = false, TimeSpan? patience = null, CancellationToken cancellation = default) =>
        Remove(adapter.Domain, "remove a network adapter of", DeviceKind.Network, adapter.DeviceId, device => device is NetworkDevice now && (now.Config.Mac ?? "") == adapter.MacAddress, force, patience, cancellation);

    /// <summary>Takes a disk away: once the guest lets go of it, or at once. Errors: DeviceNotFound, DeviceBusy, DomainGone, OperationCancelled.</summary>
    /// <param name="id">Xen's number of the virtual device.</param>
    /// <param name="force">Whether to do without the guest's consent.</param>
    /// <param name="patience">How long the guest may take; null for <see cref="Patience"/>.</param>
    public void RemoveDisk(DomainKey key, int id, bool force = false, TimeSpan? patience = null, CancellationToken cancellation = default) =>
        Remove(key, "remove a disk of", DeviceKind.Disk, id, _ => true, force, patience, cancellation);

    /// <summary>As the other, for a disk as it was listed: another one that has its number by now is left alone.</summary>
    public void RemoveDisk(Disk disk, bool force = false, TimeSpan? patience = null, CancellationToken cancellation = default) =>
        Remove(disk.Domain, "remove a disk of", DeviceKind.Disk, disk.DeviceId, device => device is DiskDevice now && now.Config.Target == disk.Target, force, patience, cancellation);

    /// <summary>The adapter under the first number that is free. The host asks the other domains for its address; its own is asked here.</summary>
    private static NetworkDevice ChooseAdapter(NetworkConfig config, IReadOnlyList<Device> owned)
    {
        if (config.Mac is { } mac && owned.OfType<NetworkDevice>().FirstOrDefault(other => other.Config.Mac == mac) is { } holder)
            throw new LvmException(ErrorIds.MacAddressTaken, $"its network adapter {holder.Id} has the address {mac} already");
        return new NetworkDevice(Enumerable.Range(0, int.MaxValue).First(id => owned.All(other => other.Id != id)), config);
    }

    private void RequireValid(IReadOnlyList<ConfigError> errors, string errorId, string operation, DomainKey key)
    {
        if (errors.Count == 0) return;
        throw new LvmException(errorId, string.Join("; ", errors.Select(error => $"{error.Path["$.".Length..]} {error.Message}"))).During(operation, _host.NameOf(key));
    }

    private List<T> List<T>(IReadOnlyCollection<Domain> domains, DeviceKind kind, Func<DomainKey, string, DeviceStatus, T> convert)
    {
        if (domains.Count == 0) return [];
        var wanted = domains.ToDictionary(domain => domain.Id);
        return _host.Bus.List(wanted.Count == 1 ? domains.First().Id : null)
            .Where(status => status.Device.Kind == kind && wanted.ContainsKey(status.DomainId))
            .Select(status => convert(wanted[status.DomainId].Key, wanted[status.DomainId].Name, status))
            .ToList();
    }

    private T Add<T>(DomainKey key, string operation, DeviceKind kind, bool mustNotRun, Func<IReadOnlyList<Device>, Device> choose, Func<DomainKey, string, DeviceStatus, T> convert, TimeSpan? patience, CancellationToken cancellation) =>
        _host.Change(key, operation, info =>
        {
            RequireWanted(cancellation);
            if (info.State is DomainState.Shutdown or DomainState.Crashed) throw new LvmException(ErrorIds.DomainInvalidState, $"it is {info.State}");
            var owned = _host.Bus.List(key.Id).Select(status => status.Device).Where(device => device.Kind == kind).ToList();
            var chosen = choose(owned);
            if (owned.Count >= DomainConfigRules.MaxDevices) throw new LvmException(ErrorIds.TooManyDevices, $"it has {owned.Count} devices of this kind already");
            var devices = _host.Bus.Reserve(key.Uuid, [chosen]);
            // What a guest is offered at first it takes: one that shall be offered less must not look before the offer stands.
            if (mustNotRun) _host.Hypervisor.Pause(key.Id);
            try
            {
                _host.Bus.Attach(key, devices);
                AwaitOrUndo(key, devices, patience ?? _host.DevicePatience, cancellation);
            }
            catch
            {
                _host.Bus.Release(key.Uuid, devices);
                throw;
            }
            finally
            {
                if (mustNotRun) _host.Hypervisor.Unpause(key.Id);
            }

            Remember(key, config => config.With(devices[0]));
            var status = _host.Bus.List(key.Id).FirstOrDefault(status => status.Device.Kind == kind && status.Device.Id == chosen.Id)
                ?? throw new LvmException(ErrorIds.DeviceFailure, "it was taken away at once");
            return convert(key, _host.NameOf(key), status);
        });

    private void AwaitOrUndo(DomainKey key, IReadOnlyList<Device> devices, TimeSpan patience, CancellationToken cancellation)
    {
        try
        {
            _host.Bus.AwaitBackends(key, devices, patience, cancellation);
        }
        catch (LvmException error)
        {
            try
            {
                _host.Bus.Detach(key, devices[0].Kind, devices[0].Id, force: true, _host.DevicePatience, CancellationToken.None);
            }
            catch (LvmException second)
            {
                error.LeftBehind ??= $"the device was not undone: {second.Problem}";
            }

            throw;
        }
    }

    private void Remove(DomainKey key, string operation, DeviceKind kind, int id, Predicate<Device> isMeant, bool force, TimeSpan? patience, CancellationToken cancellation) =>
        _host.Change(key, operation, info =>
        {
            RequireWanted(cancellation);
            if (!_host.Bus.List(key.Id).Any(status => status.Device.Kind == kind && status.Device.Id == id && isMeant(status.Device)))
                throw new LvmException(ErrorIds.DeviceNotFound, kind == DeviceKind.Network ? $"it has no network adapter {id}" : $"it has no disk {VirtualDevice.NameOf(id) ?? $"{id}"}");
            // A guest that has ended lets go of nothing any more.
            var ended = info.State is DomainState.Shutdown or DomainState.Crashed;
            try
            {
                _host.Bus.Detach(key, kind, id, force || ended, patience ?? _host.DevicePatience, cancellation);
            }
            catch (LvmException error) when (error.ErrorId == ErrorIds.DeviceBusy)
            {
                Remember(key, config => config.Without(kind, id)); // it goes when the guest lets go of it
                throw;
            }

            Remember(key, config => config.Without(kind, id));
            return info;
        });

    private static void RequireWanted(CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested) throw new LvmException(ErrorIds.OperationCancelled, "it was cancelled before it began");
    }

    /// <summary>A domain that is started again has the devices that it had at its end.</summary>
    private void Remember(DomainKey key, Func<DomainConfig, DomainConfig> change)
    {
        if (_host.Directory.FindConfig(key) is { } config) _host.Directory.SaveConfig(key, change(config));
    }

    private static NetworkAdapter ToAdapter(DomainKey key, string name, DeviceStatus status)
    {
        var config = ((NetworkDevice)status.Device).Config;
        return new NetworkAdapter
        {
            Domain = key,
            DomainName = name,
            DeviceId = status.Device.Id,
            MacAddress = config.Mac ?? "",
            Bridge = config.Bridge,
            IpAddress = config.Ip,
            Rate = config.Rate,
            QueueCount = config.QueueCount,
            Trusted = config.Trusted,
            State = status.State,
            InterfaceName = status.Backend ?? "",
        };
    }

    private static Disk ToDisk(DomainKey key, string name, DeviceStatus status)
    {
        var config = ((DiskDevice)status.Device).Config;
        return new Disk
        {
            Domain = key,
            DomainName = name,
            DeviceId = status.Device.Id,
            VirtualDevice = config.VirtualDevice,
            Target = config.Target,
            Type = config.Type,
            Access = config.Access,
            State = status.State,
            BlockDevice = status.Backend,
        };
    }
}
