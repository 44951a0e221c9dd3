using LightVM.Domains;

namespace LightVM.Cmdlets.Completion;

/// <summary>One proposal: what is inserted, what the list shows, and what the line below it tells.</summary>
internal readonly record struct Proposal(string Text, string ListItem, string ToolTip);

/// <summary>What is proposed for a domain's name, id or uuid of which the beginning was typed.</summary>
internal static class CompletionText
{
    /// <param name="escape">Takes the meaning from the characters that are wildcards.</param>
    public static IEnumerable<Proposal> Names(IEnumerable<Domain> domains, string typed, Func<string, string> escape)
    {
        var begin = Unquoted(typed);
        return domains.Where(domain => domain.Name.Length > 0 && domain.Name.StartsWith(begin, StringComparison.OrdinalIgnoreCase))
            .DistinctBy(domain => domain.Name)
            .OrderBy(domain => domain.Name, StringComparer.Ordinal)
            .Select(domain => new Proposal(Quoted(escape(domain.Name), typed), domain.Name, Describe(domain)));
    }

    public static IEnumerable<Proposal> Ids(IEnumerable<Domain> domains, string typed) =>
        domains.Select(domain => (Domain: domain, Text: $"{domain.Id}"))
            .Where(pair => pair.Text.StartsWith(Unquoted(typed), StringComparison.Ordinal))
            .Select(pair => new Proposal(pair.Text, $"{pair.Text} ({pair.Domain})", Describe(pair.Domain)));

    public static IEnumerable<Proposal> Uuids(IEnumerable<Domain> domains, string typed) =>
        domains.Select(domain => (Domain: domain, Text: $"{domain.Uuid}"))
            .Where(pair => pair.Text.StartsWith(Unquoted(typed), StringComparison.OrdinalIgnoreCase))
            .Select(pair => new Proposal(pair.Text, $"{pair.Text} ({pair.Domain})", Describe(pair.Domain)));

    /// <summary>As an argument that PowerShell reads back as this very text: bare where that is safe and no quote was typed.</summary>
    internal static string Quoted(string text, string typed)
    {
        // Beginning with a digit it might be read as a number (1kb), with @, - or . as something else.
        var isBare = char.IsAsciiLetter(text[0]) && text.All(character => char.IsAsciiLetterOrDigit(character) || "._+:@-".Contains(character));
        return isBare && !IsQuote(typed) ? text : $"'{text.Replace("'", "''", StringComparison.Ordinal)}'";
    }

    internal static string Unquoted(string typed) =>
        IsQuote(typed) ? typed[1..].TrimEnd(typed[0]).Replace("''", "'", StringComparison.Ordinal) : typed;

    private static bool IsQuote(string typed) => typed.Length > 0 && typed[0] is '\'' or '"';

    private static string Describe(Domain domain) => $"id {domain.Id}, {domain.State}, {domain.MemoryMiB} MiB, {domain.VcpuCount} vCPU{(domain.VcpuCount == 1 ? "" : "s")}";
}
