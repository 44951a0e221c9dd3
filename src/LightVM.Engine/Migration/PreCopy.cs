using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Migration;

/// <summary>
/// Decides how long memory is sent while the guest runs: as long as the rest gets smaller, and until it is so small that the guest's
/// standing still is short.
/// </summary>
/// <param name="pages">Pages that the domain has.</param>
/// <param name="bytesSent">Tells how many bytes have been sent.</param>
/// <param name="catchUp">Returns when all that was sent has been worked off: what a round took, it took until then, and a guest that is suspended before stands still meanwhile.</param>
/// <param name="suspend">Suspends the guest.</param>
internal sealed class PreCopy(
    bool isLive, MoveOptions options, long pages, Func<long> bytesSent, Action catchUp, Action suspend, Action<MoveProgress>? progress, TimeProvider? time = null) : ISaveControl
{
    private const int PageSize = 4096;

    /// <summary>What is short enough where nobody said how short it has to be.</summary>
    private static readonly TimeSpan ShortDowntime = TimeSpan.FromMilliseconds(50);

    /// <summary>A round that leaves more than this part of the one before has not helped.</summary>
    private const double Helpful = 0.8;

    /// <summary>After so many that have not helped, none will.</summary>
    private const int MostUseless = 2;

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private long? _lastTime;
    private long _lastBytes;
    private long _lastDirty = long.MaxValue;
    private int _useless;
    private long _rate;

    public bool IsLive => isLive;

    /// <summary>The rounds that were begun while the guest ran.</summary>
    public int Rounds { get; private set; }

    public long PagesSent { get; private set; }

    public SaveDecision Decide(in SaveProgress state)
    {
        PagesSent = state.PagesSent;
        if (state.PagesDirty is null) catchUp();
        Measure();
        if (state.PagesDirty is not { } dirty) return SaveDecision.NextRound; // they are counted first
        TimeSpan? downtime = _rate > 0 ? TimeSpan.FromSeconds((double)dirty * PageSize / _rate) : null;
        var decision = Decide(state.Round, dirty, downtime);
        if (decision == SaveDecision.NextRound) Rounds = state.Round + 1;
        progress?.Invoke(new MoveProgress(decision == SaveDecision.NextRound ? MovePhase.Copying : MovePhase.Stopping, Rounds, pages, PagesSent, dirty, bytesSent(), _rate, downtime));
        return decision;
    }

    public void Suspend()
    {
        progress?.Invoke(new MoveProgress(MovePhase.Stopping, Rounds, pages, PagesSent, null, bytesSent(), _rate, null));
        if (isLive) catchUp();
        suspend();
    }

    private SaveDecision Decide(int round, long dirty, TimeSpan? downtime)
    {
        if (downtime is { } known && known <= (options.MaximumDowntime ?? ShortDowntime)) return SaveDecision.StopAndCopy;
        if (round > 0 && dirty == 0) return SaveDecision.StopAndCopy;
        _useless = dirty > _lastDirty * Helpful ? _useless + 1 : 0;
        _lastDirty = dirty;
        if (round < options.MaximumRounds && _useless < MostUseless) return SaveDecision.NextRound;
        // It gets no better.
        if (options.MaximumDowntime is { } limit && downtime is { } expected && expected > limit)
        {
            throw new LvmException(
                ErrorIds.DowntimeTooLong,
                $"its guest would stand still for about {expected.TotalMilliseconds:0} ms instead of {limit.TotalMilliseconds:0} ms: after {round} rounds it still changes {dirty} pages in each, at {_rate / (1 << 20)} MiB/s");
        }

        return SaveDecision.StopAndCopy;
    }

    /// <summary>The rate since it was measured last.</summary>
    private void Measure()
    {
        var (now, bytes) = (_time.GetTimestamp(), bytesSent());
        if (_lastTime is { } last)
        {
            if (bytes == _lastBytes) return;
            _rate = (long)((bytes - _lastBytes) / Math.Max(_time.GetElapsedTime(last, now).TotalSeconds, 1e-4));
        }

        (_lastTime, _lastBytes) = (now, bytes);
    }
}
