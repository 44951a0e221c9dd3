using System.Management.Automation;
using LightVM.Cmdlets.Configuration;
using LightVM.Cmdlets.Images;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Images;

namespace LightVM.Cmdlets.Commands;

/// <summary>Cmdlets that save domains to files.</summary>
public abstract class SavingDomainCmdlet : ParallelDomainCmdlet
{
    private readonly ImageTarget _target = new();

    // By property name, so that a script block can tell each domain's file: -Path { "/srv/$($_.Name).lightvm" }
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    [Parameter]
    public SwitchParameter Force { get; set; }

    [Parameter]
    [ValidateRange(1, MaxSeconds)]
    public int Timeout { get; set; } = 60;

    private protected abstract string Action { get; }

    private protected abstract bool KeepRunning { get; }

    private protected override void Change(Domain domain)
    {
        var file = _target.FileFor(ToFilePath(Path, ErrorIds.HostFileFailure), domain);
        if (!ShouldProcess(Describe(domain), $"{Action} to '{file}'")) return;
        var options = new SaveOptions { KeepRunning = KeepRunning, Overwrite = Force, Timeout = TimeSpan.FromSeconds(Timeout) };
        var host = CurrentHost;
        Queue(domain, cancellation => host.Images.Save(domain.Key, file, options, cancellation));
    }
}

/// <summary>Saves domains to files, and ends them.</summary>
[Cmdlet(VerbsData.Save, "LvmDomain", DefaultParameterSetName = ByName, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(DomainImage))]
public sealed class SaveLvmDomainCommand : SavingDomainCmdlet
{
    private protected override string Action => "Save";

    private protected override bool KeepRunning => false;
}

/// <summary>Saves domains to files, and lets them go on.</summary>
[Cmdlet(VerbsData.Checkpoint, "LvmDomain", DefaultParameterSetName = ByName, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Low)]
[OutputType(typeof(DomainImage))]
public sealed class CheckpointLvmDomainCommand : SavingDomainCmdlet
{
    private protected override string Action => "Checkpoint";

    private protected override bool KeepRunning => true;
}

/// <summary>Makes domains of what was saved.</summary>
[Cmdlet(VerbsData.Restore, "LvmDomain", DefaultParameterSetName = FromPath, SupportsShouldProcess = true)]
[OutputType(typeof(Domain))]
public sealed class RestoreLvmDomainCommand : LvmCmdlet
{
    private const string FromPath = "Path";
    private const string FromLiteralPath = "LiteralPath";
    private const string FromImage = "Image";

    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = FromPath)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[] Path { get; set; } = [];

    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = FromLiteralPath)]
    [ValidateNotNullOrEmpty]
    [Alias("PSPath", "LP")]
    public string[] LiteralPath { get; set; } = [];

    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = FromImage)]
    [ValidateNotNull]
    public DomainImage[] Image { get; set; } = [];

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Name { get; set; }

    [Parameter]
    public SwitchParameter Paused { get; set; }

    protected override void ProcessRecord()
    {
        switch (ParameterSetName)
        {
            case FromImage:
                foreach (var image in Image) ForItem(image, () => Restore(image.Path));
                break;
            case FromLiteralPath:
                ForFiles(LiteralPath, isLiteral: true, ErrorIds.ImageNotFound, Restore);
                break;
            default:
                ForFiles(Path, isLiteral: false, ErrorIds.ImageNotFound, Restore);
                break;
        }
    }

    private void Restore(string file)
    {
        if (!ShouldProcess($"'{file}'", Name is null ? "Restore domain" : $"Restore domain as '{Name}'")) return;
        WriteObject(CurrentHost.Images.Restore(file, new RestoreOptions { Name = Name, Paused = Paused }, Cancellation));
    }
}

/// <summary>Makes another domain of a running or of a saved one.</summary>
[Cmdlet(VerbsCommon.Copy, "LvmDomain", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(Domain))]
public sealed class CopyLvmDomainCommand : ChangingDomainCmdlet
{
    private const string FromPath = "Path";
    private const string FromImage = "Image";

    [Parameter(Mandatory = true, ParameterSetName = FromPath)]
    [ValidateNotNullOrEmpty]
    [Alias("LiteralPath")]
    public string Path { get; set; } = "";

    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = FromImage)]
    [ValidateNotNull]
    public DomainImage? Image { get; set; }

    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    public string NewName { get; set; } = "";

    [Parameter]
    [DeviceTable]
    public DiskConfig[]? Vbd { get; set; }

    [Parameter]
    public SwitchParameter Paused { get; set; }

    [Parameter(ParameterSetName = ByName)]
    [Parameter(ParameterSetName = ById)]
    [Parameter(ParameterSetName = ByUuid)]
    [Parameter(ParameterSetName = ByObject)]
    [ValidateRange(1, MaxSeconds)]
    public int Timeout { get; set; } = 60;

    private RestoreOptions Options => new() { Name = NewName, AsCopy = true, Paused = Paused, Disks = Vbd };

    protected override void ProcessRecord()
    {
        if (ParameterSetName == FromPath) ForItem(Path, () => Copy(ToFilePath(Path, ErrorIds.ImageNotFound)));
        else if (ParameterSetName == FromImage) ForItem(Image!, () => Copy(Image!.Path));
        else base.ProcessRecord();
    }

    private protected override void Change(Domain domain)
    {
        if (!ShouldProcess(Describe(domain), $"Copy to '{NewName}'")) return;
        WriteObject(CurrentHost.Images.Copy(domain.Key, NewName, TimeSpan.FromSeconds(Timeout), Options, Cancellation));
    }

    private void Copy(string file)
    {
        if (!ShouldProcess($"'{file}'", $"Copy to '{NewName}'")) return;
        WriteObject(CurrentHost.Images.Restore(file, Options, Cancellation));
    }
}
