using System.Security.Cryptography;
using System.Text;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Noxs;

/// <summary>
/// The domains without a store, in /run: a file for each, named by uuid, and a link for each name and each address, so that neither creating a domain nor looking
/// one up goes through all of them. Each is read once, or all of them by who lists them, and then only those that inotify tells of, when they are asked for. In
/// memory, for a simulated host. Members may be called from several threads.
/// </summary>
/// <param name="isSimulated">Whether it is of a host in memory.</param>
internal sealed class NoxsRegistry(bool isSimulated = false) : IDisposable
{
    private const string RecordsFolder = "noxs/domains";

    /// <summary>By a hash: what may be in a name, and how long it may be, is not the file system's business.</summary>
    private static readonly RunIndex Names = new("noxs/names", name => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(name)), 0, 16));

    private static readonly RunIndex Macs = new("noxs/macs", mac => mac);

    private readonly RunRecords<NoxsRecord>? _files = isSimulated ? null : new RunRecords<NoxsRecord>(RecordsFolder, NoxsRecord.Write, NoxsRecord.Read);
    private readonly object _lock = new();
    private readonly Dictionary<Guid, NoxsRecord> _known = [];
    private readonly HashSet<Guid> _unread = []; // where all are known: those that others have changed since
    private readonly HashSet<Guid> _announced = []; // changes of our own, of which we shall be told as well
    private FolderWatch? _watch; // of whatever happens to what is known
    private bool _isListed = isSimulated; // whether all that there are are known

    /// <summary>The record of a domain; null for a domain with a store, and for none.</summary>
    public NoxsRecord? Find(Guid uuid)
    {
        lock (_lock)
        {
            Watch(); // before it is read: what changes meanwhile is read again
            if (_isListed && _known.TryGetValue(uuid, out var listed)) return listed; // as of the last look
            TakeChanges();
            if (_known.TryGetValue(uuid, out var record)) return record;
            return !_isListed || _unread.Contains(uuid) ? Read(uuid) : null;
        }
    }

    public NoxsRecord? Find(DomainKey key) => Find(key.Uuid) is { } record && record.Id == key.Id ? record : null;

    /// <summary>The same as of now, also where all are known: another process may have made a domain of a shell since.</summary>
    public NoxsRecord? FindNow(DomainKey key)
    {
        lock (_lock)
        {
            TakeChanges();
            return Find(key);
        }
    }

    public IReadOnlyList<Guid> UuidsByName(string name)
    {
        lock (_lock)
        {
            if (_files is null) return [.. _known.Where(entry => entry.Value.Name == name).Select(entry => entry.Key)];
            return Names.Find(name) is { } uuid && Find(uuid)?.Name == name ? [uuid] : [];
        }
    }

    /// <summary>The domain that has an interface of this address; null for none.</summary>
    public Guid? HolderOf(string mac)
    {
        lock (_lock)
        {
            if (_files is null) return _known.Where(entry => Has(entry.Value)).Select(entry => (Guid?)entry.Key).FirstOrDefault();
            return Macs.Find(mac) is { } uuid && Find(uuid) is { } record && Has(record) ? uuid : null;
        }

        bool Has(NoxsRecord record) => record.Config.Vifs.Any(vif => vif.Mac == mac);
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
            Watch();
            TakeChanges();
            if (!_isListed) ReadAll();
            foreach (var uuid in _unread.ToArray()) Read(uuid);
        }
    }

    /// <summary>Keeps a record: whole, or what was there before. Errors: HostFileFailure, MacAddressTaken.</summary>
    public void Save(Guid uuid, NoxsRecord record)
    {
        lock (_lock)
        {
            var former = Find(uuid);
            if (_files is not null)
            {
                // What leads to it comes first: what leads nowhere is nobody's.
                foreach (var mac in Addresses(record, former)) TakeAddress(mac, uuid);
                if (former?.Name != record.Name) Names.Set(record.Name, uuid);
                _files.Save(uuid, record);
                if (former is not null) Forget(uuid, former, record);
                _announced.Add(uuid);
            }

            _known[uuid] = record;
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
                Forget(uuid, record, null);
            }

            _known.Remove(uuid);
            _announced.Remove(uuid);
        }
    }

    public void Dispose() => _watch?.Dispose();

    private void Watch()
    {
        if (_files is not null) _watch ??= _files.Watch();
    }

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
            _known.Remove(uuid);
            if (change.IsThere && _isListed) _unread.Add(uuid);
            else _unread.Remove(uuid);
        }
    }

    private NoxsRecord? Read(Guid uuid)
    {
        _unread.Remove(uuid);
        if (_files!.Find(uuid) is not { } record) return null;
        return _known[uuid] = record;
    }

    private void ReadAll()
    {
        _known.Clear();
        _unread.Clear();
        _announced.Clear();
        foreach (var (uuid, record) in _files!.All()) _known[uuid] = record;
        _isListed = true;
    }

    /// <summary>The interfaces that one has and the other has not.</summary>
    private static IEnumerable<string> Addresses(NoxsRecord? record, NoxsRecord? without)
    {
        var addresses = record?.Config.Vifs.Select(vif => vif.Mac).OfType<string>() ?? [];
        return without is null ? addresses : addresses.Except(without.Config.Vifs.Select(vif => vif.Mac).OfType<string>());
    }

    /// <summary>What led to a record leads there no more.</summary>
    private static void Forget(Guid uuid, NoxsRecord record, NoxsRecord? still)
    {
        foreach (var mac in Addresses(record, still)) Macs.Remove(mac, uuid);
        if (record.Name != still?.Name) Names.Remove(record.Name, uuid);
    }

    private void TakeAddress(string mac, Guid uuid)
    {
        if (Macs.TryAdd(mac, uuid)) return;
        if (HolderOf(mac) is { } holder && holder != uuid) throw new LvmException(ErrorIds.MacAddressTaken, $"another domain has the address {mac}");
        Macs.Set(mac, uuid);
    }
}
