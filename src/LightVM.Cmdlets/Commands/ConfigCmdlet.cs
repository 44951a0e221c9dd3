using System.Management.Automation;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Cmdlets.Commands;

/// <summary>Cmdlets whose parameters describe a domain. Name, kernel and memory are each cmdlet's own: where they must be given differs.</summary>
public abstract class ConfigCmdlet : LvmCmdlet
{
    [Parameter]
    [AllowEmptyString]
    public string? Ramdisk { get; set; }

    [Parameter]
    [AllowEmptyString]
    public string? CommandLine { get; set; }

    [Parameter]
    [ValidateRange(1, 1 << 24)]
    public int MaxMemoryMiB { get; set; }

    [Parameter]
    [ValidateRange(1, 128)]
    public int VcpuCount { get; set; }

    [Parameter]
    public int[][]? CpuMap { get; set; }

    [Parameter]
    [ValidateSet("32", "64")]
    public int AddressSize { get; set; }

    [Parameter]
    [ValidateSet("PV", "PVH")]
    public GuestType Type { get; set; }

    [Parameter]
    [DeviceTable]
    public NetworkConfig[]? Vif { get; set; }

    [Parameter]
    [DeviceTable]
    public DiskConfig[]? Vbd { get; set; }

    [Parameter]
    public DeviceMethod DeviceMethod { get; set; }

    [Parameter]
    public Guid Uuid { get; set; }

    [Parameter]
    public SwitchParameter Paused { get; set; }

    [Parameter]
    public SwitchParameter NoConsole { get; set; }

    [Parameter]
    public LifecycleAction OnPoweroff { get; set; }

    [Parameter]
    public LifecycleAction OnReboot { get; set; }

    [Parameter]
    public LifecycleAction OnCrash { get; set; }

    /// <summary>What the parameters say; what was not given stays null.</summary>
    private protected DomainConfigDraft ReadParameters(string? name, string? kernel, int? memoryMiB) => new()
    {
        Name = name,
        Kernel = kernel is null ? null : ToFilePath(kernel, ErrorIds.KernelNotFound),
        Ramdisk = string.IsNullOrEmpty(Ramdisk) ? Ramdisk : ToFilePath(Ramdisk, ErrorIds.RamdiskNotFound),
        CommandLine = CommandLine,
        MemoryMiB = memoryMiB,
        MaxMemoryMiB = Given(nameof(MaxMemoryMiB), MaxMemoryMiB),
        VcpuCount = Given(nameof(VcpuCount), VcpuCount),
        CpuMap = CpuMap,
        AddressSize = Given(nameof(AddressSize), AddressSize),
        Paused = Given(nameof(Paused), Paused.IsPresent),
        Vifs = Vif,
        Vbds = Vbd,
        Type = Given(nameof(Type), Type),
        DeviceMethod = Given(nameof(DeviceMethod), DeviceMethod),
        Uuid = Given(nameof(Uuid), Uuid),
        Console = Given(nameof(NoConsole), !NoConsole.IsPresent),
        OnPoweroff = Given(nameof(OnPoweroff), OnPoweroff),
        OnReboot = Given(nameof(OnReboot), OnReboot),
        OnCrash = Given(nameof(OnCrash), OnCrash),
    };
}
