namespace LightVM.Services;

/// <summary>A daemon of this toolstack, as it was when it was looked at.</summary>
public sealed record HostService
{
    /// <summary>"devd".</summary>
    public required string Name { get; init; }

    public required string Description { get; init; }

    public required ServiceState State { get; init; }

    /// <summary>Its process; null where none runs.</summary>
    public int? ProcessId { get; init; }

    /// <summary>When it was started; null where it did not say.</summary>
    public DateTimeOffset? StartTime { get; init; }

    /// <summary>Of its program; null where it did not say.</summary>
    public string? Version { get; init; }

    /// <summary>Network interfaces of guests on this host; null where it did not say.</summary>
    public int? NetworkAdapterCount { get; init; }

    /// <summary>Disks that it looks after; null where it did not say.</summary>
    public int? DiskCount { get; init; }

    /// <summary>Shells that wait in its pools; null where it has none, or did not say.</summary>
    public int? ShellCount { get; init; }

    /// <summary>Connections to it that are open; null where it did not say.</summary>
    public int? ClientCount { get; init; }

    /// <summary>systemd's unit of it.</summary>
    public required string Unit { get; init; }

    public override string ToString() => Name;
}
