using System.Diagnostics;

namespace LightVM.Bench;

/// <summary>When the parts of what the engine did last were, by its activities: "create/reserve", "create/STEP", "save/STEP".</summary>
internal sealed class ActivityTimes : IDisposable
{
    private readonly Dictionary<string, (long Begin, long End)> _times = [];
    private readonly ActivityListener _listener;

    /// <param name="parts">Those that are of interest; all where none is named. Each costs what is measured a little.</param>
    public ActivityTimes(params string[] parts)
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "LightVM.Engine",
            Sample = (ref ActivityCreationOptions<ActivityContext> activity) =>
                parts.Length == 0 || Array.IndexOf(parts, activity.Name) >= 0 ? ActivitySamplingResult.PropagationData : ActivitySamplingResult.None,
            ActivityStarted = activity => Note(activity, time => (time, time)),
            ActivityStopped = activity => Note(activity, time => (_times[activity.OperationName].Begin, time)),
        };
        ActivitySource.AddActivityListener(_listener);
    }

    /// <summary>Milliseconds.</summary>
    public double DurationOf(string part) => _times.TryGetValue(part, out var time) ? Stopwatch.GetElapsedTime(time.Begin, time.End).TotalMilliseconds : 0;

    /// <summary>When a part began, in milliseconds of <see cref="BridgeWatch.Now"/>.</summary>
    public double BeginOf(string part) => BridgeWatch.Milliseconds(_times[part].Begin);

    /// <summary>Milliseconds from a time of <see cref="Stopwatch"/> to the end of a part.</summary>
    public double UntilEndOf(string part, long begin) => Stopwatch.GetElapsedTime(begin, _times[part].End).TotalMilliseconds;

    /// <summary>Milliseconds between the ends of two parts.</summary>
    public double BetweenEnds(string first, string second) => Stopwatch.GetElapsedTime(_times[first].End, _times[second].End).TotalMilliseconds;

    public void Clear() => _times.Clear();

    public void Dispose() => _listener.Dispose();

    private void Note(Activity activity, Func<long, (long, long)> change) => _times[activity.OperationName] = change(Stopwatch.GetTimestamp());
}
