namespace LightVM.Errors;

/// <summary>
/// The id of every error, as a constant that scripts can test for (<c>$_.FullyQualifiedErrorId</c>, <c>lightvm --json</c>).
/// An id never changes its meaning. <see cref="ErrorCatalog"/> says of each what kind it is and what to do.
/// </summary>
public static class ErrorIds
{
    // The host.
    public const string XenNotRunning = nameof(XenNotRunning);
    public const string XenNotPrivileged = nameof(XenNotPrivileged);
    public const string XenLibraryMissing = nameof(XenLibraryMissing);
    public const string XenLibraryMismatch = nameof(XenLibraryMismatch);
    public const string XenstoreUnavailable = nameof(XenstoreUnavailable);
    public const string HypervisorFailure = nameof(HypervisorFailure);
    public const string StoreFailure = nameof(StoreFailure);
    public const string HostFileFailure = nameof(HostFileFailure);

    // Configurations.
    public const string ConfigNotFound = nameof(ConfigNotFound);
    public const string ConfigUnreadable = nameof(ConfigUnreadable);
    public const string ConfigTooLarge = nameof(ConfigTooLarge);
    public const string ConfigTooDeep = nameof(ConfigTooDeep);
    public const string ConfigNotUtf8 = nameof(ConfigNotUtf8);
    public const string ConfigSyntax = nameof(ConfigSyntax);
    public const string ConfigInvalid = nameof(ConfigInvalid);
    public const string ConfigNotWritable = nameof(ConfigNotWritable);

    // What a new domain is made of.
    public const string KernelNotGiven = nameof(KernelNotGiven);
    public const string KernelNotFound = nameof(KernelNotFound);
    public const string GuestNotFound = nameof(GuestNotFound);
    public const string KernelUnreadable = nameof(KernelUnreadable);
    public const string KernelInvalid = nameof(KernelInvalid);
    public const string RamdiskNotFound = nameof(RamdiskNotFound);
    public const string RamdiskUnreadable = nameof(RamdiskUnreadable);
    public const string MemoryTooSmall = nameof(MemoryTooSmall);
    public const string InsufficientMemory = nameof(InsufficientMemory);
    public const string CpuNotFound = nameof(CpuNotFound);
    public const string BridgeNotFound = nameof(BridgeNotFound);
    public const string GuestTypeUnsupported = nameof(GuestTypeUnsupported);
    public const string DeviceUnsupported = nameof(DeviceUnsupported);
    public const string TooManyDomains = nameof(TooManyDomains);
    public const string EventChannelsExhausted = nameof(EventChannelsExhausted);
    public const string GrantsExhausted = nameof(GrantsExhausted);

    // Domains.
    public const string DomainNameTaken = nameof(DomainNameTaken);
    public const string DomainUuidTaken = nameof(DomainUuidTaken);
    public const string DomainNotFound = nameof(DomainNotFound);
    public const string DomainAmbiguous = nameof(DomainAmbiguous);
    public const string DomainGone = nameof(DomainGone);
    public const string DomainProtected = nameof(DomainProtected);
    public const string DomainInvalidState = nameof(DomainInvalidState);
    public const string DomainNameInvalid = nameof(DomainNameInvalid);

    public const string ConsoleUnavailable = nameof(ConsoleUnavailable);
    public const string TerminalRequired = nameof(TerminalRequired);

    // Devices.
    public const string VirtualDeviceInvalid = nameof(VirtualDeviceInvalid);
    public const string NetworkAdapterInvalid = nameof(NetworkAdapterInvalid);
    public const string DeviceIdTaken = nameof(DeviceIdTaken);
    public const string TooManyDevices = nameof(TooManyDevices);
    public const string DeviceNotFound = nameof(DeviceNotFound);
    public const string DeviceFailure = nameof(DeviceFailure);
    public const string DeviceTimeout = nameof(DeviceTimeout);
    public const string DeviceBusy = nameof(DeviceBusy);
    public const string MacAddressTaken = nameof(MacAddressTaken);
    public const string DiskNotFound = nameof(DiskNotFound);
    public const string DiskInvalid = nameof(DiskInvalid);
    public const string DiskInUse = nameof(DiskInUse);
    public const string StoreQuotaExceeded = nameof(StoreQuotaExceeded);

    // Ends of guests, and waiting.
    public const string ShutdownTimeout = nameof(ShutdownTimeout);
    public const string WaitTimeout = nameof(WaitTimeout);

    // Saved domains.
    public const string SaveFailure = nameof(SaveFailure);
    public const string RestoreFailure = nameof(RestoreFailure);
    public const string SuspendTimeout = nameof(SuspendTimeout);

    // Saved images.
    public const string ImageNotFound = nameof(ImageNotFound);
    public const string ImageUnreadable = nameof(ImageUnreadable);
    public const string ImageInvalid = nameof(ImageInvalid);
    public const string ImageUnsupported = nameof(ImageUnsupported);
    public const string ImageExists = nameof(ImageExists);
    public const string StreamInvalid = nameof(StreamInvalid);

    // Daemons.
    public const string DeviceDaemonUnavailable = nameof(DeviceDaemonUnavailable);
    public const string ServiceNotFound = nameof(ServiceNotFound);
    public const string ServiceFailure = nameof(ServiceFailure);

    // Devices without a store.
    public const string NoxsUnavailable = nameof(NoxsUnavailable);
    public const string NoxsFailure = nameof(NoxsFailure);

    // Pools.
    public const string PoolNotFound = nameof(PoolNotFound);
    public const string PoolExists = nameof(PoolExists);
    public const string PoolInvalid = nameof(PoolInvalid);
    public const string PoolDaemonUnavailable = nameof(PoolDaemonUnavailable);

    // Who is trusted, and the ways to other hosts.
    public const string TrustMissing = nameof(TrustMissing);
    public const string TrustExists = nameof(TrustExists);
    public const string TrustInvalid = nameof(TrustInvalid);
    public const string TrustNameInvalid = nameof(TrustNameInvalid);
    public const string CertificateNotFound = nameof(CertificateNotFound);
    public const string TrustUnsafe = nameof(TrustUnsafe);
    public const string TrustInaccessible = nameof(TrustInaccessible);
    public const string PeerUnknown = nameof(PeerUnknown);
    public const string PeerMismatch = nameof(PeerMismatch);
    public const string PeerRefused = nameof(PeerRefused);
    public const string PeerBusy = nameof(PeerBusy);
    public const string HandshakeFailed = nameof(HandshakeFailed);
    public const string ConnectionRefused = nameof(ConnectionRefused);
    public const string ConnectionFailed = nameof(ConnectionFailed);
    public const string ConnectionTimeout = nameof(ConnectionTimeout);
    public const string ConnectionLost = nameof(ConnectionLost);
    public const string HostNameInvalid = nameof(HostNameInvalid);
    public const string InsecureTransportRefused = nameof(InsecureTransportRefused);
    public const string TransportUnavailable = nameof(TransportUnavailable);
    public const string TlsUnavailable = nameof(TlsUnavailable);
    public const string ListenerFailed = nameof(ListenerFailed);

    // Moving to another host.
    public const string SameHost = nameof(SameHost);
    public const string CpuIncompatible = nameof(CpuIncompatible);
    public const string XenIncompatible = nameof(XenIncompatible);
    public const string MoveRefused = nameof(MoveRefused);
    public const string MoveProtocolInvalid = nameof(MoveProtocolInvalid);
    public const string MoveUndecided = nameof(MoveUndecided);
    public const string DowntimeTooLong = nameof(DowntimeTooLong);

    public const string OperationCancelled = nameof(OperationCancelled);
}
