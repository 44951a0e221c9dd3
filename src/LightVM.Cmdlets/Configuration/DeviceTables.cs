using System.Collections;
using System.Globalization;
using LightVM.Configuration;

namespace LightVM.Cmdlets.Configuration;

/// <summary>Devices written as hashtables: <c>@{ Bridge = 'xenbr0' }</c>, <c>@{ Target = '/dev/sdb'; VirtualDevice = 'xvda' }</c>. Keys are the names of the properties, of any case.</summary>
internal static class DeviceTables
{
    /// <summary>An interface out of its keys Ip, Mac, Bridge, Rate, QueueCount, Trusted (true by default) and DeviceId, all optional.</summary>
    /// <exception cref="ArgumentException">A key is unknown, or a value is of the wrong type.</exception>
    public static NetworkConfig ToNetwork(IDictionary table)
    {
        var values = Read(
            table,
            nameof(NetworkConfig.Ip),
            nameof(NetworkConfig.Mac),
            nameof(NetworkConfig.Bridge),
            nameof(NetworkConfig.Rate),
            nameof(NetworkConfig.QueueCount),
            nameof(NetworkConfig.Trusted),
            nameof(NetworkConfig.DeviceId));
        return new NetworkConfig(values[0], values[1], values[2], values[3], Integer(values[4], nameof(NetworkConfig.QueueCount)), Boolean(values[5], nameof(NetworkConfig.Trusted), true), Integer(values[6], nameof(NetworkConfig.DeviceId)));
    }

    /// <summary>A disk out of its keys Target and VirtualDevice, Type (Phy by default) and Access (ReadWrite by default).</summary>
    /// <exception cref="ArgumentException">A key is unknown or missing, or a word is.</exception>
    public static DiskConfig ToDisk(IDictionary table)
    {
        var values = Read(table, nameof(DiskConfig.Target), nameof(DiskConfig.VirtualDevice), nameof(DiskConfig.Type), nameof(DiskConfig.Access));
        return new DiskConfig(
            values[0] ?? throw new ArgumentException("A disk needs the key Target."),
            Word(values[2], nameof(DiskConfig.Type), DiskType.Phy),
            values[1] ?? throw new ArgumentException("A disk needs the key VirtualDevice."),
            Word(values[3], nameof(DiskConfig.Access), DiskAccess.ReadWrite));
    }

    private static string?[] Read(IDictionary table, params string[] keys)
    {
        var values = new string?[keys.Length];
        foreach (DictionaryEntry entry in table)
        {
            var key = Convert.ToString(entry.Key, CultureInfo.InvariantCulture);
            var index = Array.FindIndex(keys, known => string.Equals(known, key, StringComparison.OrdinalIgnoreCase));
            if (index < 0) throw new ArgumentException($"There is no key '{key}'; the keys are {string.Join(", ", keys)}.");
            // $null is "not said", which to Convert is an empty string.
            values[index] = entry.Value is null ? null : Convert.ToString(entry.Value, CultureInfo.InvariantCulture);
        }

        return values;
    }

    private static int? Integer(string? text, string key)
    {
        if (text is null) return null;
        return int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new ArgumentException($"{key} is a whole number, not '{text}'.");
    }

    private static bool Boolean(string? text, string key, bool otherwise)
    {
        if (text is null) return otherwise;
        return bool.TryParse(text, out var value) ? value : throw new ArgumentException($"{key} is $true or $false, not '{text}'.");
    }

    private static T Word<T>(string? text, string key, T otherwise)
        where T : struct, Enum
    {
        if (string.IsNullOrEmpty(text)) return otherwise;
        return Enum.TryParse<T>(text, ignoreCase: true, out var value) && Enum.IsDefined(value)
            ? value
            : throw new ArgumentException($"{key} is one of {string.Join(", ", Enum.GetNames<T>())}, not '{text}'.");
    }
}
