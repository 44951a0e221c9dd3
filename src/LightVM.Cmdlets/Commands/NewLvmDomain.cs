using System.Management.Automation;
using LightVM.Cmdlets.Configuration;
using LightVM.Cmdlets.Domains;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;

namespace LightVM.Cmdlets.Commands;

/// <summary>Creates domains out of files, configurations or parameters. What parameters say goes over what a file or a configuration says.</summary>
[Cmdlet(VerbsCommon.New, "LvmDomain", DefaultParameterSetName = FromPath, SupportsShouldProcess = true)]
[OutputType(typeof(Domain))]
public sealed class NewLvmDomainCommand : ConfigCmdlet
{
    private const string FromPath = "Path";
    private const string FromLiteralPath = "LiteralPath";
    private const string FromConfig = "Config";
    private const string FromParameters = "Parameters";

    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = FromPath)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[] Path { get; set; } = [];

    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = FromLiteralPath)]
    [ValidateNotNullOrEmpty]
    [Alias("PSPath", "LP")]
    public string[] LiteralPath { get; set; } = [];

    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = FromConfig)]
    [ValidateNotNull]
    public DomainConfig[] Config { get; set; } = [];

    [Parameter(ParameterSetName = FromPath)]
    [Parameter(ParameterSetName = FromLiteralPath)]
    [Parameter(ParameterSetName = FromConfig)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FromParameters)]
    [ValidateNotNullOrEmpty]
    public string? Name { get; set; }

    // In one set only: it is what tells a domain out of parameters from a file that some parameters change.
    [Parameter(Mandatory = true, ParameterSetName = FromParameters)]
    [ValidateNotNullOrEmpty]
    public string? Kernel { get; set; }

    [Parameter(ParameterSetName = FromPath)]
    [Parameter(ParameterSetName = FromLiteralPath)]
    [Parameter(ParameterSetName = FromConfig)]
    [Parameter(Mandatory = true, ParameterSetName = FromParameters)]
    [ValidateRange(1, 1 << 24)]
    public int MemoryMiB { get; set; }

    [Parameter]
    [ValidateRange(1, 32751)]
    public int Count { get; set; }

    protected override void ProcessRecord()
    {
        var isLiteral = ParameterSetName == FromLiteralPath;
        switch (ParameterSetName)
        {
            case FromParameters:
                CreateAll(Name!, "parameters", () => new DomainConfigDraft { VcpuCount = 1 });
                break;
            case FromConfig:
                foreach (var config in Config) CreateAll(config, $"configuration '{config.Name}'", config.ToDraft);
                break;
            default:
                ForFiles(isLiteral ? LiteralPath : Path, isLiteral, ErrorIds.ConfigNotFound, path => CreateAll(path, path, () => DomainConfigJson.ReadFile(path).ToDraft()));
                break;
        }
    }

    private void CreateAll(object target, string source, Func<DomainConfigDraft> read) => ForItem(target, () =>
    {
        var draft = read().With(ReadParameters(Name, Kernel, Given(nameof(MemoryMiB), MemoryMiB))).StartingAt(CurrentDirectory);
        var series = DomainSeries.Of(DomainConfig.From(draft, source), source, Given(nameof(Count), Count));
        foreach (var config in series)
        {
            if (!Create(config)) break;
        }
    });

    /// <summary>Creates one; false when there is no sense in trying the next of its series.</summary>
    private bool Create(DomainConfig config)
    {
        if (!ShouldProcess($"domain '{config.Name}' ({config.MemoryMiB} MiB, {config.VcpuCount} vCPU{(config.VcpuCount == 1 ? "" : "s")}, {config.Kernel})", "Create")) return true;
        try
        {
            WriteObject(CurrentHost.CreateDomain(config, Cancellation));
            return true;
        }
        catch (LvmException error) when (!IsStop(error))
        {
            WriteError(ToRecord(error, config.Name));
            return DomainSeries.GoesOnAfter(error);
        }
    }
}
