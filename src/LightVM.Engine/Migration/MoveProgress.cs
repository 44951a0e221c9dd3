namespace LightVM.Migration;

/// <summary>What is being done in a move.</summary>
public enum MovePhase
{
    /// <summary>The target is asked whether it takes the domain.</summary>
    Asking,

    /// <summary>Memory is sent while the guest runs.</summary>
    Copying,

    /// <summary>The guest stands still, and the rest is sent.</summary>
    Stopping,

    /// <summary>The target has all, and is told to let the guest run.</summary>
    HandingOver,
}

/// <summary>How far a move has got.</summary>
/// <param name="Round">The round of copying, from 1 on; 0 before.</param>
/// <param name="PagesTotal">Pages of 4 KiB that the domain has.</param>
/// <param name="PagesSent">Pages sent so far, as often as they were sent.</param>
/// <param name="PagesDirty">Pages that the guest has changed since they were sent; null where nobody has counted yet.</param>
/// <param name="BytesSent">Bytes sent so far.</param>
/// <param name="BytesPerSecond">As of the last round.</param>
/// <param name="EstimatedDowntime">How long the guest would stand still if it were stopped now; null where that cannot be told yet.</param>
public sealed record MoveProgress(
    MovePhase Phase, int Round, long PagesTotal, long PagesSent, long? PagesDirty, long BytesSent, long BytesPerSecond, TimeSpan? EstimatedDowntime);
