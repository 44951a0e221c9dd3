using System.Management.Automation;
using LightVM.Configuration;
using LightVM.Devices;

namespace LightVM.Cmdlets.Devices;

/// <summary>Which devices a text stands for: one, in whichever spelling, or all that a pattern matches. A text that is no name stands for none.</summary>
internal static class DevicePatterns
{
    public static bool Fits(string text, NetworkAdapter adapter) =>
        Matches(text, adapter.MacAddress) ?? (MacAddress.TryParse(text, out var address, out _) && address == adapter.MacAddress);

    public static bool Fits(string text, Disk disk) =>
        Matches(text, disk.VirtualDevice) ?? (VirtualDevice.TryParse(text, out var id, out _) && id == disk.DeviceId);

    /// <summary>Null where the text is no pattern.</summary>
    private static bool? Matches(string text, string name) =>
        WildcardPattern.ContainsWildcardCharacters(text) ? WildcardPattern.Get(text, WildcardOptions.IgnoreCase | WildcardOptions.CultureInvariant).IsMatch(name) : null;
}
