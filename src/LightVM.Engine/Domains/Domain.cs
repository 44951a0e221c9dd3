using LightVM.Hypervisor;
using LightVM.Pools;

namespace LightVM.Domains;

/// <summary>A domain as it was when it was listed. It does not change: list again to see what became of it.</summary>
public sealed record Domain
{
    /// <summary>Xen's domain id.</summary>
    public required uint Id { get; init; }

    public required Guid Uuid { get; init; }

    /// <summary>Its name; empty where its toolstack gave it none.</summary>
    public required string Name { get; init; }

    public required DomainState State { get; init; }

    /// <summary>Why it stopped, when it did.</summary>
    public ShutdownReason? ShutdownReason { get; init; }

    public required GuestType Type { get; init; }

    /// <summary>vCPUs online.</summary>
    public required int VcpuCount { get; init; }

    /// <summary>vCPUs at the most.</summary>
    public required int MaxVcpuCount { get; init; }

    /// <summary>Memory in use, KiB.</summary>
    public required long MemoryKiB { get; init; }

    /// <summary>Memory in use, MiB, rounded to the nearest as xl does.</summary>
    public int MemoryMiB => (int)((MemoryKiB + 512) / 1024);

    /// <summary>The limit of its memory, KiB; <see cref="long.MaxValue"/> for none.</summary>
    public required long MaxMemoryKiB { get; init; }

    public required TimeSpan CpuTime { get; init; }

    /// <summary>When it was started; null where its toolstack did not say.</summary>
    public DateTimeOffset? StartTime { get; init; }

    /// <summary>How long it had been running when it was listed.</summary>
    public TimeSpan? Uptime { get; init; }

    /// <summary>How it was created and how long that took; only on the object that the creation returned.</summary>
    public CreationRecord? Creation { get; init; }

    /// <summary>What names this very domain, even when its id is used again.</summary>
    public DomainKey Key => new(Id, Uuid);

    /// <summary>The control domain.</summary>
    public bool IsControlDomain => Id == 0;

    /// <summary>A domain that was made before it was asked for, and waits in a pool.</summary>
    public bool IsShell => ShellName.IsShell(Name);

    public override string ToString() => Name.Length > 0 ? Name : $"domid {Id}";
}
