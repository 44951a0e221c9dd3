using LightVM.Hypervisor;

namespace LightVM.Noxs;

/// <summary>
/// The device pages of LightVM's own hypervisor, which are its own and not the guests', beside those that guests have in their memory (<see cref="DevicePage"/>):
/// LightVM's guests know these alone, ours either.
/// </summary>
internal sealed class HypervisorPages(IDeviceLists lists)
{
    /// <summary>The environment variable by which an administrator says that this host's hypervisor has them.</summary>
    public const string Variable = "LIGHTVM_DEVCTL";

    /// <summary>Those of this host; null where its hypervisor has none.</summary>
    public static HypervisorPages? Of(IHypervisor hypervisor) =>
        hypervisor is IDeviceLists lists && IsLightVM(hypervisor.GetInfo(), Environment.GetEnvironmentVariable(Variable)) ? new HypervisorPages(lists) : null;

    /// <summary>
    /// Whether this is LightVM's own: a Xen 4.8 that says so in its version or its capabilities, or any of which the administrator does (<paramref name="word"/> "1"). The call by which
    /// it is asked has a number that every newer Xen has for something else, so nobody finds out by trying.
    /// </summary>
    public static bool IsLightVM(HypervisorInfo info, string? word) =>
        word == "1" || (Is48(info.Version) && $"{info.Version} {info.Capabilities}".Contains("LightVM", StringComparison.OrdinalIgnoreCase));

    /// <summary>
    /// Makes a domain's list what it shall be. One that only gets longer is added to; any other is taken down and put up anew: a removal takes more than it was told to, and a guest
    /// does not look behind as many places as it is told that there are devices, so there must be no holes.
    /// </summary>
    /// <param name="devices">At most <see cref="DevicePage.MaxDevices"/>; those of no type do not count.</param>
    public void Write(uint domain, IEnumerable<DeviceEntry> devices)
    {
        var wanted = devices.Where(device => device.Type != EntryType.None).ToList();
        ArgumentOutOfRangeException.ThrowIfGreaterThan(wanted.Count, DevicePage.MaxDevices, nameof(devices));
        var there = lists.List(domain);
        if (!wanted.Take(there.Count).SequenceEqual(there)) there = TakeDown(domain, there);
        foreach (var device in wanted.Skip(there.Count)) lists.Add(domain, device);
    }

    private IReadOnlyList<DeviceEntry> TakeDown(uint domain, IReadOnlyList<DeviceEntry> there)
    {
        while (there.Count > 0)
        {
            var (first, before) = (there[0], there.Count);
            lists.Remove(domain, first);
            there = lists.List(domain);
            // The count goes down by one for each removal: so as many of these as devices went, and nothing is left that they would take.
            for (var gone = before - there.Count; gone > 1; gone--) lists.Remove(domain, first);
        }

        return there;
    }

    private static bool Is48(string version) => version.StartsWith("4.8", StringComparison.Ordinal) && !char.IsAsciiDigit(version.ElementAtOrDefault(3));
}
