namespace LightVM.Domains;

/// <summary>What a domain used.</summary>
/// <param name="Domain">The domain at the end of the measurement; its creation, where the caller knew of that.</param>
/// <param name="Interval">For how long it was looked at.</param>
/// <param name="CpuUsed">Processor time used meanwhile by all its vCPUs together.</param>
public sealed record DomainMeasurement(Domain Domain, TimeSpan Interval, TimeSpan CpuUsed)
{
    public string Name => Domain.Name;

    public uint Id => Domain.Id;

    /// <summary>Processor time since its start.</summary>
    public TimeSpan CpuTime => Domain.CpuTime;

    /// <summary>Processor time of the interval in percent of it: 100 is one CPU.</summary>
    public double CpuPercent => Interval > TimeSpan.Zero ? 100 * (CpuUsed / Interval) : 0;

    public long MemoryKiB => Domain.MemoryKiB;

    /// <summary>How it was created; null where that is not known.</summary>
    public CreationRecord? Creation => Domain.Creation;
}

/// <summary>What several domains used together.</summary>
public sealed record DomainMeasurementTotal
{
    /// <summary>How many they are.</summary>
    public required int Count { get; init; }

    public required TimeSpan Interval { get; init; }

    /// <summary>Processor time since their starts.</summary>
    public required TimeSpan CpuTime { get; init; }

    /// <summary>Processor time of the interval in percent of it: 100 is one CPU.</summary>
    public required double CpuPercent { get; init; }

    public required long MemoryKiB { get; init; }

    /// <summary>Of how many domains it is known how they were created.</summary>
    public required int CreationCount { get; init; }

    /// <summary>How long the creation of one took on average; null where none is known.</summary>
    public required TimeSpan? CreationDuration { get; init; }

    /// <summary>How long each step took on average, of the creations that had it, in the order of the steps.</summary>
    public required IReadOnlyList<CreationStepTime> CreationSteps { get; init; }

    public static DomainMeasurementTotal Of(IReadOnlyCollection<DomainMeasurement> measurements)
    {
        var creations = measurements.Select(measurement => measurement.Creation).OfType<CreationRecord>().ToList();
        return new DomainMeasurementTotal
        {
            Count = measurements.Count,
            Interval = measurements.Count > 0 ? measurements.Max(measurement => measurement.Interval) : TimeSpan.Zero,
            CpuTime = Sum(measurements.Select(measurement => measurement.CpuTime)),
            CpuPercent = measurements.Sum(measurement => measurement.CpuPercent),
            MemoryKiB = measurements.Sum(measurement => measurement.MemoryKiB),
            CreationCount = creations.Count,
            CreationDuration = creations.Count > 0 ? Sum(creations.Select(creation => creation.Duration)) / creations.Count : null,
            CreationSteps = [.. creations.SelectMany(creation => creation.Steps).GroupBy(step => step.Name).Select(steps => new CreationStepTime(steps.Key, Sum(steps.Select(step => step.Duration)) / steps.Count()))],
        };
    }

    private static TimeSpan Sum(IEnumerable<TimeSpan> times) => TimeSpan.FromTicks(times.Sum(time => time.Ticks));
}
