using System.Globalization;
using System.Text;

namespace LightVM.Configuration;

/// <summary>Foreign text in our messages: short, on one line, and without control characters for a terminal to obey.</summary>
internal static class Quoted
{
    private const int Longest = 40;

    /// <summary>The text in double quotes, cut after 40 characters.</summary>
    internal static string Text(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (var character in text.AsSpan(0, Math.Min(text.Length, Longest))) Append(quoted, character);
        return quoted.Append(text.Length > Longest ? "\"…" : "\"").ToString();
    }

    /// <summary>Text of a program or of another host as the rest of a sentence: its lines joined, without control characters and the closing full stop.</summary>
    internal static string Line(string text)
    {
        var line = new StringBuilder();
        foreach (var part in text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            if (line.Length > 0) line.Append(" | ");
            foreach (var character in part) Append(line, character);
        }

        return line.ToString().TrimEnd('.');
    }

    /// <summary>One character in single quotes.</summary>
    internal static string Character(char character)
    {
        var quoted = new StringBuilder("'");
        Append(quoted, character);
        return quoted.Append('\'').ToString();
    }

    /// <summary>One step of a JSON path: ".name", or "['odd name']" where the name is not a plain word.</summary>
    internal static string PathStep(string name)
    {
        if (name.Length is > 0 and <= Longest && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')) return "." + name;
        return $"['{Text(name).Trim('"')}']";
    }

    private static void Append(StringBuilder text, char character)
    {
        // Half a surrogate pair would come out as a replacement character, or hide what follows it.
        if (char.IsControl(character) || char.IsSurrogate(character))
            text.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
        else
            text.Append(character);
    }
}
