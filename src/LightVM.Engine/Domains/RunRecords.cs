using System.Runtime.InteropServices;
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
    private const uint ReadableByOwner = 0x180; // 0600

    /// <summary>Where they are; it may not be there before the first is.</summary>
    public string Folder { get; } = Path.Combine(RunFolder.Path, name);

    /// <summary>Keeps a record: whole, or what was there before. Errors: HostFileFailure.</summary>
    public void Save(Guid uuid, T record)
    {
        var path = PathOf(uuid);
        var temporary = $"{path}.new";
        // Not through to a disk: this is a file system in memory. Renamed all the same, so that nobody reads half of it.
        if (TryWrite(temporary, write(record), out var errno) && Libc.Rename(temporary, path) == 0) return;
        throw new LvmException(ErrorIds.HostFileFailure, $"what is to be known of the domain cannot be kept in '{Folder}'") { Errno = errno ?? Marshal.GetLastPInvokeError() };
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
    public FolderWatch Watch()
    {
        RunFolder.FileIn(name, ".");
        return new FolderWatch(Folder);
    }

    /// <summary>The bare calls, for a guest waits for some of these: what a stream does besides takes several times as long.</summary>
    private unsafe bool TryWrite(string path, byte[] bytes, out int? errno)
    {
        const int flags = Libc.OpenWriteOnly | Libc.OpenCreate | Libc.OpenTruncate | Libc.OpenCloseOnExec;
        errno = null;
        var file = Libc.Open(path, flags, ReadableByOwner);
        if (file < 0 && Marshal.GetLastPInvokeError() == ErrnoText.ENOENT)
        {
            RunFolder.FileIn(name, "."); // the first of its kind
            file = Libc.Open(path, flags, ReadableByOwner);
        }

        if (file < 0)
        {
            errno = Marshal.GetLastPInvokeError();
            return false;
        }

        fixed (byte* data = bytes)
        {
            for (var written = 0; written < bytes.Length && errno is null;)
            {
                var count = Libc.Write(file, data + written, (nuint)(bytes.Length - written));
                if (count > 0) written += (int)count;
                else if (Marshal.GetLastPInvokeError() is not Libc.EINTR and var problem) errno = problem;
            }
        }

        _ = Libc.Close(file);
        if (errno is not null) _ = Libc.Unlink(path);
        return errno is null;
    }

}
