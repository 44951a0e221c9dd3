using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Linux;

namespace LightVM.Domains;

/// <summary>
/// Configurations of domains, one file each, named by uuid, in a folder of /run: they last as long as the machine runs, as domains do.
/// </summary>
internal sealed class ConfigFolder(string name)
{
    /// <summary>What the domains of this toolstack are made of: what the device daemon reads of what shall happen when a guest ends.</summary>
    public static ConfigFolder Domains { get; } = new("domains");

    /// <summary>Domains that are being restarted: destroyed by now, perhaps, and not yet created again.</summary>
    public static ConfigFolder Restarts { get; } = new("restarts");

    /// <summary>Keeps a configuration: whole, or what was there before. Errors: HostFileFailure.</summary>
    public void Save(Guid uuid, DomainConfig config)
    {
        try
        {
            var path = RunFolder.FileIn(name, FileOf(uuid));
            var temporary = $"{path}.new";
            // Not through to a disk: this is a file system in memory. Renamed all the same, so that nobody reads half of it.
            File.WriteAllBytes(temporary, DomainConfigJson.Write(config));
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new LvmException(ErrorIds.HostFileFailure, $"the configuration cannot be kept in '{Folder}': {error.Message.TrimEnd('.')}", error);
        }
    }

    /// <summary>The configuration of a domain; null where none is kept, or none that can be read.</summary>
    public DomainConfig? Find(Guid uuid)
    {
        try
        {
            return DomainConfigJson.ReadFile(Path.Combine(Folder, FileOf(uuid)), requireKernel: false);
        }
        catch (InvalidConfigException)
        {
            return null;
        }
    }

    /// <summary>The uuids of all domains whose configuration is kept.</summary>
    public IReadOnlyList<Guid> List()
    {
        var uuids = new List<Guid>();
        if (!Directory.Exists(Folder)) return uuids;
        foreach (var file in Directory.EnumerateFiles(Folder, "*.json"))
        {
            if (Guid.TryParse(Path.GetFileNameWithoutExtension(file), out var uuid)) uuids.Add(uuid);
        }

        return uuids;
    }

    /// <summary>Forgets a configuration. One that is not there is no error. Errors: HostFileFailure.</summary>
    public void Remove(Guid uuid)
    {
        try
        {
            File.Delete(Path.Combine(Folder, FileOf(uuid)));
        }
        catch (DirectoryNotFoundException)
        {
            // Then it is not there either.
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new LvmException(ErrorIds.HostFileFailure, $"a configuration cannot be removed from '{Folder}': {error.Message.TrimEnd('.')}", error);
        }
    }

    private string Folder => Path.Combine(RunFolder.Path, name);

    private static string FileOf(Guid uuid) => $"{uuid}.json";
}
