using System.Diagnostics.CodeAnalysis;

namespace LightVM.Configuration;

/// <summary>How much a guest may send over one interface: so many bytes in each interval, which is how netback counts.</summary>
/// <param name="BytesPerInterval">Bytes in one interval.</param>
/// <param name="IntervalMicroseconds">Length of an interval, µs.</param>
public readonly record struct RateLimit(ulong BytesPerInterval, uint IntervalMicroseconds)
{
    /// <summary>Reads a rate as xl.cfg has it (xl-network-configuration(5)): a whole number, "GB/s", "MB/s", "KB/s", "B/s", "Gb/s", "Mb/s", "Kb/s" or "b/s", and perhaps "@" with an interval in "s", "ms" or "us" (50 ms without).</summary>
    /// <param name="why">What is wrong with it, a sentence without a full stop; null when it is valid.</param>
    public static bool TryParse(string text, out RateLimit rate, [NotNullWhen(false)] out string? why)
    {
        throw new NotImplementedException();
    }
}
