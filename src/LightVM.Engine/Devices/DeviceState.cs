namespace LightVM.Devices;

/// <summary>How far a backend is with its guest (XenbusState of xen/include/public/io/xenbus.h; the values are Xen's).</summary>
public enum DeviceState
{
    /// <summary>There is no telling.</summary>
    Unknown = 0,

    /// <summary>Announced; its driver has not looked at it yet.</summary>
    Initialising = 1,

    /// <summary>Ready, and waiting for the guest.</summary>
    InitWait = 2,

    Initialised = 3,

    /// <summary>In use by the guest.</summary>
    Connected = 4,

    /// <summary>Being taken away; the guest has not let go.</summary>
    Closing = 5,

    Closed = 6,

    Reconfiguring = 7,
    Reconfigured = 8,
}
