namespace LightVM.Migration;

/// <summary>How long the two sides of a move wait for each other.</summary>
internal sealed record MoveTimes
{
    public static MoveTimes Usual { get; } = new();

    /// <summary>For the next message, where the peer has little to do for it.</summary>
    public TimeSpan Message { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>For the next bytes of the stream: the guest may be slow to suspend itself.</summary>
    public TimeSpan Stream { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>For the peer's taking in what is sent: the target may be slow to find memory.</summary>
    public TimeSpan Write { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>For the target's having worked off what it was sent so far.</summary>
    public TimeSpan Mark { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>For the target's having all, with its devices, after the stream's end.</summary>
    public TimeSpan Ready { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>For the target's word after it was told to let the guest run, before it is asked again.</summary>
    public TimeSpan Running { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>For an answer to what has become of a move, all attempts together; then the daemon goes on asking.</summary>
    public TimeSpan Resolve { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Between two attempts.</summary>
    public TimeSpan Retry { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>For one connection of these.</summary>
    public TimeSpan Connect { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>For the peer's hearing why it was refused.</summary>
    public TimeSpan Parting { get; init; } = TimeSpan.FromSeconds(10);
}
