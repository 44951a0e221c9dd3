using System.Globalization;
using System.Management.Automation;

namespace LightVM.Cmdlets.Domains;

/// <summary>How far a batch of domains has got, as PowerShell shows it: done, failed, rate, time left.</summary>
internal sealed class BatchProgress(string activity, TimeProvider? time = null)
{
    private const int ActivityId = 1;

    /// <summary>How often something new is shown at the most where it is not known how many there will be.</summary>
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private long? _begin;
    private long _shown;
    private int _percent = -1;

    /// <summary>How many there will be; null where nobody knows.</summary>
    public int? Total { get; set; }

    public int Done { get; private set; }

    public int Failed { get; private set; }

    /// <summary>The first is being done: the rate counts from here.</summary>
    public void Begin() => _begin ??= _time.GetTimestamp();

    /// <summary>"412 of 1000 done, 3 failed, 35.2/s".</summary>
    public string Status => string.Create(CultureInfo.InvariantCulture, $"{Done}{(Total is int total ? $" of {total}" : "")} done, {Failed} failed, {Rate:0.0}/s");

    /// <summary>How much of it is done; null where nobody knows how much it is.</summary>
    public int? Percent => Total is int total ? (int)Math.Min(100, 100L * (Done + Failed) / total) : null;

    /// <summary>How long the rest will take at this rate; null where nobody knows.</summary>
    public int? SecondsLeft => Total is int total && Rate > 0 ? (int)Math.Ceiling((total - Done - Failed) / Rate) : null;

    private double Rate => _begin is long begin && _time.GetElapsedTime(begin).TotalSeconds is > 0 and var seconds ? (Done + Failed) / seconds : 0;

    /// <summary>One more has come to its end. Whether there is something new to show: of one domain alone there never is.</summary>
    public bool Count(bool failed)
    {
        if (failed) Failed++;
        else Done++;
        if (Total is 1) return false;
        if (Percent is { } percent)
        {
            var isNew = percent != _percent;
            _percent = percent;
            return isNew;
        }

        if (_time.GetElapsedTime(Math.Max(_shown, _begin ?? 0)) < Interval) return false;
        _shown = _time.GetTimestamp();
        return true;
    }

    public ProgressRecord Show()
    {
        var record = new ProgressRecord(ActivityId, activity, Status);
        if (Percent is { } percent) record.PercentComplete = percent;
        if (SecondsLeft is { } seconds) record.SecondsRemaining = seconds;
        return record;
    }

    /// <summary>Takes the display away.</summary>
    public ProgressRecord End() => new(ActivityId, activity, "done") { RecordType = ProgressRecordType.Completed };
}
