using System.Globalization;
using LightVM.Configuration;
using LightVM.Devices;

namespace LightVM.Cmdlets.Completion;

/// <summary>What is proposed for a device's number, address or name, and for a bridge, of which the beginning was typed.</summary>
internal static class DeviceText
{
    /// <summary>Past these a virtual device has another form of number, and hardly any guest has so many.</summary>
    private const int ProposedDisks = 16;

    public static IEnumerable<Proposal> Ids(IEnumerable<NetworkAdapter> adapters, string typed) => adapters
        .GroupBy(adapter => adapter.DeviceId)
        .OrderBy(group => group.Key)
        .Select(group => (Text: group.Key.ToString(CultureInfo.InvariantCulture), Adapters: group))
        .Where(pair => pair.Text.StartsWith(CompletionText.Unquoted(typed), StringComparison.Ordinal))
        .Select(pair => new Proposal(pair.Text, $"{pair.Text} ({string.Join(", ", pair.Adapters)})", Lines(pair.Adapters.Select(Describe))));

    public static IEnumerable<Proposal> Addresses(IEnumerable<NetworkAdapter> adapters, string typed) => adapters
        .Where(adapter => Begins(adapter.MacAddress, typed))
        .Select(adapter => new Proposal(CompletionText.Quoted(adapter.MacAddress, typed), $"{adapter.MacAddress} ({adapter.DomainName})", Describe(adapter)));

    public static IEnumerable<Proposal> VirtualDevices(IEnumerable<Disk> disks, string typed) => disks
        .GroupBy(disk => disk.VirtualDevice)
        .OrderBy(group => group.Min(disk => disk.DeviceId))
        .Where(group => Begins(group.Key, typed))
        .Select(group => new Proposal(CompletionText.Quoted(group.Key, typed), group.Key, Lines(group.Select(Describe))));

    /// <summary>Names that none of the disks has.</summary>
    public static IEnumerable<Proposal> FreeVirtualDevices(IEnumerable<Disk> disks, string typed)
    {
        var taken = disks.Select(disk => disk.DeviceId).ToHashSet();
        return Enumerable.Range(0, ProposedDisks)
            .Select(disk => $"xvd{(char)('a' + disk)}")
            .Where(name => Begins(name, typed) && VirtualDevice.TryParse(name, out var id, out _) && !taken.Contains(id))
            .Select(name => new Proposal(CompletionText.Quoted(name, typed), name, name));
    }

    public static IEnumerable<Proposal> Bridges(IEnumerable<string> bridges, string typed) => bridges
        .Where(bridge => Begins(bridge, typed))
        .Select(bridge => new Proposal(CompletionText.Quoted(bridge, typed), bridge, bridge));

    private static bool Begins(string text, string typed) => text.Length > 0 && text.StartsWith(CompletionText.Unquoted(typed), StringComparison.OrdinalIgnoreCase);

    private static string Lines(IEnumerable<string> texts) => string.Join('\n', texts);

    private static string Describe(NetworkAdapter adapter) => $"{adapter.DomainName}: {adapter.MacAddress}, {adapter.Bridge ?? "no bridge"}, {adapter.State}";

    private static string Describe(Disk disk) => $"{disk.DomainName}: {disk.Target}, {disk.Access}, {disk.State}";
}
