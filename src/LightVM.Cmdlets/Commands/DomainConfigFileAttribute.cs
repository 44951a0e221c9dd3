using System.Management.Automation;
using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Cmdlets.Commands;

/// <summary>Lets a configuration be given by the path of its file, which is read once, when the parameter is bound.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class DomainConfigFileAttribute : ArgumentTransformationAttribute
{
    // Only of texts: files that the pipeline brings are for -LiteralPath.
    public override object? Transform(EngineIntrinsics engineIntrinsics, object inputData) => Bare(inputData) switch
    {
        string path => Read(engineIntrinsics, path),
        object?[] list => list.Select(element => Bare(element) is string path ? Read(engineIntrinsics, path) : element).ToArray(),
        _ => inputData,
    };

    private static object? Bare(object? value) => value is PSObject wrapped ? wrapped.BaseObject : value;

    private static DomainConfig Read(EngineIntrinsics engine, string path)
    {
        try
        {
            return DomainConfigJson.ReadFile(engine.SessionState.Path.GetUnresolvedProviderPathFromPSPath(path));
        }
        catch (Exception error) when (error is LvmException or SessionStateException or ProviderInvocationException)
        {
            throw new ArgumentTransformationMetadataException(error.Message, error);
        }
    }
}
