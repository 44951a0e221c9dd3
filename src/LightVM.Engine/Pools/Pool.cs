namespace LightVM.Pools;

/// <summary>A pool as it was when it was looked at.</summary>
public sealed record Pool
{
    public required PoolDefinition Definition { get; init; }

    public string Name => Definition.Name;

    public ShellKind Kind => Definition.Flavour.Kind;

    public int Minimum => Definition.Minimum;

    public int Maximum => Definition.Maximum;

    public int? MemoryBudgetMiB => Definition.MemoryBudgetMiB;

    /// <summary>Shells that wait.</summary>
    public int ReadyCount { get; init; }

    /// <summary>Shells that are being made.</summary>
    public int MakingCount { get; init; }

    /// <summary>Shells that were handed out and are becoming domains now.</summary>
    public int LentCount { get; init; }

    /// <summary>How many it wants to have ready, by its refill rule.</summary>
    public int TargetCount { get; init; }

    /// <summary>Requests that got a shell, since the daemon began.</summary>
    public long Hits { get; init; }

    /// <summary>Requests that would have fitted and found none ready, since the daemon began.</summary>
    public long Misses { get; init; }

    /// <summary>Requests a second, over the last seconds.</summary>
    public double TakeRate { get; init; }

    /// <summary>Shells made a second, over the last seconds.</summary>
    public double RefillRate { get; init; }

    /// <summary>How long the making of one takes, as of lately; null before the first.</summary>
    public TimeSpan? MakeTime { get; init; }

    /// <summary>When the oldest shell that waits was made; null where none waits.</summary>
    public DateTimeOffset? OldestTime { get; init; }

    /// <summary>How old that is.</summary>
    public TimeSpan? Age => DateTimeOffset.UtcNow - OldestTime;

    /// <summary>Why it has not what it wants; null where nothing is wrong.</summary>
    public string? Problem { get; init; }

    /// <summary>Memory of the shells that wait, MiB.</summary>
    public int MemoryMiB => ReadyCount * Definition.Flavour.MemoryMiB;

    public override string ToString() => Name;
}
