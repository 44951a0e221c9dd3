namespace LightVM.Services;

/// <summary>How a service does.</summary>
public enum ServiceState
{
    /// <summary>No process of it runs.</summary>
    Stopped,

    /// <summary>It runs and answers.</summary>
    Running,

    /// <summary>Its process runs and does not answer, or it has ended by a failure.</summary>
    Failed,
}
