namespace LightVM.Migration;

/// <summary>Places at which a test may have either side of a move die (<see cref="Linux.CrashPoint"/>).</summary>
internal static class MoveCrashPoints
{
    public const string SourceOffered = "move-source-offered";
    public const string SourceCopying = "move-source-copying";
    public const string SourceSuspended = "move-source-suspended";
    public const string SourceSaved = "move-source-saved";
    public const string SourceReady = "move-source-ready";
    public const string SourceNoted = "move-source-noted";
    public const string SourceSentGo = "move-source-sent-go";
    public const string SourceRunning = "move-source-running";
    public const string SourceDestroyed = "move-source-destroyed";
    public const string TargetAccepted = "move-target-accepted";
    public const string TargetNoted = "move-target-noted";
    public const string TargetReceiving = "move-target-receiving";
    public const string TargetReceived = "move-target-received";
    public const string TargetSentReady = "move-target-sent-ready";
    public const string TargetHeardGo = "move-target-heard-go";
    public const string TargetCommitted = "move-target-committed";
    public const string TargetStarted = "move-target-started";
    public const string TargetSentRunning = "move-target-sent-running";

    /// <summary>Of the side that sends, in the order of the work.</summary>
    public static IReadOnlyList<string> Source { get; } =
        [SourceOffered, SourceCopying, SourceSuspended, SourceSaved, SourceReady, SourceNoted, SourceSentGo, SourceRunning, SourceDestroyed];

    /// <summary>Of the side that receives.</summary>
    public static IReadOnlyList<string> Target { get; } =
        [TargetNoted, TargetAccepted, TargetReceiving, TargetReceived, TargetSentReady, TargetHeardGo, TargetCommitted, TargetStarted, TargetSentRunning];
}
