using System.Management.Automation;
using LightVM.Cmdlets.Completion;
using LightVM.Cmdlets.Devices;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Linux;

namespace LightVM.Cmdlets.Commands;

/// <summary>Lists the disks of domains.</summary>
[Cmdlet(VerbsCommon.Get, "LvmDisk", DefaultParameterSetName = ByName)]
[OutputType(typeof(Disk))]
public sealed class GetLvmDiskCommand : DomainCmdlet
{
    [Parameter(Position = 0, ValueFromPipeline = true, ParameterSetName = ByName)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DomainNameCompleter))]
    public string[]? Name { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(VirtualDeviceCompleter))]
    public string[]? VirtualDevice { get; set; }

    protected override void ProcessRecord() => ForItem(CurrentHost, () =>
    {
        foreach (var disk in CurrentHost.Devices.ListDisks(SelectExisting(Name, forChange: false)))
        {
            if (VirtualDevice?.Any(text => DevicePatterns.Fits(text, disk)) != false) WriteObject(disk);
        }
    });
}

/// <summary>Gives domains a disk.</summary>
[Cmdlet(VerbsCommon.Add, "LvmDisk", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(Disk))]
public sealed class AddLvmDiskCommand : AddDeviceCmdlet
{
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    public string Target { get; set; } = "";

    [Parameter(Mandatory = true, Position = 2)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(FreeVirtualDeviceCompleter))]
    public string VirtualDevice { get; set; } = "";

    [Parameter]
    public DiskType Type { get; set; }

    [Parameter]
    public SwitchParameter ReadOnly { get; set; }

    private protected override void Change(Domain domain)
    {
        var path = ToFilePath(Target, ErrorIds.DiskNotFound);
        if (!ShouldProcess(Describe(domain), $"Add disk '{path}' as {VirtualDevice}{(ReadOnly ? ", read-only" : "")}")) return;
        var type = Given(nameof(Type), Type) ?? DiskTarget.TypeOf(path);
        var config = new DiskConfig(path, type, VirtualDevice, ReadOnly ? DiskAccess.ReadOnly : DiskAccess.ReadWrite);
        var disk = CurrentHost.Devices.AddDisk(domain.Key, config, Patience, Cancellation);
        if (PassThru) WriteObject(disk);
    }
}

/// <summary>Takes disks away from domains.</summary>
[Cmdlet(VerbsCommon.Remove, "LvmDisk", DefaultParameterSetName = ByName, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(void))]
public sealed class RemoveLvmDiskCommand : RemoveDeviceCmdlet
{
    private const string ByDisk = "Disk";

    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = ByName)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DomainNameCompleter))]
    public string[] Name { get; set; } = [];

    [Parameter(Mandatory = true, Position = 1, ParameterSetName = ByName)]
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = ById)]
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = ByUuid)]
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = ByObject)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(VirtualDeviceCompleter))]
    public string[] VirtualDevice { get; set; } = [];

    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = ByDisk)]
    [ValidateNotNull]
    public Disk[] Disk { get; set; } = [];

    protected override void ProcessRecord()
    {
        if (ParameterSetName == ByDisk)
        {
            foreach (var disk in Disk) Remove(disk);
            return;
        }

        ForDomains(Name, domain =>
        {
            foreach (var text in VirtualDevice)
                ForItem(domain, () =>
                {
                    foreach (var disk in Find(domain, text)) Remove(disk);
                });
        });
    }

    /// <summary>A name must be that of a disk; a pattern may match nothing.</summary>
    private IEnumerable<Disk> Find(Domain domain, string text) =>
        WildcardPattern.ContainsWildcardCharacters(text)
            ? CurrentHost.Devices.ListDisks(domain).Where(disk => DevicePatterns.Fits(text, disk))
            : [CurrentHost.Devices.GetDisk(domain, text)];

    private void Remove(Disk disk) => ForItem(disk, () =>
    {
        if (!ShouldProcess($"disk {disk.VirtualDevice} ('{disk.Target}') of domain '{disk.DomainName}' (id {disk.DomainId})", "Remove", Force)) return;
        CurrentHost.Devices.RemoveDisk(disk, Force, Patience, Cancellation);
    });
}
