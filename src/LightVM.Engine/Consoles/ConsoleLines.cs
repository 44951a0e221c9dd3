using System.Text;

namespace LightVM.Consoles;

/// <summary>
/// Makes lines out of what a guest writes, in whatever pieces it comes: UTF-8, ended by a newline with or without carriage returns before
/// it. A line that does not end is cut, so that no guest fills our memory.
/// </summary>
internal sealed class ConsoleLines(int maxLength = ConsoleLines.DefaultMaxLength)
{
    public const int DefaultMaxLength = 65536;

    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();
    private readonly StringBuilder _line = new();
    private readonly char[] _characters = new char[4096];

    /// <summary>The line that has begun and not ended, as far as it is known.</summary>
    public string Rest => _line.ToString().TrimEnd('\r');

    public bool HasRest => _line.Length > 0;

    /// <summary>Takes the next bytes, and gives the lines that they end.</summary>
    public List<string> Add(ReadOnlySpan<byte> bytes)
    {
        var lines = new List<string>();
        while (bytes.Length > 0)
        {
            _decoder.Convert(bytes, _characters, flush: false, out var used, out var count, out _);
            bytes = bytes[used..];
            AddCharacters(_characters.AsSpan(0, count), lines);
        }

        return lines;
    }

    /// <summary>No more comes: gives the line that has no end, if there is one.</summary>
    public List<string> End()
    {
        var lines = new List<string>();
        _decoder.Convert([], _characters, flush: true, out _, out var count, out _);
        AddCharacters(_characters.AsSpan(0, count), lines);
        if (HasRest) lines.Add(Cut(_line.Length));
        return lines;
    }

    private void AddCharacters(ReadOnlySpan<char> characters, List<string> lines)
    {
        foreach (var character in characters)
        {
            if (character == '\n')
            {
                lines.Add(Cut(_line.Length));
                continue;
            }

            if (_line.Length >= maxLength && !char.IsLowSurrogate(character)) lines.Add(Cut(_line.Length));
            _line.Append(character);
        }
    }

    private string Cut(int length)
    {
        var line = _line.ToString(0, length).TrimEnd('\r');
        _line.Clear();
        return line;
    }
}
