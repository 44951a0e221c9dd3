namespace LightVM.Pools;

/// <summary>One pool in its keeper's hands, which locks it.</summary>
internal sealed class PoolState(PoolDefinition definition, TimeProvider time) : IDisposable
{
    /// <summary>Over which time rates are averaged: what happened so long ago counts a third.</summary>
    private static readonly TimeSpan Memory = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromMinutes(1);

    private readonly Rate _takes = new(time);
    private readonly Rate _makes = new(time);
    private TimeSpan _delay;
    private long _failed;

    public PoolDefinition Definition { get; set; } = definition;

    /// <summary>Shells that wait, the oldest first.</summary>
    public List<ShellRecord> Ready { get; } = [];

    public int Making { get; set; }

    public int Lent { get; set; }

    public long Hits { get; private set; }

    public long Misses { get; private set; }

    public TimeSpan? MakeTime { get; private set; }

    public string? Problem { get; set; }

    public bool IsRemoved { get; set; }

    /// <summary>Of a snapshot, once it was needed.</summary>
    public PoolImage? Image { get; set; }

    public PoolFlavour Flavour => Definition.Flavour;

    /// <summary>
    /// The refill rule: as many as the minimum, and twice as many as are asked for while one is being made; never more than the maximum or
    /// the memory budget allow.
    /// </summary>
    public int Target
    {
        get
        {
            var ahead = MakeTime is { } make ? Math.Ceiling(_takes.PerSecond * make.TotalSeconds * 2) : 0;
            var wanted = Math.Min(Definition.Minimum + ahead, Definition.Maximum);
            return (int)(Definition.MemoryBudgetMiB is { } budget ? Math.Min(wanted, budget / Flavour.MemoryMiB) : wanted);
        }
    }

    /// <summary>How long to wait before the next attempt to make one.</summary>
    public TimeSpan Pause => _delay == TimeSpan.Zero ? TimeSpan.Zero : _delay - time.GetElapsedTime(_failed) is { Ticks: > 0 } left ? left : TimeSpan.Zero;

    /// <summary>The oldest shell that waits, which does so no more; null for none.</summary>
    public ShellRecord? TakeReady()
    {
        var oldest = Ready.FirstOrDefault();
        if (oldest is not null) Ready.RemoveAt(0);
        return oldest;
    }

    public void NoteRequest(bool isHit)
    {
        _takes.Add();
        if (isHit) Hits++;
        else Misses++;
    }

    public void NoteMade(TimeSpan duration)
    {
        _makes.Add();
        MakeTime = MakeTime is { } before ? before * 0.8 + duration * 0.2 : duration;
        _delay = TimeSpan.Zero;
        Problem = null;
    }

    public void NoteFailure(string problem)
    {
        Problem = problem;
        _failed = time.GetTimestamp();
        _delay = _delay == TimeSpan.Zero ? FirstDelay : _delay * 2 < LongestDelay ? _delay * 2 : LongestDelay;
    }

    public Pool Describe() => new()
    {
        Definition = Definition,
        ReadyCount = Ready.Count,
        MakingCount = Making,
        LentCount = Lent,
        TargetCount = Target,
        Hits = Hits,
        Misses = Misses,
        TakeRate = _takes.PerSecond,
        RefillRate = _makes.PerSecond,
        MakeTime = MakeTime,
        OldestTime = Ready.FirstOrDefault()?.Made,
        Problem = Problem,
    };

    public void Dispose() => Image?.Dispose();

    /// <summary>Events a second, weighted exponentially by their age.</summary>
    private sealed class Rate(TimeProvider time)
    {
        private double _value;
        private long _since = time.GetTimestamp();

        public double PerSecond => _value * Math.Exp(-time.GetElapsedTime(_since) / Memory);

        public void Add()
        {
            _value = PerSecond + 1 / Memory.TotalSeconds;
            _since = time.GetTimestamp();
        }
    }
}
