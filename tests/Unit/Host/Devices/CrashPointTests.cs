using System.Reflection;
using LightVM.Host.Devices;

namespace LightVM.Unit.Host.Devices;

public sealed class CrashPointTests
{
    [Fact]
    public void The_list_has_every_name_once()
    {
        var constants = typeof(CrashPoints).GetFields(BindingFlags.Public | BindingFlags.Static)
            .Where(field => field.IsLiteral && field.Name != nameof(CrashPoints.Variable))
            .Select(field => (string)field.GetRawConstantValue()!)
            .ToArray();

        Assert.Equal(constants.Order(StringComparer.Ordinal), CrashPoints.All.Order(StringComparer.Ordinal));
        Assert.Equal(CrashPoints.All.Count, CrashPoints.All.Distinct().Count());
    }

    [Fact]
    public void The_command_prints_it()
    {
        using var lightvm = new Lightvm();

        Assert.Equal(CrashPoints.All, lightvm.Run("devd", "--list-crash-points").Lines);
    }

    [Fact]
    public void Nobody_dies_who_did_not_ask_for_it()
    {
        Assert.Null(CrashPoints.Chosen);
        foreach (var point in CrashPoints.All) CrashPoints.Reach(point);
    }
}
