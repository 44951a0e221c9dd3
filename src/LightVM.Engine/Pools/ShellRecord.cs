using LightVM.Configuration;
using LightVM.Hypervisor;

namespace LightVM.Pools;

/// <summary>How far a shell has come.</summary>
internal enum ShellState
{
    /// <summary>It is being made.</summary>
    Making,

    /// <summary>It is whole: whoever claims it first may have it.</summary>
    Ready,

    /// <summary>Somebody makes a domain of it. When that is done, there is nothing left that says it was a shell.</summary>
    Claimed,
}

/// <summary>What is kept of a shell, so that whoever finds it knows what it is: one that is not whole is nobody's, and goes.</summary>
internal sealed record ShellRecord
{
    public required Guid Uuid { get; init; }

    public required string Pool { get; init; }

    public required PoolFlavour Flavour { get; init; }

    public ShellState State { get; init; }

    /// <summary>Its domain; 0 before there is one.</summary>
    public uint Id { get; init; }

    public GuestPorts Ports { get; init; }

    /// <summary>Of one that has its guest in it.</summary>
    public GuestRings Rings { get; init; }

    /// <summary>Its interfaces with their addresses.</summary>
    public IReadOnlyList<NetworkConfig> Vifs { get; init; } = [];

    /// <summary>Of a snapshot: the interfaces that its guest has in use, by their numbers, and comes back to.</summary>
    public IReadOnlyList<int> InUse { get; init; } = [];

    /// <summary>The files that it was made of (<see cref="PoolFlavour.Stamp"/>).</summary>
    public string Stamp { get; init; } = "";

    /// <summary>When it was made.</summary>
    public DateTimeOffset Made { get; init; }

    /// <summary>Of a claimed one: the uuid that it gets, where that is another.</summary>
    public Guid? Becomes { get; init; }

    public DomainKey Key => new(Id, Uuid);

    public string Name => ShellName.Of(Pool, Uuid);
}
