using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Images;

namespace LightVM.Pools;

/// <summary>What the shells of a pool are made of. Disks are never part of it: they are attached when a shell is used.</summary>
public sealed record PoolFlavour
{
    public ShellKind Kind { get; init; }

    public GuestType Type { get; init; }

    /// <summary>Width of a PV guest, 32 or 64.</summary>
    public int AddressSize { get; init; } = 64;

    public required int MemoryMiB { get; init; }

    /// <summary>How their guests learn of their devices; null for by Xenstore.</summary>
    public DeviceMethod? DeviceMethod { get; init; }

    /// <summary>What the guest may grow to.</summary>
    public required int MaxMemoryMiB { get; init; }

    public int VcpuCount { get; init; } = 1;

    /// <summary>The bridges of its network interfaces, in order, null for none; without an interface, those that are asked for are attached at the use.</summary>
    public IReadOnlyList<string?> Bridges { get; init; } = [];

    /// <summary>Of a built shell, and of a snapshot for whom it is asked by: path of the kernel.</summary>
    public string? Kernel { get; init; }

    public string? Ramdisk { get; init; }

    public string? CommandLine { get; init; }

    /// <summary>Of a snapshot: path of the saved image.</summary>
    public string? Image { get; init; }

    /// <summary>The flavour that a configuration fits, with all that it says about it.</summary>
    /// <param name="image">Of a snapshot: the saved image, whose configuration this is.</param>
    /// <exception cref="LvmException">PoolInvalid: there can be no shells of this kind for such a domain.</exception>
    public static PoolFlavour Of(DomainConfig config, ShellKind kind, string? image = null)
    {
        if (kind == ShellKind.Snapshot && config.Vbds.Count > 0) throw Invalid("a snapshot with disks cannot be used more than once");
        if (ShellRequest.Of(config).Bridges is null)
            throw Invalid("interfaces of shells have a bridge and nothing else: no rate, no number of queues, no number of their own");
        if (kind == ShellKind.Built && config.Kernel is null) throw Invalid("a built shell needs a kernel");
        var hasKernel = kind != ShellKind.Shell;
        return new PoolFlavour
        {
            Kind = kind,
            Type = config.Type,
            AddressSize = config.AddressSize,
            DeviceMethod = config.DeviceMethod,
            MemoryMiB = config.MemoryMiB,
            MaxMemoryMiB = config.MaxMemoryMiB,
            VcpuCount = config.VcpuCount,
            Bridges = config.Vifs.Select(vif => vif.Bridge).ToArray(),
            Kernel = hasKernel ? FullPath(config.Kernel) : null,
            Ramdisk = hasKernel ? FullPath(config.Ramdisk) : null,
            CommandLine = hasKernel ? config.CommandLine : null,
            Image = FullPath(image),
        };
    }

    /// <summary>The flavour of snapshots of a saved image. Errors: PoolInvalid, ImageNotFound, ImageUnreadable, ImageInvalid, ImageUnsupported.</summary>
    public static PoolFlavour OfImage(string path)
    {
        using var image = ImageReader.Open(path);
        return Of(image.Config, ShellKind.Snapshot, path);
    }

    public bool Equals(PoolFlavour? other) => other is not null
        && (Kind, Type, AddressSize, IsNoxs, MemoryMiB, MaxMemoryMiB, VcpuCount, Kernel, Ramdisk, CommandLine, Image)
            == (other.Kind, other.Type, other.AddressSize, other.IsNoxs, other.MemoryMiB, other.MaxMemoryMiB, other.VcpuCount, other.Kernel, other.Ramdisk, other.CommandLine, other.Image)
        && Bridges.SequenceEqual(other.Bridges);

    public override int GetHashCode() => HashCode.Combine(Kind, Type, MemoryMiB, VcpuCount, Kernel, CommandLine, Image);

    private bool IsNoxs => DeviceMethod == Configuration.DeviceMethod.Noxs;

    /// <summary>What a shell is made of, before it is anybody's.</summary>
    internal DomainConfig ConfigFor(Guid uuid) => DomainConfig.From(DraftFor(uuid));

    internal DomainConfigDraft DraftFor(Guid uuid) => new()
    {
        Name = $"shell-{uuid:n}",
        Uuid = uuid,
        Type = Type,
        AddressSize = AddressSize,
        DeviceMethod = DeviceMethod,
        MemoryMiB = MemoryMiB,
        MaxMemoryMiB = MaxMemoryMiB,
        VcpuCount = VcpuCount,
        Vifs = Bridges.Select(bridge => new NetworkConfig(null, null, bridge)).ToArray(),
        Kernel = Kernel,
        Ramdisk = Ramdisk,
        CommandLine = CommandLine,
        Paused = true,
    };

    /// <summary>Whether a shell of this flavour can become what is asked for.</summary>
    internal bool Fits(ShellRequest request)
    {
        if (request.Type != Type || request.AddressSize != AddressSize || request.IsNoxs != IsNoxs) return false;
        if (Bridges.Count > 0 && (request.Bridges is null || !Bridges.SequenceEqual(request.Bridges))) return false;
        if (Kind == ShellKind.Shell) return request.MemoryMiB <= MemoryMiB && request.VcpuCount <= VcpuCount;
        return (request.MemoryMiB, request.MaxMemoryMiB, request.VcpuCount, request.Kernel, request.Ramdisk, request.CommandLine) == (MemoryMiB, MaxMemoryMiB, VcpuCount, Kernel, Ramdisk, CommandLine)
            && request.HasConsole
            && (Kind == ShellKind.Built || (request.DiskCount == 0 && request.InterfaceCount == Bridges.Count));
    }

    /// <summary>Sorts the nearest to a running guest first, then the smallest.</summary>
    internal (int, int, int, int) Rank => (-(int)Kind, MemoryMiB, VcpuCount, -Bridges.Count);

    /// <summary>What files it is made of, and which: two are the same when these texts are.</summary>
    internal string Stamp() => string.Join(';', new[] { Kind == ShellKind.Built ? Kernel : null, Kind == ShellKind.Built ? Ramdisk : null, Image }.Select(path =>
        path is null ? "" : new FileInfo(path) is { Exists: true } file ? $"{file.Length}:{file.LastWriteTimeUtc.Ticks}" : "none"));

    internal static string? FullPath(string? path) => path is null ? null : Path.GetFullPath(path);

    private static LvmException Invalid(string problem) => new(ErrorIds.PoolInvalid, problem);
}
