using System.Management.Automation;
using LightVM.Trust;

namespace LightVM.Cmdlets.Trust;

/// <summary>The peers that a text names.</summary>
internal static class PeerPatterns
{
    /// <summary>Of a pattern the peers that it fits, which may be none; of a name itself, whether there is such a peer or not.</summary>
    public static IEnumerable<string> Names(TrustStore trust, string text)
    {
        if (!WildcardPattern.ContainsWildcardCharacters(text)) return [WildcardPattern.Unescape(text)];
        var pattern = WildcardPattern.Get(text, WildcardOptions.IgnoreCase | WildcardOptions.CultureInvariant);
        return trust.ListPeers().Where(name => pattern.IsMatch(name));
    }
}
