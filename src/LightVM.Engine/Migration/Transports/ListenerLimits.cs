namespace LightVM.Migration;

/// <summary>How much of a listener strangers, and friends, can use at once.</summary>
internal sealed record ListenerLimits
{
    /// <summary>Connections that are open.</summary>
    public int Connections { get; init; } = 32;

    /// <summary>Connections of one peer.</summary>
    public int ConnectionsOfPeer { get; init; } = 16;

    /// <summary>Connections that have not said yet who they are. When one more comes, the oldest of them has to go: a handshake takes milliseconds.</summary>
    public int Handshakes { get; init; } = 16;

    /// <summary>How long a connection may take to say who it is.</summary>
    public TimeSpan HandshakeTime { get; init; } = TimeSpan.FromSeconds(10);
}
