using System.Text;

namespace LightVM.Host.Commands;

/// <summary>
/// A line of a script as words, quoted as in a shell: blanks separate, <c>'…'</c> takes everything as it is, <c>"…"</c> all but
/// <c>\"</c> and <c>\\</c>, a backslash the next character, and <c>#</c> at the start of a word begins a comment. Nothing is expanded.
/// </summary>
internal static class ShellWords
{
    /// <exception cref="FormatException">A quotation or an escape does not end.</exception>
    public static List<string> Split(string line)
    {
        var words = new List<string>();
        StringBuilder? word = null;
        for (var i = 0; i < line.Length; i++)
        {
            var c = line[i];
            if (char.IsWhiteSpace(c))
            {
                if (word is not null) words.Add(word.ToString());
                word = null;
                continue;
            }

            if (c == '#' && word is null) break;
            word ??= new StringBuilder(); // '' is a word as well
            switch (c)
            {
                case '\'':
                    var end = line.IndexOf('\'', i + 1);
                    if (end < 0) throw new FormatException("a ' is not closed");
                    word.Append(line, i + 1, end - i - 1);
                    i = end;
                    break;
                case '"':
                    i = DoubleQuoted(line, i + 1, word);
                    break;
                case '\\':
                    if (++i == line.Length) throw new FormatException("a backslash ends the line");
                    word.Append(line[i]);
                    break;
                default:
                    word.Append(c);
                    break;
            }
        }

        if (word is not null) words.Add(word.ToString());
        return words;
    }

    /// <summary>Adds what is quoted from <paramref name="i"/> on, and gives the position of the closing quote.</summary>
    private static int DoubleQuoted(string line, int i, StringBuilder word)
    {
        for (; i < line.Length; i++)
        {
            if (line[i] == '"') return i;
            if (line[i] == '\\' && i + 1 < line.Length && line[i + 1] is '"' or '\\') i++;
            word.Append(line[i]);
        }

        throw new FormatException("a \" is not closed");
    }
}
