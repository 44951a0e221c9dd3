using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Linux;

namespace LightVM.Domains;

/// <summary>
/// The configurations of the domains that this toolstack made, one file each, named by uuid: what a domain is restarted with, and what
/// the device daemon reads of what shall happen when its guest ends. They last as long as the machine runs, as domains do.
/// </summary>
internal static class ConfigRegistry
{
    private const string Folder = "domains";

    /// <summary>Keeps a configuration: whole, or what was there before. Errors: HostFileFailure.</summary>
    public static void Save(Guid uuid, DomainConfig config)
    {
        try
        {
            var path = PathOf(uuid);
            var temporary = $"{path}.new";
            // Not through to a disk: this is a file system in memory. Renamed all the same, so that nobody reads half of it.
            File.WriteAllBytes(temporary, DomainConfigJson.Write(config));
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new LvmException(ErrorIds.HostFileFailure, $"the configuration cannot be kept in '{RunFolder.Path}': {error.Message.TrimEnd('.')}", error);
        }
    }

    /// <summary>The configuration of a domain; null where none is kept, or none that can be read.</summary>
    public static DomainConfig? Find(Guid uuid)
    {
        try
        {
            return File.Exists(PathOf(uuid)) ? DomainConfigJson.ReadFile(PathOf(uuid), requireKernel: false) : null;
        }
        catch (InvalidConfigException)
        {
            return null;
        }
    }

    /// <summary>The uuids of all domains whose configuration is kept.</summary>
    public static IReadOnlySet<Guid> List()
    {
        var uuids = new HashSet<Guid>();
        var folder = Path.Combine(RunFolder.Path, Folder);
        if (!Directory.Exists(folder)) return uuids;
        foreach (var file in Directory.EnumerateFiles(folder, "*.json"))
        {
            if (Guid.TryParse(Path.GetFileNameWithoutExtension(file), out var uuid)) uuids.Add(uuid);
        }

        return uuids;
    }

    /// <summary>Forgets a configuration. One that is not there is no error.</summary>
    public static void Remove(Guid uuid)
    {
        try
        {
            File.Delete(PathOf(uuid));
        }
        catch (DirectoryNotFoundException)
        {
            // Then it is not there either.
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new LvmException(ErrorIds.HostFileFailure, $"a configuration cannot be removed from '{RunFolder.Path}': {error.Message.TrimEnd('.')}", error);
        }
    }

    private static string PathOf(Guid uuid) => RunFolder.FileIn(Folder, $"{uuid}.json");
}
