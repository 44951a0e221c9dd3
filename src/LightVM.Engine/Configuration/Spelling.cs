namespace LightVM.Configuration;

/// <summary>"Did you mean": the known word that a misspelt one is nearest to.</summary>
internal static class Spelling
{
    private const int LongestWord = 32;

    /// <summary>The nearest of the known words; null when none is near.</summary>
    internal static string? Nearest(string word, IEnumerable<string> known)
    {
        if (word.Length > LongestWord) return null;

        // "maxMemory", "max-memory" and "max_memory" are the same word in different dress.
        var plain = Plain(word);
        return known
            .Select(candidate => (Word: candidate, Distance: Distance(plain, Plain(candidate))))
            .Where(candidate => candidate.Distance <= Math.Min(2, candidate.Word.Length / 3))
            .OrderBy(candidate => candidate.Distance)
            .Select(candidate => candidate.Word)
            .FirstOrDefault();
    }

    private static string Plain(string word) => word.Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).ToLowerInvariant();

    /// <summary>The letters to insert, drop, replace, or exchange with a neighbour (optimal string alignment).</summary>
    private static int Distance(string from, string to)
    {
        var cost = new int[from.Length + 1, to.Length + 1];
        for (var i = 0; i <= from.Length; i++) cost[i, 0] = i;
        for (var j = 0; j <= to.Length; j++) cost[0, j] = j;

        for (var i = 1; i <= from.Length; i++)
        {
            for (var j = 1; j <= to.Length; j++)
            {
                var replaced = cost[i - 1, j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
                cost[i, j] = Math.Min(replaced, 1 + Math.Min(cost[i - 1, j], cost[i, j - 1]));
                if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
                    cost[i, j] = Math.Min(cost[i, j], 1 + cost[i - 2, j - 2]);
            }
        }

        return cost[from.Length, to.Length];
    }
}
