using System.Management.Automation;

namespace LightVM.Cmdlets.Commands;

/// <summary>
/// Names are texts. What the pipeline brings is one only where it is: PowerShell would turn a configuration, which is bound elsewhere, into
/// a text for a parameter that takes texts by value.
/// </summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class NameTextAttribute : ArgumentTransformationAttribute
{
    public override object? Transform(EngineIntrinsics engineIntrinsics, object inputData)
    {
        var bare = inputData is PSObject wrapped ? wrapped.BaseObject : inputData;
        if (bare is null or string or ValueType) return inputData;
        // This very exception tells PowerShell to try it elsewhere.
        throw new ArgumentTransformationMetadataException($"A name is a text, not a {bare.GetType().Name}.", new PSInvalidCastException($"A {bare.GetType().Name} is no name."));
    }
}
