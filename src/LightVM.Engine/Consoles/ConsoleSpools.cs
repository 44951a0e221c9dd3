using LightVM.Linux;

namespace LightVM.Consoles;

/// <summary>The folder with what guests have written: a file for each domain whose console somebody has read.</summary>
internal static class ConsoleSpools
{
    private const string Suffix = ".log";

    /// <summary>"/run/lightvm/consoles", made if need be.</summary>
    public static string Folder => Path.GetDirectoryName(RunFolder.FileIn("consoles", "any"))!;

    public static string PathOf(string folder, Guid uuid) => Path.Combine(folder, uuid + Suffix);

    /// <summary>Removes what is kept of a domain that has ended: its readers come to the end.</summary>
    public static void Delete(Guid uuid) => Delete(Path.Combine(RunFolder.Path, "consoles"), uuid);

    /// <inheritdoc cref="Delete(Guid)"/>
    public static void Delete(string folder, Guid uuid)
    {
        if (Directory.Exists(folder)) File.Delete(PathOf(folder, uuid));
    }

    /// <summary>Removes what is kept of domains that ended without anybody here noticing.</summary>
    public static void Sweep(Func<Guid, bool> exists)
    {
        foreach (var path in Directory.EnumerateFiles(Folder, "*" + Suffix))
        {
            if (Guid.TryParse(Path.GetFileNameWithoutExtension(path), out var uuid) && !exists(uuid)) File.Delete(path);
        }
    }
}
