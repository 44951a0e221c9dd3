namespace LightVM.Errors;

/// <summary>What sort of failure an error is: the cmdlets turn it into an ErrorCategory, <c>lightvm</c> into an exit code.</summary>
public enum ErrorKind
{
    /// <summary>The hypervisor, the store or this program failed in a way nobody foresaw.</summary>
    Failure,

    /// <summary>What was asked for is malformed or out of range.</summary>
    InvalidInput,

    /// <summary>A file or a domain that was named does not exist.</summary>
    NotFound,

    /// <summary>A name or an identifier is in use already.</summary>
    Conflict,

    /// <summary>The caller may not do this.</summary>
    PermissionDenied,

    /// <summary>The host has not got enough of something.</summary>
    ResourceExhausted,

    /// <summary>This host cannot do it at all: no Xen, a library missing, a feature absent.</summary>
    NotAvailable,

    /// <summary>The domain is not in a state in which this can be done.</summary>
    InvalidState,

    /// <summary>The caller gave it up.</summary>
    Cancelled,

    /// <summary>A guest, a driver or a daemon did not answer in time.</summary>
    TimedOut,
}
