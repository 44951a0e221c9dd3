using System.Numerics;
using FsCheck;
using FsCheck.Fluent;
using LightVM.Configuration;

namespace LightVM.Unit.Configuration;

public class RateLimitTests
{
    [Theory]
    [InlineData("10Mb/s", 62_500, 50_000)]
    [InlineData("10MB/s", 500_000, 50_000)]
    [InlineData("250KB/s", 12_500, 50_000)]
    [InlineData("8Kb/s", 50, 50_000)]
    [InlineData("20B/s", 1, 50_000)]
    [InlineData("160b/s", 1, 50_000)]
    [InlineData("1Gb/s", 6_250_000, 50_000)]
    [InlineData("1GB/s", 50_000_000, 50_000)]
    [InlineData("1MB/s@20ms", 20_000, 20_000)]
    [InlineData("1MB/s@1us", 1, 1)]
    [InlineData("1MB/s@2s", 2_000_000, 2_000_000)]
    [InlineData("1MB/s@4294967295us", 4_294_967_295, 4_294_967_295)]
    [InlineData("4294967295GB/s@4us", 17_179_869_180_000, 4)]
    [InlineData("39B/s", 1, 50_000)] // Fractions of a byte are dropped, as by xl,
    [InlineData("9b/s@1s", 1, 1_000_000)] // and so are fractions of a byte in a second.
    public void A_rate_and_an_interval_are_bytes_in_an_interval(string text, ulong bytes, uint microseconds)
    {
        Assert.True(RateLimit.TryParse(text, out var rate, out var why), why);
        Assert.Equal(new RateLimit(bytes, microseconds), rate);
    }

    [Theory]
    [InlineData("", "number and a unit")]
    [InlineData("@", "number and a unit")]
    [InlineData("@20ms", "number and a unit")]
    [InlineData("10", "number and a unit")]
    [InlineData("10Mb", "number and a unit")]
    [InlineData("10mb/s", "number and a unit")]
    [InlineData("10kB/s", "number and a unit")]
    [InlineData("10TB/s", "number and a unit")]
    [InlineData("10MB/m", "number and a unit")]
    [InlineData("MB/s", "number and a unit")]
    [InlineData("1.5MB/s", "number and a unit")]
    [InlineData("-1MB/s", "number and a unit")]
    [InlineData("+1MB/s", "number and a unit")]
    [InlineData(" 1MB/s", "number and a unit")]
    [InlineData("1MB/s ", "number and a unit")]
    [InlineData("1 MB/s", "number and a unit")]
    [InlineData("0x10MB/s", "number and a unit")]
    [InlineData("010MB/s", "number and a unit")] // xl: eight.
    [InlineData("١MB/s", "number and a unit")]
    [InlineData("0MB/s", "1 to 4294967295")]
    [InlineData("4294967296b/s", "1 to 4294967295")]
    [InlineData("99999999999999999999999999GB/s", "1 to 4294967295")]
    [InlineData("1MB/s@", "after the '@'")]
    [InlineData("1MB/s@20", "after the '@'")] // xl: microseconds by its manual, seconds by its parser.
    [InlineData("1MB/s@20m", "after the '@'")]
    [InlineData("1MB/s@20h", "after the '@'")]
    [InlineData("1MB/s@ms", "after the '@'")]
    [InlineData("1MB/s@020ms", "after the '@'")]
    [InlineData("1MB/s@20ms@20ms", "after the '@'")]
    [InlineData("1MB/s@0us", "1 to 4294967295 us")]
    [InlineData("1MB/s@4294967296us", "1 to 4294967295 us")]
    [InlineData("1MB/s@4294968ms", "1 to 4294967295 us")]
    [InlineData("1MB/s@4295s", "1 to 4294967295 us")]
    [InlineData("1MB/s@99999999999999999999999999s", "1 to 4294967295 us")]
    [InlineData("4294967295GB/s", "too high")]
    [InlineData("4294967295GB/s@5us", "too high")]
    [InlineData("4296MB/s@4294s", "too high")]
    [InlineData("19B/s", "less than one byte")]
    [InlineData("159b/s", "less than one byte")]
    [InlineData("7b/s@4000s", "less than one byte")]
    [InlineData("1MB/s@1us@", "after the '@'")]
    [InlineData("999KB/s@1us", "less than one byte")]
    public void Anything_else_is_refused_with_the_reason(string text, string reason)
    {
        Assert.False(RateLimit.TryParse(text, out var rate, out var why));
        Assert.Equal(default, rate);
        Assert.Contains(reason, why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("10Mb/s", "10Mb/s")]
    [InlineData("250KB/s", "2Mb/s")]
    [InlineData("8Mb/s", "1MB/s")]
    [InlineData("1000000B/s@50ms", "1MB/s")]
    [InlineData("1MB/s@20000us", "1MB/s@20ms")]
    [InlineData("1MB/s@2000ms", "1MB/s@2s")]
    [InlineData("1MB/s@1001us", "1MB/s@1001us")]
    [InlineData("39B/s", "20B/s")]
    [InlineData("4294967295Kb/s", "4294967295Kb/s")] // Too much for B/s, and no whole number of KB/s.
    public void A_limit_is_written_as_the_shortest_of_its_texts(string text, string shortest)
    {
        Assert.True(RateLimit.TryParse(text, out var rate, out _));
        Assert.Equal(shortest, rate.ToString());
    }

    [Fact]
    public void What_a_limit_is_written_as_is_read_as_that_limit_and_never_longer_than_what_it_was_read_from() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(5000), Prop.ForAll(ConfigGenerators.Rate.ToArbitrary(), text =>
        {
            if (!RateLimit.TryParse(text, out var rate, out _)) return true;
            var written = rate.ToString();
            return RateLimit.TryParse(written, out var again, out _) && again == rate && again.ToString() == written && written.Length <= text.Length;
        }));

    [Fact]
    public void Any_rate_is_counted_as_by_xl_and_refused_only_where_nothing_or_too_much_comes_out() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(5000), Prop.ForAll(ConfigGenerators.Rate.ToArbitrary(), text =>
        {
            var (number, bits, interval) = Parts(text);
            var product = number * bits / 8 * interval;
            var isPossible = interval <= uint.MaxValue && product <= ulong.MaxValue && product >= 1_000_000;
            return RateLimit.TryParse(text, out var rate, out _) == isPossible
                && (!isPossible || (rate.BytesPerInterval == product / 1_000_000 && rate.IntervalMicroseconds == interval));
        }));

    [Theory]
    [InlineData("10Mb/s", 1_250_000)]
    [InlineData("1MB/s@20ms", 1_000_000)]
    [InlineData("39B/s", 20)]
    public void A_limit_amounts_to_bytes_a_second(string text, ulong bytesPerSecond)
    {
        Assert.True(RateLimit.TryParse(text, out var rate, out _));
        Assert.Equal(bytesPerSecond, rate.BytesPerSecond);
    }

    [Theory]
    [InlineData(1, 3_000_000, "1 bytes in 3000000 us", 1)]
    [InlineData(ulong.MaxValue, 1, "18446744073709551615 bytes in 1 us", ulong.MaxValue)]
    [InlineData(0, 50_000, "0 bytes in 50000 us", 0)]
    [InlineData(0, 0, "0 bytes in 0 us", 0)]
    public void A_limit_that_no_rate_leads_to_is_told_in_words(ulong bytes, uint microseconds, string text, ulong bytesPerSecond)
    {
        var rate = new RateLimit(bytes, microseconds);
        Assert.Equal(text, rate.ToString());
        Assert.Equal(bytesPerSecond, rate.BytesPerSecond);
    }

    /// <summary>Number, bits of the unit, and microseconds.</summary>
    private static (BigInteger Number, BigInteger Bits, BigInteger Interval) Parts(string text)
    {
        var parts = text.Split('@');
        var (number, unit) = Split(parts[0]);
        var bits = (unit.Contains('B', StringComparison.Ordinal) ? 8 : 1) * BigInteger.Pow(1000, " KMG".IndexOf(unit.Length == 4 ? unit[0] : ' ', StringComparison.Ordinal));
        if (parts.Length == 1) return (number, bits, 50_000);
        var (length, of) = Split(parts[1]);
        return (number, bits, length * (of switch { "s" => 1_000_000, "ms" => 1_000, _ => 1 }));
    }

    private static (BigInteger Number, string Unit) Split(string text)
    {
        var unit = text.TrimStart("0123456789".ToCharArray());
        return (BigInteger.Parse(text[..^unit.Length], System.Globalization.CultureInfo.InvariantCulture), unit);
    }
}
