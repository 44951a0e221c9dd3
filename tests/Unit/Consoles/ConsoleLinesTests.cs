using System.Text;
using FsCheck;
using FsCheck.Fluent;
using LightVM.Consoles;

namespace LightVM.Unit.Consoles;

public sealed class ConsoleLinesTests
{
    private static readonly Config Thousand = Config.QuickThrowOnFailure.WithMaxTest(1000);

    private static readonly Gen<string> Text = Gen.ListOf(Gen.Elements("a", "word", "\n", "\r\n", "\r", "ä", "€", "😀", " ", "\u001b[1m")).Select(string.Concat);

    [Fact]
    public void The_pieces_in_which_a_text_comes_do_not_matter()
    {
        var cases = (from text in Text from sizes in Gen.NonEmptyListOf(Gen.Choose(1, 7)) select (text, sizes: sizes.ToArray())).ToArbitrary();
        Check.One(Thousand, Prop.ForAll(cases, test =>
        {
            var bytes = Encoding.UTF8.GetBytes(test.text);
            var lines = new ConsoleLines();
            var read = new List<string>();
            for (int at = 0, i = 0; at < bytes.Length; i++)
            {
                var size = Math.Min(test.sizes[i % test.sizes.Length], bytes.Length - at);
                read.AddRange(lines.Add(bytes.AsSpan(at, size)));
                at += size;
            }

            read.AddRange(lines.End());
            return read.SequenceEqual(LinesOf(test.text));
        }));
    }

    [Fact]
    public void Bytes_that_are_no_text_neither_fail_nor_grow() =>
        Check.One(Thousand, Prop.ForAll<byte[]>(bytes =>
        {
            var lines = new ConsoleLines(maxLength: 10);
            var read = lines.Add(bytes).Concat(lines.End()).ToList();
            return read.All(line => line.Length <= 11 && !line.Contains('\n'));
        }));

    [Fact]
    public void A_line_without_end_is_cut()
    {
        var lines = new ConsoleLines(maxLength: 4);

        Assert.Equal(["abcd", "efgh"], lines.Add("abcdefghi"u8));
        Assert.Equal("i", lines.Rest);
        Assert.Equal(["ij"], lines.Add("j\n"u8));
        Assert.Equal(["abc😀"], lines.Add(Encoding.UTF8.GetBytes("abc😀d"))); // not in the middle of a character
    }

    [Fact]
    public void What_has_no_end_yet_is_to_be_seen()
    {
        var lines = new ConsoleLines();
        Assert.Empty(lines.Add("login: "u8));

        Assert.True(lines.HasRest);
        Assert.Equal("login: ", lines.Rest);
    }

    [Fact]
    public void The_last_lines_of_a_text_are_its_last_lines()
    {
        var cases = (from text in Text from count in Gen.Choose(0, 5) select (text, count)).ToArbitrary();
        Check.One(Thousand, Prop.ForAll(cases, test =>
        {
            var last = Encoding.UTF8.GetString(ConsoleBacklog.LastLines(Encoding.UTF8.GetBytes(test.text), test.count));
            return test.text.EndsWith(last, StringComparison.Ordinal) && LinesOf(last).SequenceEqual(LinesOf(test.text).TakeLast(test.count));
        }));
    }

    private static IEnumerable<string> LinesOf(string text)
    {
        var lines = text.Split('\n');
        return (lines[^1].Length == 0 ? lines[..^1] : lines).Select(line => line.TrimEnd('\r'));
    }
}
