using System.Security.Cryptography;
using System.Text;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Noxs;

/// <summary>
/// The domains without a store, in /run: a file for each, named by uuid, and one for each name, so that neither creating a domain nor looking
/// one up goes through all of them. All are read once by who lists them, and then only those that inotify tells of. In memory, for a simulated
/// host. Members may be called from several threads.
/// </summary>
/// <param name="isSimulated">Whether it is of a host in memory.</param>
internal sealed class NoxsRegistry(bool isSimulated = false) : IDisposable
{
    private const string RecordsFolder = "noxs/domains";
    private const string NamesFolder = "noxs/names";

    private readonly RunRecords<NoxsRecord>? _files = isSimulated ? null : new RunRecords<NoxsRecord>(RecordsFolder, NoxsRecord.Write, NoxsRecord.Read);
    private readonly object _lock = new();
    private readonly Dictionary<Guid, NoxsRecord> _known = [];
    private readonly HashSet<Guid> _announced = []; // changes of our own, of which we shall be told as well
    private FolderWatch? _watch; // null: nothing was listed yet, and what is known may be old

    /// <summary>Whether all records are in memory.</summary>
    private bool IsListed => _files is null || _watch is not null;

    /// <summary>The record of a domain; null for a domain with a store, and for none.</summary>
    public NoxsRecord? Find(Guid uuid)
    {
        lock (_lock)
        {
            if (!IsListed) return _files!.Find(uuid);
            if (_known.TryGetValue(uuid, out var record)) return record;
            TakeChanges();
            return _known.GetValueOrDefault(uuid);
        }
    }

    public NoxsRecord? Find(DomainKey key) => Find(key.Uuid) is { } record && record.Id == key.Id ? record : null;

    public IReadOnlyList<Guid> UuidsByName(string name)
    {
        lock (_lock)
        {
            if (_files is null) return [.. _known.Where(entry => entry.Value.Name == name).Select(entry => entry.Key)];
            return RunFile.Read(PathOfName(name)) is { } bytes && Guid.TryParse(Encoding.ASCII.GetString(bytes), out var uuid) && Find(uuid)?.Name == name ? [uuid] : [];
        }
    }

    /// <summary>All records, as of the last <see cref="TakeInChanges"/>.</summary>
    public IReadOnlyList<KeyValuePair<Guid, NoxsRecord>> List()
    {
        TakeInChanges();
        lock (_lock) return [.. _known];
    }

    /// <summary>Takes in what others have changed.</summary>
    public void TakeInChanges()
    {
        lock (_lock)
        {
            if (IsListed)
            {
                TakeChanges();
                return;
            }

            _watch = _files!.Watch(); // before they are read: what changes meanwhile is read again
            ReadAll();
        }
    }

    /// <summary>Keeps a record: whole, or what was there before. Errors: HostFileFailure.</summary>
    public void Save(Guid uuid, NoxsRecord record)
    {
        lock (_lock)
        {
            var former = Find(uuid)?.Name;
            if (_files is not null)
            {
                // The name first: one that leads nowhere is nobody's.
                if (former != record.Name) WriteName(record.Name, uuid);
                _files.Save(uuid, record);
                if (former is not null && former != record.Name) RemoveName(former, uuid);
                if (IsListed) _announced.Add(uuid);
            }

            if (IsListed) _known[uuid] = record;
        }
    }

    /// <summary>Forgets a domain. One that is not there is no error. Errors: HostFileFailure.</summary>
    public void Remove(Guid uuid)
    {
        lock (_lock)
        {
            if (Find(uuid) is not { } record) return;
            if (_files is not null)
            {
                _files.Remove(uuid);
                RemoveName(record.Name, uuid);
            }

            _known.Remove(uuid);
            _announced.Remove(uuid);
        }
    }

    public void Dispose() => _watch?.Dispose();

    private void TakeChanges()
    {
        if (_watch is null) return;
        foreach (var change in _watch.Take())
        {
            if (change.Name is null)
            {
                ReadAll();
                return;
            }

            if (RunRecords.UuidOf(change.Name) is not { } uuid || (change.IsThere && _announced.Remove(uuid))) continue;
            if (change.IsThere && _files!.Find(uuid) is { } record) _known[uuid] = record;
            else _known.Remove(uuid);
        }
    }

    private void ReadAll()
    {
        _known.Clear();
        _announced.Clear();
        foreach (var (uuid, record) in _files!.All()) _known[uuid] = record;
    }

    /// <summary>By a hash: what may be in a name, and how long it may be, is not the file system's business.</summary>
    private static string PathOfName(string name) => Path.Combine(RunFolder.Path, NamesFolder, Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(name)), 0, 16));

    private static void WriteName(string name, Guid uuid)
    {
        var bytes = Encoding.ASCII.GetBytes(uuid.ToString());
        var errno = RunFile.Write(PathOfName(name), bytes);
        if (errno == ErrnoText.ENOENT)
        {
            RunFolder.FileIn(NamesFolder, "."); // the first of its kind
            errno = RunFile.Write(PathOfName(name), bytes);
        }

        if (errno != 0) throw new LvmException(ErrorIds.HostFileFailure, $"the domain's name cannot be kept in '{RunFolder.Path}/{NamesFolder}'") { Errno = errno };
    }

    private static void RemoveName(string name, Guid uuid)
    {
        var path = PathOfName(name);
        if (RunFile.Read(path) is { } bytes && Encoding.ASCII.GetString(bytes) == uuid.ToString()) _ = Libc.Unlink(path);
    }
}
