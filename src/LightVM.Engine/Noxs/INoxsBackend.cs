namespace LightVM.Noxs;

/// <summary>Where a guest finds a device: what its entry in the device page says.</summary>
internal readonly record struct DevicePlace(uint Id, uint Grant, uint Port);

/// <summary>
/// Who has the other ends of guests' devices, be it the kernel or <c>lightvm noxsd</c>. A domain's devices go with the domain. Errors of all
/// members: NoxsUnavailable, NoxsFailure, XenNotPrivileged, DomainGone.
/// </summary>
internal interface INoxsBackend : IDisposable
{
    /// <summary>
    /// Makes devices of one domain: all of them, or none. Errors: DeviceIdTaken, TooManyDevices, DeviceUnsupported; of interfaces BridgeNotFound, of disks
    /// DiskNotFound, DiskInvalid, DiskInUse.
    /// </summary>
    /// <param name="devices">Get where they are.</param>
    void Create(Span<CreateArgument> devices);

    /// <summary>Removes a device, whatever the guest says. Errors: DeviceNotFound.</summary>
    void Destroy(DeviceType type, ushort domain, uint id);

    /// <summary>
    /// Asks a guest to let go of a device, and does not wait for it: the device is removed when the guest does, whoever lives then. One that the guest has
    /// not taken up is removed at once. False where the backend cannot ask. Errors: DeviceNotFound.
    /// </summary>
    bool AskToLetGo(DeviceType type, ushort domain, uint id);

    /// <summary>Tells a guest that its device page has changed, and hurries with what of its devices is not made yet. Errors: DeviceNotFound where it has no device to be told by, DeviceUnsupported where the backend cannot.</summary>
    void TellOfPage(ushort domain);

    /// <summary>Removes all of a domain's devices, if it has any.</summary>
    void DestroyAll(ushort domain);

    /// <summary>The ids of a domain's devices of a type.</summary>
    IReadOnlyList<uint> List(DeviceType type, ushort domain);

    /// <summary>How far a domain's devices of a type are, by their ids; none where the backend does not tell. An interface is Initialising until the host has its end of it.</summary>
    IReadOnlyDictionary<uint, SideState> States(DeviceType type, ushort domain);

    /// <summary>What an interface was made with. Errors: DeviceNotFound.</summary>
    VifSettings QueryVif(ushort domain, uint id);

    /// <summary>What a disk was made with. Errors: DeviceNotFound.</summary>
    VbdSettings QueryVbd(ushort domain, uint id);

    /// <summary>Asks a guest by its sysctl device, and does not wait for what it does. Errors: DeviceNotFound where it has none.</summary>
    void RequestClose(ushort domain, CloseRequest request);

    /// <summary>Takes back what a guest was asked; false where it has seen it, was not asked, or the backend cannot do that.</summary>
    bool WithdrawRequest(ushort domain);
}
