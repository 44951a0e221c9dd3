using System.Diagnostics.CodeAnalysis;
using LightVM.Configuration;

namespace LightVM.Trust;

/// <summary>
/// What a peer may be called: a host name, an address, or any label of the same characters. It becomes the name of a file, and
/// cannot lead out of the folder.
/// </summary>
public static class PeerName
{
    /// <summary>The longest name, in characters.</summary>
    public const int MaxLength = 128;

    /// <summary>
    /// Whether a peer may have this name: 1 to 128 characters out of ASCII letters, digits and <c>. _ : -</c>, the first of them
    /// neither a dot nor a hyphen. Case does not matter, as in host names.
    /// </summary>
    /// <param name="why">What is wrong with it, to be read after "the name"; null when it is valid.</param>
    public static bool IsValid([NotNullWhen(true)] string? name, [NotNullWhen(false)] out string? why)
    {
        why = Problem(name);
        return why is null;
    }

    private static string? Problem(string? name)
    {
        if (string.IsNullOrEmpty(name)) return "must not be empty";
        if (name.Length > MaxLength) return $"has {name.Length} characters, at most {MaxLength} are allowed";
        foreach (var character in name)
        {
            if (!char.IsAsciiLetterOrDigit(character) && !"._:-".Contains(character))
                return $"contains {Quoted.Character(character)}; only letters, digits and . _ : - are allowed";
        }

        return name[0] is '.' or '-' ? $"begins with '{name[0]}'" : null;
    }
}
