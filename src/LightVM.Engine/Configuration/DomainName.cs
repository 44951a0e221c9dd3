using System.Diagnostics.CodeAnalysis;

namespace LightVM.Configuration;

/// <summary>What a domain may be called. Creation and renaming ask here.</summary>
public static class DomainName
{
    /// <summary>The longest name, in characters.</summary>
    public const int MaxLength = 80;

    private const string Punctuation = "._+:@-";

    /// <summary>
    /// Whether a domain may have this name: 1 to 80 characters out of ASCII letters, digits and <c>. _ + : @ -</c>,
    /// and not digits only, because a number on the command line is a domain id.
    /// </summary>
    /// <param name="name">The name.</param>
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
            if (!char.IsAsciiLetterOrDigit(character) && !Punctuation.Contains(character))
                return $"contains {Quoted.Character(character)}; only letters, digits and . _ + : @ - are allowed";
        }

        return name.All(char.IsAsciiDigit) ? "must not be a number, which would be taken for a domain id" : null;
    }
}
