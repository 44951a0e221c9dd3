using System.Diagnostics;

namespace LightVM.Bench;

/// <summary>When the parts of the engine's latest creation were, by its activities: "reserve" and the steps.</summary>
internal sealed class CreationTimes : IDisposable
{
    private const string Prefix = "create/";

    private readonly Dictionary<string, (long Begin, long End)> _times = [];
    private readonly ActivityListener _listener;

    public CreationTimes()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "LightVM.Engine",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.PropagationData,
            ActivityStarted = activity => Note(activity, time => (time, time)),
            ActivityStopped = activity => Note(activity, time => (_times[activity.OperationName].Begin, time)),
        };
        ActivitySource.AddActivityListener(_listener);
    }

    /// <summary>Milliseconds.</summary>
    public double DurationOf(string part) => _times.TryGetValue(Prefix + part, out var time) ? Stopwatch.GetElapsedTime(time.Begin, time.End).TotalMilliseconds : 0;

    /// <summary>When a part began, in milliseconds of <see cref="BridgeWatch.Now"/>.</summary>
    public double BeginOf(string part) => BridgeWatch.Milliseconds(_times[Prefix + part].Begin);

    public void Clear() => _times.Clear();

    public void Dispose() => _listener.Dispose();

    private void Note(Activity activity, Func<long, (long, long)> change) => _times[activity.OperationName] = change(Stopwatch.GetTimestamp());
}
