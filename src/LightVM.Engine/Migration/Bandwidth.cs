namespace LightVM.Migration;

/// <summary>Lets so many bytes pass in a second, on average: whoever wants more waits. Used by one thread.</summary>
internal sealed class Bandwidth(long bytesPerSecond, TimeProvider? time = null)
{
    /// <summary>How much may come at once after a pause.</summary>
    private static readonly TimeSpan Burst = TimeSpan.FromMilliseconds(50);

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private long? _last;
    private double _credit;

    /// <summary>How long to wait before so many bytes more may pass, which are counted now.</summary>
    public TimeSpan Take(int bytes)
    {
        var now = _time.GetTimestamp();
        if (_last is { } last) _credit = Math.Min(_credit + _time.GetElapsedTime(last, now).TotalSeconds * bytesPerSecond, Burst.TotalSeconds * bytesPerSecond);
        _last = now;
        _credit -= bytes;
        return _credit >= 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(-_credit / bytesPerSecond);
    }
}
