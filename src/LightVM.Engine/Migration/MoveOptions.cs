namespace LightVM.Migration;

/// <summary>How a domain shall be moved.</summary>
public sealed record MoveOptions
{
    /// <summary>The rounds in which memory is sent while the guest runs, at the most. 0: the guest is suspended first.</summary>
    public int MaximumRounds { get; init; } = 30;

    /// <summary>
    /// How long the guest may stand still, as far as that can be foretold: where it cannot be kept, the domain stays where it is. Null:
    /// as short as it gets.
    /// </summary>
    public TimeSpan? MaximumDowntime { get; init; }

    /// <summary>Bytes a second; null for no limit.</summary>
    public long? Bandwidth { get; init; }

    /// <summary>How long the guest may take to suspend itself.</summary>
    public TimeSpan SuspendTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long the connection may take.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(15);
}
