namespace LightVM.Hypervisor;

/// <summary>A domain's state as Xen reports it (XEN_DOMINF_* of xen/include/public/domctl.h).</summary>
public enum DomainState
{
    /// <summary>At least one vCPU is on a physical CPU.</summary>
    Running,

    /// <summary>All vCPUs wait for events: the state of an idle guest.</summary>
    Blocked,

    /// <summary>Ready to run, waiting for a physical CPU.</summary>
    Runnable,

    /// <summary>Paused by the toolstack.</summary>
    Paused,

    /// <summary>Ended by itself, see <see cref="ShutdownReason"/>; its memory is still there.</summary>
    Shutdown,

    /// <summary>Ended by a crash.</summary>
    Crashed,

    /// <summary>Destroyed; the hypervisor gives its memory back once nobody maps it any more.</summary>
    Dying,
}
