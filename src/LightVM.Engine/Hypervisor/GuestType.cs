namespace LightVM.Hypervisor;

/// <summary>How Xen runs a guest.</summary>
public enum GuestType
{
    /// <summary>Paravirtualised: needs no virtualisation extensions.</summary>
    PV,

    /// <summary>Hardware virtualised without emulated devices: needs VT-x or AMD-V with nested paging.</summary>
    PVH,

    /// <summary>Fully virtualised with a device model. Listed and controlled, but not created here.</summary>
    HVM,
}
