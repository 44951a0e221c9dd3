using LightVM.Hypervisor;

namespace LightVM.Devices;

/// <summary>
/// How guests learn of their devices and of what is asked of them, and backends of their guests. The words of the bus, whichever they are,
/// stay inside of it. Members may be called from several threads. Every failure is an <see cref="Errors.LvmException"/>.
/// </summary>
public interface IDeviceBus : IDisposable
{
    /// <summary>
    /// Asks the host for devices that a domain shall have, before anything is made, and settles what was left open: the MAC addresses,
    /// which are the host's to give. Errors: BridgeNotFound, MacAddressTaken, DiskNotFound, DiskInvalid, DiskInUse, DeviceDaemonUnavailable.
    /// </summary>
    /// <param name="uuid">The domain, which need not exist yet. The same domain gets the same addresses again.</param>
    IReadOnlyList<Device> Reserve(Guid uuid, IReadOnlyList<Device> devices);

    /// <summary>Gives up devices that the host agreed to and that are not going to be attached, or were not in the end. Never throws.</summary>
    void Release(Guid uuid, IReadOnlyList<Device> devices);

    /// <summary>The bridges of the control domain that interfaces can join, in the order of the alphabet.</summary>
    IReadOnlyList<string> ListBridges();

    /// <summary>Whether the host has a bridge of this name.</summary>
    bool IsBridge(string name) => ListBridges().Contains(name);

    /// <summary>Announces devices to a domain and to their backends, all or none. Errors: StoreQuotaExceeded, StoreFailure.</summary>
    void Attach(DomainKey domain, IReadOnlyList<Device> devices);

    /// <summary>Waits until the backends of devices are ready for their guest. Errors: DeviceTimeout, DeviceFailure, and what the daemon says.</summary>
    void AwaitBackends(DomainKey domain, IReadOnlyList<Device> devices, TimeSpan patience, CancellationToken cancellation);

    /// <summary>
    /// Waits until the guest has its devices in use again. False when it has not in time: it may have no drivers for them. Errors:
    /// OperationCancelled.
    /// </summary>
    bool AwaitGuest(DomainKey domain, IReadOnlyList<DeviceId> devices, TimeSpan patience, CancellationToken cancellation);

    /// <summary>The devices of one domain, or of all.</summary>
    IReadOnlyList<DeviceStatus> List(uint? domainId = null);

    /// <summary>
    /// Asks the guest to let go of a device, waits for that, and takes the device away. Errors: DeviceNotFound, DeviceBusy.
    /// </summary>
    /// <param name="force">Takes it away at once, whether or not the guest lets go.</param>
    void Detach(DomainKey domain, DeviceKind kind, int id, bool force, TimeSpan patience, CancellationToken cancellation);

    /// <summary>
    /// Takes all devices of a domain away that is gone or about to go, whoever made them, and waits until the host has its resources back.
    /// </summary>
    void DetachAll(DomainKey domain, TimeSpan patience);

    /// <summary>Asks the guest to end, to reboot or to suspend.</summary>
    void Request(DomainKey domain, ShutdownReason reason);

    /// <summary>Takes a request back that the guest has not taken up. True when it had not.</summary>
    bool WithdrawRequest(DomainKey domain);

    /// <summary>Begins to listen for the addresses of guests, on the interfaces that they have now. Errors: XenNotPrivileged, HostFileFailure.</summary>
    IAddressWatch WatchAddresses(IReadOnlyCollection<DomainKey> domains);
}
