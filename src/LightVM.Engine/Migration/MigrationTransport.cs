namespace LightVM.Migration;

/// <summary>The way on which a domain travels.</summary>
public enum MigrationTransport
{
    /// <summary>TLS 1.3 between hosts that know each other's keys.</summary>
    Tls,

    /// <summary>The user's ssh, which starts the receiver at the other end.</summary>
    Ssh,

    /// <summary>TCP without anything: for this machine alone, or for those who know what they do.</summary>
    Plain,
}
