using System.Management.Automation;
using LightVM.Errors;
using LightVM.Images;

namespace LightVM.Cmdlets.Commands;

/// <summary>Shows what saved images hold, whole or broken.</summary>
[Cmdlet(VerbsCommon.Get, "LvmImage", DefaultParameterSetName = FromPath)]
[OutputType(typeof(DomainImage))]
public sealed class GetLvmImageCommand : LvmCmdlet
{
    private const string FromPath = "Path";

    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = FromPath)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[] Path { get; set; } = [];

    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = "LiteralPath")]
    [ValidateNotNullOrEmpty]
    [Alias("PSPath", "LP", "FullName")]
    public string[] LiteralPath { get; set; } = [];

    protected override void ProcessRecord()
    {
        var isLiteral = ParameterSetName != FromPath;
        ForFiles(isLiteral ? LiteralPath : Path, isLiteral, ErrorIds.ImageNotFound, path => WriteObject(ImageReader.Describe(path, Cancellation)));
    }
}
