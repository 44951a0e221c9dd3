using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Linux;
using LightVM.Migration;

namespace LightVM.Domains;

/// <summary>What is kept of domains, one file each, named by uuid, in folders of /run: it lasts as long as the machine runs, as domains do.</summary>
internal static class RunRecords
{
    private const string Extension = ".json";

    /// <summary>What the domains of this toolstack are made of: what the device daemon reads of what shall happen when a guest ends.</summary>
    public static RunRecords<DomainConfig> Configs { get; } = new("domains", config => DomainConfigJson.Write(config), ReadConfig);

    /// <summary>Domains that are being restarted: destroyed by now, perhaps, and not yet created again.</summary>
    public static RunRecords<DomainConfig> Restarts { get; } = new("restarts", config => DomainConfigJson.Write(config), ReadConfig);

    /// <summary>Domains that are suspended for a short time, and by whom they shall go on.</summary>
    public static RunRecords<Suspension> Suspensions { get; } = new("suspensions", Suspension.Write, Suspension.Read);

    /// <summary>Domains that other hosts send, by the tickets of their moves.</summary>
    public static RunRecords<Arrival> Arrivals { get; } = new("arrivals", Arrival.Write, Arrival.Read);

    /// <summary>The name of the file that is the record of a domain.</summary>
    public static string FileOf(Guid uuid) => $"{uuid}{Extension}";

    /// <summary>Of which domain a file is the record, by its name; null for any other file.</summary>
    public static Guid? UuidOf(string file) =>
        file.EndsWith(Extension, StringComparison.Ordinal) && Guid.TryParseExact(file.AsSpan(0, file.Length - Extension.Length), "D", out var uuid) ? uuid : null;

    private static DomainConfig? ReadConfig(string path)
    {
        try
        {
            return DomainConfigJson.ReadFile(path, requireKernel: false);
        }
        catch (InvalidConfigException)
        {
            return null;
        }
    }
}

/// <summary>One folder of them.</summary>
/// <param name="read">Gives null for a file that is not there, or makes no sense.</param>
internal sealed class RunRecords<T>(string name, Func<T, byte[]> write, Func<string, T?> read)
    where T : class
{
    /// <summary>Where they are; it may not be there before the first is.</summary>
    public string Folder { get; } = Path.Combine(RunFolder.Path, name);

    /// <summary>Keeps a record: whole, or what was there before. Errors: HostFileFailure.</summary>
    public void Save(Guid uuid, T record)
    {
        // Not through to a disk: this is a file system in memory.
        var bytes = write(record);
        var errno = RunFile.Write(PathOf(uuid), bytes);
        if (errno == ErrnoText.ENOENT)
        {
            RunFolder.FileIn(name, "."); // the first of its kind
            errno = RunFile.Write(PathOf(uuid), bytes);
        }

        if (errno != 0) throw new LvmException(ErrorIds.HostFileFailure, $"what is to be known of the domain cannot be kept in '{Folder}'") { Errno = errno };
    }

    /// <summary>The record of a domain; null where none is kept, or none that can be read.</summary>
    public T? Find(Guid uuid) => read(PathOf(uuid));

    /// <summary>Where a record is, or would be.</summary>
    public string PathOf(Guid uuid) => Path.Combine(Folder, RunRecords.FileOf(uuid));

    /// <summary>All records.</summary>
    public IReadOnlyList<(Guid Uuid, T Record)> All()
    {
        var records = new List<(Guid, T)>();
        foreach (var uuid in List())
        {
            if (Find(uuid) is { } record) records.Add((uuid, record));
        }

        return records;
    }

    /// <summary>The uuids of all domains of which something is kept.</summary>
    public IReadOnlyList<Guid> List()
    {
        var uuids = new List<Guid>();
        if (!Directory.Exists(Folder)) return uuids;
        foreach (var file in Directory.EnumerateFiles(Folder))
        {
            if (RunRecords.UuidOf(Path.GetFileName(file)) is { } uuid) uuids.Add(uuid);
        }

        return uuids;
    }

    /// <summary>Forgets a record. One that is not there is no error. Errors: HostFileFailure.</summary>
    public void Remove(Guid uuid)
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
            throw new LvmException(ErrorIds.HostFileFailure, $"a record cannot be removed from '{Folder}': {error.Message.TrimEnd('.')}", error);
        }
    }

    /// <summary>Tells of the records that come and go. Errors: HostFileFailure.</summary>
    /// <param name="isOfArrivals">Whether it tells only of those that come.</param>
    public FolderWatch Watch(bool isOfArrivals = false)
    {
        RunFolder.FileIn(name, ".");
        return new FolderWatch(Folder, isOfArrivals);
    }
}
