namespace LightVM.Configuration;

/// <summary>What becomes of a domain that has ended. The words are xl's (xl.cfg(5), "Event Actions"), in JSON in lower case.</summary>
public enum LifecycleAction
{
    /// <summary>Remove the domain.</summary>
    Destroy,

    /// <summary>Remove the domain and create it anew from its configuration.</summary>
    Restart,

    /// <summary>Keep what is left of the domain, to be examined, until it is removed by hand.</summary>
    Preserve,
}
