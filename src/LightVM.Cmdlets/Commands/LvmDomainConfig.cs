using System.Management.Automation;
using LightVM.Cmdlets.Configuration;
using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Cmdlets.Commands;

/// <summary>Makes a configuration out of parameters, or another one out of one that there is.</summary>
[Cmdlet(VerbsCommon.New, "LvmDomainConfig", DefaultParameterSetName = FromParameters)]
[OutputType(typeof(DomainConfig))]
public sealed class NewLvmDomainConfigCommand : ConfigCmdlet
{
    private const string FromParameters = "Parameters";
    private const string FromTemplate = "Template";

    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = FromTemplate)]
    [ValidateNotNull]
    public DomainConfig? Template { get; set; }

    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FromParameters)]
    [Parameter(Position = 0, ParameterSetName = FromTemplate)]
    [ValidateNotNullOrEmpty]
    public string? Name { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Kernel { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = FromParameters)]
    [Parameter(ParameterSetName = FromTemplate)]
    [ValidateRange(1, 1 << 24)]
    public int MemoryMiB { get; set; }

    protected override void ProcessRecord() => ForItem(Template as object ?? Name!, () =>
    {
        var draft = Template?.ToDraft() ?? new DomainConfigDraft { VcpuCount = 1 };
        WriteObject(DomainConfig.From(draft.With(ReadParameters(Name, Kernel, Given(nameof(MemoryMiB), MemoryMiB))), "parameters"));
    });
}

/// <summary>Cmdlets that read configuration files.</summary>
public abstract class ConfigFileCmdlet : LvmCmdlet
{
    private const string FromPath = "Path";

    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = FromPath)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[] Path { get; set; } = [];

    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = "LiteralPath")]
    [ValidateNotNullOrEmpty]
    [Alias("PSPath", "LP")]
    public string[] LiteralPath { get; set; } = [];

    protected override void ProcessRecord()
    {
        var isLiteral = ParameterSetName != FromPath;
        ForFiles(isLiteral ? LiteralPath : Path, isLiteral, ErrorIds.ConfigNotFound, Read);
    }

    private protected abstract void Read(string path);
}

/// <summary>Reads configurations from files.</summary>
[Cmdlet(VerbsData.Import, "LvmDomainConfig", DefaultParameterSetName = "Path")]
[OutputType(typeof(DomainConfig))]
public sealed class ImportLvmDomainConfigCommand : ConfigFileCmdlet
{
    // A saved domain's configuration has no kernel: creation asks for one, reading does not.
    private protected override void Read(string path) => WriteObject(DomainConfigJson.ReadFile(path, requireKernel: false));
}

/// <summary>Checks configuration files and says everything that is wrong with them.</summary>
[Cmdlet(VerbsDiagnostic.Test, "LvmDomainConfig", DefaultParameterSetName = "Path")]
[OutputType(typeof(DomainConfigTestResult), typeof(bool))]
public sealed class TestLvmDomainConfigCommand : ConfigFileCmdlet
{
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    private protected override void Read(string path)
    {
        var result = DomainConfigTestResult.Of(path);
        WriteObject(Quiet ? result.IsValid : result);
    }
}

/// <summary>Writes configurations to files.</summary>
[Cmdlet(VerbsData.Export, "LvmDomainConfig", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class ExportLvmDomainConfigCommand : LvmCmdlet
{
    private ExportTarget? _target;

    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    [Parameter(Mandatory = true, ValueFromPipeline = true)]
    [ValidateNotNull]
    public DomainConfig[] Config { get; set; } = [];

    [Parameter]
    public SwitchParameter NoClobber { get; set; }

    protected override void ProcessRecord()
    {
        foreach (var config in Config)
        {
            ForItem(config, () =>
            {
                _target ??= new ExportTarget(ToFilePath(Path, ErrorIds.ConfigNotWritable));
                var file = _target.FileFor(config);
                if (!ShouldProcess(file, $"Write configuration of domain '{config.Name}'")) return;
                DomainConfigJson.WriteFile(config, file, overwrite: !NoClobber);
            });
        }
    }
}
