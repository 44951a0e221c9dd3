using System.Globalization;
using LightVM.Configuration;

namespace LightVM.Pools;

/// <summary>What shells are called while they wait: <c>pool/NAME/</c> and eight digits of the uuid. No domain of a user can be called so.</summary>
public static class ShellName
{
    private const string Prefix = "pool/";

    /// <summary>Whether a domain of this name is a shell that waits in a pool.</summary>
    public static bool IsShell(string name) => name.StartsWith(Prefix, StringComparison.Ordinal);

    internal static string Of(string pool, Guid uuid) => string.Create(CultureInfo.InvariantCulture, $"{Prefix}{pool}/{uuid.ToString("n")[..8]}");
}
