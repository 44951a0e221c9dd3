namespace LightVM.Hypervisor;

/// <summary>Why a domain stopped (SHUTDOWN_* of xen/include/public/sched.h; the values are Xen's).</summary>
public enum ShutdownReason
{
    Poweroff = 0,
    Reboot = 1,
    Suspend = 2,
    Crash = 3,
    Watchdog = 4,
    SoftReset = 5,
}
