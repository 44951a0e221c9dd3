namespace LightVM.Configuration;

/// <summary>How a guest learns of its devices.</summary>
public enum DeviceMethod
{
    /// <summary>Through Xenstore, as every guest that knows Xen's split drivers does. JSON: "xenstore".</summary>
    Xenstore,

    /// <summary>Through a page shared with the control domain, without Xenstore; needs a guest built for it. JSON: "noxs".</summary>
    Noxs,
}
