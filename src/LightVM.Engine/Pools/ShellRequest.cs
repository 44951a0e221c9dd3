using LightVM.Configuration;
using LightVM.Hypervisor;

namespace LightVM.Pools;

/// <summary>What a shell has to be able to become.</summary>
internal sealed record ShellRequest
{
    public GuestType Type { get; init; }

    public int AddressSize { get; init; } = 64;

    /// <summary>Whether its guest is to have no store.</summary>
    public bool IsNoxs { get; init; }

    public int MemoryMiB { get; init; }

    public int MaxMemoryMiB { get; init; }

    public int VcpuCount { get; init; }

    public string? Kernel { get; init; }

    public string? Ramdisk { get; init; }

    public string? CommandLine { get; init; }

    public bool HasConsole { get; init; }

    public int InterfaceCount { get; init; }

    public int DiskCount { get; init; }

    /// <summary>The bridges of the interfaces; null where they have more to them than shells' interfaces have, so that they have to be attached.</summary>
    public IReadOnlyList<string?>? Bridges { get; init; } = [];

    public static ShellRequest Of(DomainConfig config) => new()
    {
        Type = config.Type,
        AddressSize = config.AddressSize,
        IsNoxs = config.DeviceMethod == DeviceMethod.Noxs,
        MemoryMiB = config.MemoryMiB,
        MaxMemoryMiB = config.MaxMemoryMiB,
        VcpuCount = config.VcpuCount,
        Kernel = PoolFlavour.FullPath(config.Kernel),
        Ramdisk = PoolFlavour.FullPath(config.Ramdisk),
        CommandLine = config.CommandLine,
        HasConsole = config.Console,
        InterfaceCount = config.Vifs.Count,
        DiskCount = config.Vbds.Count,
        Bridges = config.Vifs.All(vif => vif with { Ip = null, Mac = null } == new NetworkConfig(null, null, vif.Bridge)) ? config.Vifs.Select(vif => vif.Bridge).ToArray() : null,
    };
}
