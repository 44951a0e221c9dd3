using System.Diagnostics;

namespace LightVM.Consoles;

/// <summary>Waiting for a monitor with a deadline that the monitor's own waits may be shorter than.</summary>
internal static class Waiting
{
    private static readonly TimeSpan Longest = TimeSpan.FromHours(1);

    /// <summary>Waits to be pulsed, or for a while; false when the time since <paramref name="begin"/> is over.</summary>
    public static bool Wait(object monitor, TimeSpan timeout, long begin)
    {
        if (timeout == Timeout.InfiniteTimeSpan)
        {
            Monitor.Wait(monitor);
            return true;
        }

        var left = timeout - Stopwatch.GetElapsedTime(begin);
        if (left <= TimeSpan.Zero) return false;
        Monitor.Wait(monitor, left < Longest ? left : Longest);
        return true;
    }
}
