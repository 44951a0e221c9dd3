using LightVM.Hypervisor;

namespace LightVM.Configuration;

/// <summary>
/// A configuration in the making: anything may be missing or wrong. <see cref="DomainConfig.From"/> turns it into one that is
/// valid, and each property means here what it means there; null is "not said" and takes the default.
/// </summary>
public sealed class DomainConfigDraft
{
    public string? Name { get; set; }

    public string? Kernel { get; set; }

    public string? Ramdisk { get; set; }

    public string? CommandLine { get; set; }

    public int? MemoryMiB { get; set; }

    public int? MaxMemoryMiB { get; set; }

    public int? VcpuCount { get; set; }

    public IReadOnlyList<IReadOnlyList<int>>? CpuMap { get; set; }

    public int? AddressSize { get; set; }

    public bool? Paused { get; set; }

    public IReadOnlyList<NetworkConfig>? Vifs { get; set; }

    public IReadOnlyList<DiskConfig>? Vbds { get; set; }

    public GuestType? Type { get; set; }

    public DeviceMethod? DeviceMethod { get; set; }

    public Guid? Uuid { get; set; }

    public bool? Console { get; set; }

    public LifecycleAction? OnPoweroff { get; set; }

    public LifecycleAction? OnReboot { get; set; }

    public LifecycleAction? OnCrash { get; set; }

    /// <summary>
    /// Everything that is wrong with the draft; empty when <see cref="DomainConfig.From"/> would take it. The paths are those
    /// of the JSON format ("$.vifs[0].mac"), so that a message reads the same wherever a configuration came from.
    /// </summary>
    public IReadOnlyList<ConfigError> Check() => DomainConfigRules.Check(this);
}
