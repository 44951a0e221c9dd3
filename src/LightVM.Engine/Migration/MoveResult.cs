namespace LightVM.Migration;

/// <summary>A domain that was moved.</summary>
public sealed record MoveResult
{
    public required string Name { get; init; }

    public required Guid Uuid { get; init; }

    /// <summary>Where it is now.</summary>
    public required MigrationTarget Target { get; init; }

    /// <summary>Its id there; null where it had ended before that was heard.</summary>
    public required uint? TargetId { get; init; }

    /// <summary>Whether it was copied while its guest ran.</summary>
    public required bool IsLive { get; init; }

    /// <summary>The rounds in which that was done.</summary>
    public required int Rounds { get; init; }

    /// <summary>Bytes of the guest's state that were sent.</summary>
    public required long BytesSent { get; init; }

    /// <summary>From the connection's beginning to the guest's end here.</summary>
    public required TimeSpan TotalTime { get; init; }

    /// <summary>How long the guest stood still, as seen from here: from its suspension to the word that it runs there, less the time that it had run by then.</summary>
    public required TimeSpan Downtime { get; init; }

    /// <summary>The part of it that the target needed to start the guest; null where it was not heard.</summary>
    public required TimeSpan? StartTime { get; init; }

    /// <summary>What is to be known of it.</summary>
    public required IReadOnlyList<string> Warnings { get; init; }
}
