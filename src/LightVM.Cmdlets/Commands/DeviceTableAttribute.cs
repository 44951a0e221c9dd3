using System.Collections;
using System.Management.Automation;
using LightVM.Cmdlets.Configuration;

namespace LightVM.Cmdlets.Commands;

/// <summary>Lets devices be written as hashtables. One with the key Target is a disk, any other a network interface.</summary>
[AttributeUsage(AttributeTargets.Property)]
internal sealed class DeviceTableAttribute : ArgumentTransformationAttribute
{
    public override object? Transform(EngineIntrinsics engineIntrinsics, object inputData) => Bare(inputData) switch
    {
        IDictionary table => Convert(table),
        object?[] list => list.Select(element => Bare(element) is IDictionary table ? Convert(table) : element).ToArray(),
        _ => inputData,
    };

    private static object? Bare(object? value) => value is PSObject wrapped ? wrapped.BaseObject : value;

    private static object Convert(IDictionary table)
    {
        try
        {
            var isDisk = table.Keys.Cast<object>().Any(key => $"{key}".Equals("Target", StringComparison.OrdinalIgnoreCase));
            return isDisk ? DeviceTables.ToDisk(table) : DeviceTables.ToNetwork(table);
        }
        catch (ArgumentException error)
        {
            throw new ArgumentTransformationMetadataException(error.Message, error);
        }
    }
}
