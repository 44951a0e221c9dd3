using System.Collections.ObjectModel;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Configuration;

/// <summary>
/// What a domain is made of. Immutable, and valid from the moment it exists: <see cref="From"/> and
/// <see cref="DomainConfigJson"/> are the only ways in, and both go through the same rules. Two are equal when all they say is equal.
/// </summary>
public sealed class DomainConfig : IEquatable<DomainConfig>
{
    // xl's defaults, xl.cfg(5).
    internal const LifecycleAction DefaultOnPoweroff = LifecycleAction.Destroy;
    internal const LifecycleAction DefaultOnReboot = LifecycleAction.Restart;
    internal const LifecycleAction DefaultOnCrash = LifecycleAction.Destroy;

    /// <summary>The domain's name; see <see cref="DomainName"/> for what is allowed.</summary>
    public string Name { get; }

    /// <summary>
    /// Path of the kernel image in the control domain; at most 4095 bytes, and a relative one starts at the caller's directory.
    /// Null in the configuration of a saved domain, whose kernel is in its memory; creation refuses that.
    /// </summary>
    public string? Kernel { get; }

    /// <summary>Path of the initial ramdisk, as <see cref="Kernel"/>; null for none.</summary>
    public string? Ramdisk { get; }

    /// <summary>The kernel's command line, null for none: at most 1023 bytes in UTF-8 for PV, 4095 for PVH.</summary>
    public string? CommandLine { get; }

    /// <summary>Memory at the start, in MiB: 1 to 16777216 (16 TiB).</summary>
    public int MemoryMiB { get; }

    /// <summary>What the domain may grow to, in MiB: at least <see cref="MemoryMiB"/>, which is the default.</summary>
    public int MaxMemoryMiB { get; }

    /// <summary>Number of virtual CPUs: 1 to 128.</summary>
    public int VcpuCount { get; }

    /// <summary>
    /// Hard affinity: element i has the physical CPUs (0 to 255, each once) that vCPU i may run on. Never longer than
    /// <see cref="VcpuCount"/>; the vCPUs past its end, all of them when it is empty, may run anywhere.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<int>> CpuMap { get; }

    /// <summary>Width of the guest's addresses in bits: 64, or 32, which only PV can be.</summary>
    public int AddressSize { get; }

    /// <summary>Whether the new domain stays paused.</summary>
    public bool Paused { get; }

    /// <summary>Network interfaces, at most 16; the device id is the index.</summary>
    public IReadOnlyList<NetworkConfig> Vifs { get; private set; }

    /// <summary>Block devices, at most 16.</summary>
    public IReadOnlyList<DiskConfig> Vbds { get; }

    /// <summary><see cref="GuestType.PV"/> or <see cref="GuestType.PVH"/>.</summary>
    public GuestType Type { get; }

    /// <summary>How the guest learns of its devices; null when the configuration leaves it to the host.</summary>
    public DeviceMethod? DeviceMethod { get; private set; }

    /// <summary>The domain's UUID; null for a random one at creation.</summary>
    public Guid? Uuid { get; private set; }

    /// <summary>Whether the domain has a console.</summary>
    public bool Console { get; }

    /// <summary>What happens when the guest powers off.</summary>
    public LifecycleAction OnPoweroff { get; }

    /// <summary>What happens when the guest reboots.</summary>
    public LifecycleAction OnReboot { get; }

    /// <summary>What happens when the guest crashes.</summary>
    public LifecycleAction OnCrash { get; }

    /// <summary>The configuration that a draft describes.</summary>
    /// <param name="draft">The draft; what it holds is copied.</param>
    /// <param name="source">Where it came from, for the message: a path, or a word.</param>
    /// <exception cref="InvalidConfigException"><see cref="ErrorIds.ConfigInvalid"/>, with everything that is wrong.</exception>
    public static DomainConfig From(DomainConfigDraft draft, string source = "configuration")
    {
        var errors = draft.Check();
        if (errors.Count > 0) throw new InvalidConfigException(ErrorIds.ConfigInvalid, source, errors);
        return new DomainConfig(draft);
    }

    /// <summary>A draft that says the same, to be changed and turned into another configuration.</summary>
    public DomainConfigDraft ToDraft() => new()
    {
        Name = Name,
        Kernel = Kernel,
        Ramdisk = Ramdisk,
        CommandLine = CommandLine,
        MemoryMiB = MemoryMiB,
        // Left unsaid where it is the default, so that it follows when the memory is changed.
        MaxMemoryMiB = MaxMemoryMiB == MemoryMiB ? null : MaxMemoryMiB,
        VcpuCount = VcpuCount,
        CpuMap = CpuMap,
        AddressSize = AddressSize,
        Paused = Paused,
        Vifs = Vifs,
        Vbds = Vbds,
        Type = Type,
        DeviceMethod = DeviceMethod,
        Uuid = Uuid,
        Console = Console,
        OnPoweroff = OnPoweroff,
        OnReboot = OnReboot,
        OnCrash = OnCrash,
    };

    /// <summary>The same, with what a host has settled that was left open: as valid as this one is, so that no rule is gone through again.</summary>
    internal DomainConfig With(Guid uuid) => Changed(config => config.Uuid = uuid);

    /// <inheritdoc cref="With(Guid)"/>
    internal DomainConfig With(DeviceMethod method) => Changed(config => config.DeviceMethod = method);

    /// <inheritdoc cref="With(Guid)"/>
    /// <param name="vifs">Its own, with the addresses that they got.</param>
    internal DomainConfig With(Guid uuid, IEnumerable<NetworkConfig> vifs) => Changed(config => (config.Uuid, config.Vifs) = (uuid, Canonical(vifs)));

    public bool Equals(DomainConfig? other) =>
        ReferenceEquals(this, other)
        || (other is not null
            && Name == other.Name
            && Kernel == other.Kernel
            && Ramdisk == other.Ramdisk
            && CommandLine == other.CommandLine
            && MemoryMiB == other.MemoryMiB
            && MaxMemoryMiB == other.MaxMemoryMiB
            && VcpuCount == other.VcpuCount
            && CpuMap.Count == other.CpuMap.Count
            && CpuMap.Zip(other.CpuMap).All(pair => pair.First.SequenceEqual(pair.Second))
            && AddressSize == other.AddressSize
            && Paused == other.Paused
            && Vifs.SequenceEqual(other.Vifs)
            && Vbds.SequenceEqual(other.Vbds)
            && Type == other.Type
            && DeviceMethod == other.DeviceMethod
            && Uuid == other.Uuid
            && Console == other.Console
            && OnPoweroff == other.OnPoweroff
            && OnReboot == other.OnReboot
            && OnCrash == other.OnCrash);

    public override bool Equals(object? obj) => Equals(obj as DomainConfig);

    // What tells domains apart in practice; equality looks at the rest.
    public override int GetHashCode() => HashCode.Combine(Name, Uuid, Kernel, CommandLine, MemoryMiB, VcpuCount, Vifs.Count, Vbds.Count);

    public static bool operator ==(DomainConfig? left, DomainConfig? right) => left is null ? right is null : left.Equals(right);

    public static bool operator !=(DomainConfig? left, DomainConfig? right) => !(left == right);

    private DomainConfig(DomainConfigDraft draft)
    {
        Name = draft.Name!;
        Kernel = draft.Kernel;
        Ramdisk = NullIfEmpty(draft.Ramdisk);
        CommandLine = NullIfEmpty(draft.CommandLine);
        MemoryMiB = draft.MemoryMiB!.Value;
        MaxMemoryMiB = draft.MaxMemoryMiB ?? MemoryMiB;
        VcpuCount = draft.VcpuCount!.Value;
        CpuMap = Frozen(draft.CpuMap, IReadOnlyList<int> (cpus) => Frozen(cpus, cpu => cpu));
        AddressSize = draft.AddressSize ?? 64;
        Paused = draft.Paused ?? false;
        Vifs = Canonical(draft.Vifs ?? []);
        Vbds = Frozen(draft.Vbds, vbd => vbd);
        Type = draft.Type ?? GuestType.PV;
        DeviceMethod = draft.DeviceMethod;
        Uuid = draft.Uuid;
        Console = draft.Console ?? true;
        OnPoweroff = draft.OnPoweroff ?? DefaultOnPoweroff;
        OnReboot = draft.OnReboot ?? DefaultOnReboot;
        OnCrash = draft.OnCrash ?? DefaultOnCrash;
    }

    private DomainConfig Changed(Action<DomainConfig> change)
    {
        var copy = (DomainConfig)MemberwiseClone();
        change(copy);
        return copy;
    }

    private static ReadOnlyCollection<NetworkConfig> Canonical(IEnumerable<NetworkConfig> vifs) =>
        Array.AsReadOnly(vifs.Select((vif, place) => DomainConfigRules.Canonical(vif, place)).ToArray());

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;

    private static ReadOnlyCollection<TOut> Frozen<TIn, TOut>(IReadOnlyList<TIn>? list, Func<TIn, TOut> each) =>
        Array.AsReadOnly((list ?? []).Select(each).ToArray());
}
