using System.Diagnostics;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using LightVM.Configuration;

namespace LightVM.Unit.Configuration;

/// <summary>What holds for every configuration and for every text.</summary>
public class DomainConfigPropertyTests
{
    private static readonly Config Thousand = Config.QuickThrowOnFailure.WithMaxTest(1000);

    /// <summary>Far above what a text takes on a loaded machine, and far below what a quadratic algorithm would.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(20);

    [Fact]
    public void Any_configuration_survives_writing_and_reading() =>
        Check.One(Thousand, Prop.ForAll(ConfigGenerators.Config.ToArbitrary(), config =>
        {
            var text = DomainConfigJson.Write(config);
            var read = DomainConfigJson.Parse(text, "test");
            return read == config && read.GetHashCode() == config.GetHashCode() && DomainConfigJson.Write(read).AsSpan().SequenceEqual(text);
        }));

    [Fact]
    public void Any_configuration_survives_becoming_a_draft() =>
        Check.One(Thousand, Prop.ForAll(ConfigGenerators.Config.ToArbitrary(), config => DomainConfig.From(config.ToDraft()) == config));

    [Fact]
    public void Random_bytes_are_refused_properly()
    {
        var bytes = Gen.ArrayOf(Gen.Choose(0, 255).Select(value => (byte)value)).ToArbitrary();
        Check.One(Thousand, Prop.ForAll(bytes, text => AcceptedOrRefused(text)));
    }

    [Fact]
    public void Random_sequences_of_JSON_pieces_are_refused_properly()
    {
        string[] pieces =
        [
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\n", " ", "null", "true", "1", "-", "1e9", "\"\\ud800\"", "/*", "\0",
            "\"name\":", "\"memory\":", "\"vcpus\":", "\"count\":", "\"cpumap\":", "\"vifs\":", "\"vbds\":", "\"xen\":", "\"g\"", "{\"vdev\":\"xvda\"}",
        ];
        var texts = Gen.ListOf(Gen.Elements(pieces)).Select(list => Encoding.UTF8.GetBytes("{" + string.Concat(list))).ToArbitrary();
        Check.One(Thousand, Prop.ForAll(texts, text => AcceptedOrRefused(text)));
    }

    [Fact]
    public void Random_changes_to_a_valid_text_are_accepted_or_refused_properly()
    {
        var full = Encoding.UTF8.GetBytes(ConfigSamples.Full);
        var change = from offset in Gen.Choose(0, full.Length - 1)
                     from value in Gen.Choose(0, 255)
                     select (Offset: offset, Value: (byte)value);
        var changes = Gen.NonEmptyListOf(change).Select(list => list.Take(8).ToArray()).ToArbitrary();

        Check.One(Thousand.WithMaxTest(5000), Prop.ForAll(changes, list =>
        {
            var text = (byte[])full.Clone();
            foreach (var (offset, value) in list) text[offset] = value;
            return AcceptedOrRefused(text);
        }));
    }

    [Fact]
    public void A_valid_text_without_any_one_of_its_bytes_is_accepted_or_refused_properly()
    {
        var full = Encoding.UTF8.GetBytes(ConfigSamples.Full);
        for (var i = 0; i < full.Length; i++) Assert.True(AcceptedOrRefused([.. full[..i], .. full[(i + 1)..]]));
    }

    [Fact]
    public void A_valid_text_cut_off_anywhere_is_a_syntax_error_at_its_end_and_nothing_else()
    {
        var full = Encoding.UTF8.GetBytes(ConfigSamples.Full);
        for (var length = 0; length < full.Length; length++)
        {
            var refused = ConfigSamples.Refuse(full[..length]);
            Assert.Equal(Errors.ErrorIds.ConfigSyntax, refused.ErrorId);
            Assert.Equal("$", Assert.Single(refused.Errors).Path);
        }
    }

    public static readonly TheoryData<string, string, string, string> LargeTexts = new()
    {
        { "unknown keys", "{", "\"a\":1,", "}" },
        { "one long key", "{\"", "a", "\":1}" },
        { "one long word", "{\"on_crash\":\"", "a", "\"}" },
        { "one long number", "{\"memory\":", "9", "}" },
        { "interfaces", "{\"vifs\":[", "{\"mac\":\"x\"},", "{}]}" },
        { "wrong disks", "{\"vbds\":[", "0,", "0]}" },
        { "CPUs", "{\"vcpus\":{\"count\":1,\"cpumap\":[[", "7,", "7]]}}" },
        { "vCPUs", "{\"vcpus\":{\"count\":1,\"cpumap\":[", "[],", "[]]}}" },
        { "lines", "{", "\n", "}" },
        { "letters of a disk", "{\"vbds\":[{\"vdev\":\"xvd", "z", "\"}]}" },
        { "levels", "", "{\"a\":", "" },
    };

    [Theory]
    [MemberData(nameof(LargeTexts))]
    public void The_worst_of_1_MiB_is_refused_soon(string what, string start, string piece, string end)
    {
        var text = new StringBuilder(start);
        while (text.Length + piece.Length + end.Length <= 1 << 20) text.Append(piece);
        var watch = Stopwatch.StartNew();

        ConfigSamples.Refuse(text.Append(end).ToString());

        Assert.True(watch.Elapsed < Soon, $"{what}: {watch.Elapsed}");
    }

    /// <summary>Any other exception fails the test; so do errors without a place, out of order, or without a message.</summary>
    private static bool AcceptedOrRefused(byte[] text)
    {
        var watch = Stopwatch.StartNew();
        try
        {
            DomainConfigJson.Parse(text, "test");
        }
        catch (InvalidConfigException refused)
        {
            var places = refused.Errors.Select(error => (error.Line, error.Column)).ToList();
            return refused.Errors.Count > 0
                && refused.Errors.All(error => error is { Line: > 0, Column: > 0, Path: ['$', ..], Message.Length: > 0 })
                && places.SequenceEqual(places.Order())
                && watch.Elapsed < Soon;
        }

        return watch.Elapsed < Soon;
    }
}
