using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace LightVM.Configuration;

/// <summary>Hardware addresses as text.</summary>
public static class MacAddress
{
    /// <summary>What Chaos writes, less its leading zeros, for an interface without an address.</summary>
    internal const string None = "00:00:00:00:00:00";

    private const int Length = 6;

    /// <summary>
    /// Reads six bytes in hexadecimal between colons, each of one or two digits (Chaos writes "0:16:3e:0:0:1").
    /// Refuses group addresses: no interface can send from one (IEEE 802: the lowest bit of the first byte).
    /// </summary>
    /// <param name="text">The address.</param>
    /// <param name="address">The same address in lower case with leading zeros.</param>
    /// <param name="why">What is wrong with it; null when it is valid.</param>
    public static bool TryParse(string text, [NotNullWhen(true)] out string? address, [NotNullWhen(false)] out string? why)
    {
        address = null;
        why = "must be six bytes in hexadecimal between colons, such as \"00:16:3e:00:00:01\"";

        var parts = text.Split(':', Length + 1);
        if (parts.Length != Length) return false;

        var bytes = new byte[Length];
        for (var i = 0; i < Length; i++)
        {
            if (parts[i].Length is < 1 or > 2) return false;
            if (!byte.TryParse(parts[i], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out bytes[i])) return false;
        }

        if ((bytes[0] & 1) != 0)
        {
            why = "is a multicast address (the lowest bit of its first byte is set); an interface needs a unicast one";
            return false;
        }

        address = string.Join(':', bytes.Select(value => value.ToString("x2", CultureInfo.InvariantCulture)));
        why = null;
        return true;
    }
}
