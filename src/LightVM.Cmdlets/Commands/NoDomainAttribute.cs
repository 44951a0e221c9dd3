using System.Management.Automation;
using LightVM.Domains;

namespace LightVM.Cmdlets.Commands;

/// <summary>Keeps PowerShell from making a text of a domain that comes through the pipeline where text is expected.</summary>
public sealed class NoDomainAttribute : ArgumentTransformationAttribute
{
    public override object Transform(EngineIntrinsics engineIntrinsics, object inputData) =>
        (inputData is PSObject wrapped ? wrapped.BaseObject : inputData) is Domain domain
            ? throw new ArgumentTransformationMetadataException($"The domain '{domain}' is not text. With domains from the pipeline, the text is given by its parameter's name: -Text.")
            : inputData;
}
