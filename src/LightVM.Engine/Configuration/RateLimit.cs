using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace LightVM.Configuration;

/// <summary>How much a guest may send over one interface: so many bytes in each interval, which is how netback counts.</summary>
/// <param name="BytesPerInterval">Bytes in one interval.</param>
/// <param name="IntervalMicroseconds">Length of an interval, µs.</param>
public readonly record struct RateLimit(ulong BytesPerInterval, uint IntervalMicroseconds)
{
    private const uint DefaultInterval = 50_000;
    private const uint Second = 1_000_000;

    /// <summary>Names of units with the bits a second that each stands for; those of bytes first, so that they win where two texts are as short.</summary>
    private static readonly (string Name, ulong Bits)[] Units =
    [
        ("GB/s", 8_000_000_000), ("MB/s", 8_000_000), ("KB/s", 8_000), ("B/s", 8),
        ("Gb/s", 1_000_000_000), ("Mb/s", 1_000_000), ("Kb/s", 1_000), ("b/s", 1),
    ];

    private static readonly (string Name, uint Microseconds)[] IntervalUnits = [("s", Second), ("ms", 1_000), ("us", 1)];

    /// <summary>What the limit amounts to in bytes a second; where that is a fraction, the next whole number.</summary>
    public ulong BytesPerSecond => IntervalMicroseconds == 0 ? 0 : ulong.CreateSaturating(LeastPerSecond(BytesPerInterval));

    /// <summary>
    /// Reads a rate as xl.cfg has it (xl-network-configuration(5)): a whole number, "GB/s", "MB/s", "KB/s", "B/s", "Gb/s",
    /// "Mb/s", "Kb/s" or "b/s", and perhaps "@" with an interval in "s", "ms" or "us" (50 ms without). Prefixes are powers of 1000.
    /// </summary>
    /// <remarks>
    /// What xl takes for something else than it seems is refused: numbers that begin with 0, which are octal to it; an interval
    /// without a unit, which its manual has in microseconds and its parser in seconds; and less than one byte in an interval.
    /// </remarks>
    /// <param name="text">The rate.</param>
    /// <param name="rate">The limit; empty when the text is refused.</param>
    /// <param name="why">What is wrong with it, a sentence without a full stop; null when it is valid.</param>
    public static bool TryParse(string text, out RateLimit rate, [NotNullWhen(false)] out string? why)
    {
        rate = default;
        var at = text.IndexOf('@');
        if (!TrySplit(at < 0 ? text : text.AsSpan(0, at), out var number, out var unit)
            || Array.Find(Units, known => known.Name == unit) is not { Name: not null } known)
        {
            why = "must be a whole number and a unit, such as \"10Mb/s\" or \"250KB/s\" (b: bits, B: bytes), perhaps with an interval: \"1MB/s@20ms\"";
            return false;
        }

        if (number is 0 or > uint.MaxValue)
        {
            why = $"has a number that is not 1 to {uint.MaxValue}";
            return false;
        }

        var interval = DefaultInterval;
        if (at >= 0 && !TryInterval(text.AsSpan(at + 1), out interval, out why)) return false;
        return TryMake(number, known.Bits, interval, out rate, out why);
    }

    /// <summary>The shortest text that <see cref="TryParse"/> reads as this limit. For a limit that no text stands for, its two numbers in words.</summary>
    public override string ToString()
    {
        var limit = this;
        return Units.Select(limit.TextIn).OfType<string>().MinBy(text => text.Length) ?? $"{BytesPerInterval} bytes in {IntervalMicroseconds} us";
    }

    private string? TextIn((string Name, ulong Bits) unit)
    {
        if (IntervalMicroseconds == 0) return null;
        // Many rates amount to one limit, because a fraction of a byte in an interval is dropped. The least of them in this unit:
        var number = (LeastPerSecond(BytesPerInterval) * 8 + unit.Bits - 1) / unit.Bits;
        if (number > uint.MaxValue) return null;
        return TryMake(number, unit.Bits, IntervalMicroseconds, out var rate, out _) && rate == this ? number + unit.Name + IntervalText() : null;
    }

    private string IntervalText()
    {
        var interval = IntervalMicroseconds;
        if (interval == DefaultInterval) return "";
        var (name, microseconds) = Array.Find(IntervalUnits, unit => interval % unit.Microseconds == 0);
        return $"@{interval / microseconds}{name}";
    }

    /// <summary>The least bytes a second that amount to so many in an interval.</summary>
    private UInt128 LeastPerSecond(ulong bytes) => ((UInt128)bytes * Second + IntervalMicroseconds - 1) / IntervalMicroseconds;

    private static bool TryMake(UInt128 number, ulong bits, uint interval, out RateLimit rate, [NotNullWhen(false)] out string? why)
    {
        rate = default;
        // Fractions of a byte are dropped twice, and 64 bits are all there are, as for xl.
        var product = number * bits / 8 * interval;
        why = product > ulong.MaxValue ? "is too high for its interval" : product < Second ? "is less than one byte in each interval" : null;
        if (why is not null) return false;
        rate = new RateLimit((ulong)product / Second, interval);
        return true;
    }

    private static bool TryInterval(ReadOnlySpan<char> text, out uint interval, [NotNullWhen(false)] out string? why)
    {
        interval = 0;
        if (!TrySplit(text, out var number, out var unit)
            || Array.Find(IntervalUnits, known => known.Name == unit) is not { Name: not null } known)
        {
            why = "must have a whole number and s, ms or us after the '@', such as \"@20ms\"";
            return false;
        }

        var microseconds = number * known.Microseconds;
        why = microseconds is 0 or > uint.MaxValue ? $"has an interval that is not 1 to {uint.MaxValue} us" : null;
        interval = why is null ? (uint)microseconds : 0;
        return why is null;
    }

    /// <summary>A number and what follows it. A number too high for any use comes out as one past 32 bits.</summary>
    private static bool TrySplit(ReadOnlySpan<char> text, out ulong number, out string unit)
    {
        var digits = text.IndexOfAnyExceptInRange('0', '9');
        if (digits < 0) digits = text.Length;
        unit = text[digits..].ToString();
        number = 0;
        if (digits == 0 || (digits > 1 && text[0] == '0')) return false;
        if (!uint.TryParse(text[..digits], NumberStyles.None, CultureInfo.InvariantCulture, out var small)) number = uint.MaxValue + 1UL;
        else number = small;
        return true;
    }
}
