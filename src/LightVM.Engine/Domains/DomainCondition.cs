namespace LightVM.Domains;

/// <summary>What one can wait for.</summary>
public enum DomainCondition
{
    /// <summary>Its vCPUs run or may run.</summary>
    Running,

    /// <summary>Its guest has ended, in whichever way.</summary>
    Shutdown,

    /// <summary>It is gone.</summary>
    Removed,

    /// <summary>Its guest has an IPv4 address: it has used it on the wire, or its agent tells it.</summary>
    Address,
}
