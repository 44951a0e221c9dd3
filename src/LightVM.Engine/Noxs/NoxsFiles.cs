using LightVM.Linux;

namespace LightVM.Noxs;

/// <summary>Files in /run by which those who serve guests without a store, and those who use them, find each other.</summary>
internal static class NoxsFiles
{
    /// <summary>
    /// Renamed to its name, with new contents, whenever a domain may have ended (<see cref="FolderWatch"/> tells of that): what
    /// <c>@releaseDomain</c> is to those who have a store.
    /// </summary>
    public const string EndsName = "ends";

    /// <summary>"/run/lightvm/noxs", made if need be.</summary>
    public static string Folder => Path.GetDirectoryName(RunFolder.FileIn("noxs", "any"))!;

    /// <summary>"/run/lightvm/noxs/consoles", made if need be: what guests have written.</summary>
    public static string ConsoleFolder => Path.GetDirectoryName(RunFolder.FileIn("noxs", "consoles", "any"))!;

    /// <summary>"/run/lightvm/noxsd", made if need be: what the daemon keeps for the one that comes after it.</summary>
    public static string DaemonFolder => Path.GetDirectoryName(RunFolder.FileIn("noxsd", "any"))!;

    /// <summary>What is typed to a guest is written here.</summary>
    public static string InputOf(uint domain) => Path.Combine(RunFolder.Path, "noxsd", $"input-{domain}");

    /// <summary>What the daemon says of itself.</summary>
    public static string StatusFile => Path.Combine(RunFolder.Path, "noxsd", "status");
}
