namespace LightVM.Devices;

/// <summary>The kinds of devices that domains have.</summary>
public enum DeviceKind
{
    /// <summary>A network interface (vif).</summary>
    Network,

    /// <summary>A block device (vbd).</summary>
    Disk,

    /// <summary>A console. Every domain has at most one, and it comes with the domain.</summary>
    Console,
}
