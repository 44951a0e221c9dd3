using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace LightVM.Configuration;

/// <summary>Where in a text a byte stands: lines and columns, both from 1, columns in bytes.</summary>
internal sealed class SourceText
{
    private static readonly byte[] Utf8Mark = [0xEF, 0xBB, 0xBF];

    /// <summary>Byte order marks of other encodings; UTF-32's come first, for one begins with UTF-16's.</summary>
    private static readonly (byte[] Mark, string Encoding)[] ForeignMarks =
    [
        ([0xFF, 0xFE, 0, 0], "UTF-32"),
        ([0, 0, 0xFE, 0xFF], "UTF-32"),
        ([0xFF, 0xFE], "UTF-16"),
        ([0xFE, 0xFF], "UTF-16"),
    ];

    private readonly List<int> lineStarts = [0];
    private readonly int length;

    internal SourceText(ReadOnlySpan<byte> utf8)
    {
        length = utf8.Length;
        for (var i = 0; i < utf8.Length; i++)
        {
            if (utf8[i] == (byte)'\n') lineStarts.Add(i + 1);
        }
    }

    internal (int Line, int Column) PositionOf(int offset)
    {
        var index = lineStarts.BinarySearch(offset);
        // Not the start of a line: the complement is the line after it.
        var line = index >= 0 ? index : ~index - 1;
        return (line + 1, offset - lineStarts[line] + 1);
    }

    /// <summary>The byte at a line and a column, both from 0 as Utf8JsonReader counts them.</summary>
    internal int OffsetOf(long line, long column) =>
        (int)Math.Min(lineStarts[(int)Math.Min(line, lineStarts.Count - 1)] + column, length);

    /// <summary>The text without the byte order mark of UTF-8, which some editors write and no column counts.</summary>
    internal static ReadOnlySpan<byte> WithoutMark(ReadOnlySpan<byte> utf8) => utf8.StartsWith(Utf8Mark) ? utf8[Utf8Mark.Length..] : utf8;

    /// <summary>What shows that a text is not UTF-8, and at which byte; null when it is.</summary>
    internal static (int Offset, string Message)? EncodingProblem(ReadOnlySpan<byte> text)
    {
        foreach (var (mark, encoding) in ForeignMarks)
        {
            if (text.StartsWith(mark)) return (0, $"is {encoding}, as its byte order mark says, and not UTF-8");
        }

        // JSON starts with two ASCII characters, so a zero among the first two bytes is half of a wider one (RFC 4627, section 3).
        if (text.Length >= 2 && (text[0] == 0 || text[1] == 0)) return (0, "is UTF-16 or UTF-32, as its zero bytes show, and not UTF-8");
        if (Utf8.IsValid(text)) return null;

        var offset = 0;
        while (Rune.DecodeFromUtf8(text[offset..], out _, out var consumed) == OperationStatus.Done) offset += consumed;
        return (offset, $"is not UTF-8: byte 0x{text[offset]:x2} does not belong here");
    }
}
