using System.Globalization;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Xen;

/// <summary>
/// Where domains are published on a real host: /local/domain/ID is what the guest sees and xl reads, /vm/UUID is what lasts of a
/// domain, /libxl/ID is what xl wants to know of a domain that it shall console or destroy.
/// </summary>
/// <remarks>
/// Names are kept in memory, by uuid. One watch on /vm, over a connection of its own, tells which of them changed: every toolstack
/// writes there when it makes, renames and removes a domain, and never else. So a listing of a thousand domains asks the store once.
/// </remarks>
internal sealed class XenstoreDirectory : IDomainDirectory
{
    private const string VmRoot = "/vm";
    private const string BackendRoot = "/local/domain/0/backend";

    /// <summary>How long a console daemon that runs at all may take to notice a new domain.</summary>
    private static readonly TimeSpan ConsoleDaemonPatience = TimeSpan.FromSeconds(2);

    /// <summary>How much xenconsoled keeps of a console that nobody reads, bytes; xl's value.</summary>
    private const string ConsoleLimit = "1048576";

    private readonly XenstoreClient _store;
    private readonly XenstoreClient _events;
    private readonly object _lock = new();
    private readonly Dictionary<Guid, DirectoryEntry?> _entries = [];
    private readonly HashSet<Guid> _changed = [];
    // What a publication of our own will be told of, and says nothing new: the first event of the node and the first of its name.
    private readonly HashSet<(Guid Uuid, bool IsName)> _announced = [];
    // Domains whose toolstack writes nothing under /vm, dom0 first of all: their name stands under /local/domain alone.
    private readonly Dictionary<DomainKey, DirectoryEntry?> _unlisted = [];

    private volatile bool _consoleDaemonAnswers = true;

    private XenstoreDirectory(XenstoreClient store, XenstoreClient events)
    {
        _store = store;
        _events = events;
    }

    /// <summary>Connects and learns which domains are published. Errors: XenLibraryMissing, XenstoreUnavailable, XenNotPrivileged.</summary>
    public static XenstoreDirectory Open()
    {
        var store = XenstoreClient.Open();
        XenstoreClient? events = null;
        try
        {
            events = XenstoreClient.Open();
            var directory = new XenstoreDirectory(store, events);
            events.Watch(VmRoot, "names");
            directory.ForgetAll();
            return directory;
        }
        catch
        {
            events?.Dispose();
            store.Dispose();
            throw;
        }
    }

    public DirectoryEntry? Find(DomainKey key)
    {
        lock (_lock)
        {
            if (_changed.Contains(key.Uuid)) Learn(key.Uuid);
            if (_entries.TryGetValue(key.Uuid, out var entry) && entry is not null) return entry;
            if (_unlisted.TryGetValue(key, out entry)) return entry;
            var name = _store.Read($"/local/domain/{key.Id}/name");
            entry = name is null ? null : new DirectoryEntry(name, null);
            // What has no name yet may get one: only names are worth keeping.
            if (entry is not null) _unlisted[key] = entry;
            return entry;
        }
    }

    public void Refresh()
    {
        lock (_lock)
        {
            // Events and answers come in one order over one connection: after this answer, all events before it are here.
            _events.Read(VmRoot);
            while (_events.TryReadEvent(out var path)) Forget(path);
        }
    }

    public IReadOnlyList<Guid> UuidsByName(string name)
    {
        lock (_lock)
        {
            foreach (var uuid in _changed.ToArray()) Learn(uuid);
            return _entries.Where(entry => entry.Value?.Name == name).Select(entry => entry.Key).ToArray();
        }
    }

    public IDisposable ReserveName(string name) => NameLocks.Take(name);

    public void Publish(DomainPublication publication)
    {
        lock (_lock)
        {
            _announced.Add((publication.Key.Uuid, false));
            _announced.Add((publication.Key.Uuid, true));
        }

        try
        {
            _store.InTransaction(transaction => WriteNodes(transaction, publication));
            lock (_lock) _entries[publication.Key.Uuid] = new DirectoryEntry(publication.Name, publication.StartTime);
            _store.Introduce(publication.Key.Id, publication.Rings.StoreFrame, publication.Ports.StorePort);
        }
        catch
        {
            Withdraw(publication.Key);
            throw;
        }
    }

    public void Rename(DomainKey key, string newName)
    {
        _store.InTransaction(transaction =>
        {
            _store.Write(transaction, $"/local/domain/{key.Id}/name", newName);
            _store.Write(transaction, $"{VmRoot}/{key.Uuid}/name", newName);
        });
        lock (_lock)
        {
            _changed.Add(key.Uuid);
            _unlisted.Remove(key);
        }
    }

    public void Withdraw(DomainKey key)
    {
        // One after the other, not in a transaction: it has nothing to keep whole, and what one removal could not do the next may.
        _store.Remove($"/local/domain/{key.Id}");
        _store.Remove($"/libxl/{key.Id}");
        _store.Remove($"{VmRoot}/{key.Uuid}");
        foreach (var kind in _store.List(BackendRoot)) RemoveBackends(kind, key.Id);
        lock (_lock)
        {
            _entries.Remove(key.Uuid);
            _announced.Remove((key.Uuid, false));
            _announced.Remove((key.Uuid, true));
            _unlisted.Remove(key);
        }
    }

    /// <summary>xenconsoled writes the console's pty a little after the domain was introduced, whether or not the domain is still there.</summary>
    public void Settle(DomainKey key)
    {
        if (!_consoleDaemonAnswers || FindConsole(key) is not null || _store.Read($"/local/domain/{key.Id}/console/port") is null) return;
        using var events = XenstoreClient.Open();
        events.Watch(ConsolePath(key), "console");
        for (var begin = Environment.TickCount64; FindConsole(key) is null;)
        {
            var left = ConsoleDaemonPatience - TimeSpan.FromMilliseconds(Environment.TickCount64 - begin);
            if (left <= TimeSpan.Zero || !events.WaitForEvent(left))
            {
                _consoleDaemonAnswers = false; // it does not run: waiting for it once was enough
                return;
            }

            events.TryReadEvent(out _);
        }
    }

    public string? FindConsole(DomainKey key) => _store.Read(ConsolePath(key)) is { Length: > 0 } path ? path : null;

    public void Dispose()
    {
        _events.Dispose();
        _store.Dispose();
    }

    /// <summary>
    /// The nodes of a new guest. Children take the permissions of the node above them, so the guest's directory is made first, readable
    /// by the guest, and in it "control", which is the guest's own: Linux announces there what requests it answers.
    /// </summary>
    private void WriteNodes(uint transaction, DomainPublication domain)
    {
        var id = domain.Key.Id;
        var root = $"/local/domain/{id}";
        var vm = $"{VmRoot}/{domain.Key.Uuid}";
        void Write(string path, string value) => _store.Write(transaction, path, value);

        Write(root, "");
        _store.SetPermissions(transaction, root, [new(0, XenstoreRights.None), new(id, XenstoreRights.Read)]);
        Write($"{root}/vm", vm);
        Write($"{root}/name", domain.Name);
        Write($"{root}/domid", Text(id));
        for (var vcpu = 0; vcpu < domain.Vcpus; vcpu++) Write($"{root}/cpu/{vcpu}/availability", "online");
        Write($"{root}/memory/static-max", Text(domain.MaxMemoryKiB));
        Write($"{root}/memory/target", Text(domain.MemoryKiB));
        Write($"{root}/store/port", Text(domain.Ports.StorePort));
        Write($"{root}/store/ring-ref", Text(domain.Rings.StoreFrame));
        if (domain.HasConsole)
        {
            Write($"{root}/console/port", Text(domain.Ports.ConsolePort));
            Write($"{root}/console/ring-ref", Text(domain.Rings.ConsoleFrame));
            Write($"{root}/console/type", "xenconsoled");
            Write($"{root}/console/output", "pty");
            Write($"{root}/console/limit", ConsoleLimit);
        }

        Write($"{root}/control", "");
        _store.SetPermissions(transaction, $"{root}/control", [new(id, XenstoreRights.None)]);
        Write($"{root}/control/shutdown", "");

        Write($"{vm}/name", domain.Name);
        Write($"{vm}/uuid", domain.Key.Uuid.ToString());
        Write($"{vm}/start_time", (domain.StartTime.ToUnixTimeMilliseconds() / 1000.0).ToString("F2", CultureInfo.InvariantCulture));
        Write($"/libxl/{id}/type", domain.Type == GuestType.PVH ? "pvh" : "pv");
    }

    private static string ConsolePath(DomainKey key) => $"/local/domain/{key.Id}/console/tty";

    /// <summary>Removes a domain's backends of one kind, and the directories above them that this leaves empty, as xl does.</summary>
    private void RemoveBackends(string kind, uint id) => _store.InTransaction(transaction =>
    {
        _store.Remove($"{BackendRoot}/{kind}/{id}", transaction);
        if (_store.List($"{BackendRoot}/{kind}", transaction).Count > 0) return;
        _store.Remove($"{BackendRoot}/{kind}", transaction);
        if (_store.List(BackendRoot, transaction).Count == 0) _store.Remove(BackendRoot, transaction);
    });

    private static string Text<T>(T number) where T : IFormattable => number.ToString(null, CultureInfo.InvariantCulture);

    /// <summary>Takes in an event's path: /vm/UUID and its name make what is known of that uuid stale, /vm itself everything.</summary>
    private void Forget(string path)
    {
        var parts = path.Split('/', 4); // "", "vm", UUID, rest
        if (parts.Length < 3) ForgetAll();
        else if (Guid.TryParse(parts[2], out var uuid) && (parts.Length == 3 || parts[3] == "name") && !_announced.Remove((uuid, parts.Length == 4))) _changed.Add(uuid);
    }

    private void ForgetAll()
    {
        foreach (var uuid in _entries.Keys) _changed.Add(uuid);
        foreach (var child in _store.List(VmRoot))
        {
            if (Guid.TryParse(child, out var uuid)) _changed.Add(uuid);
        }
    }

    private void Learn(Guid uuid)
    {
        if (_store.Read($"{VmRoot}/{uuid}/name") is not { } name)
        {
            _entries.Remove(uuid);
        }
        else
        {
            // A start time never changes, and is written before a name can be looked up.
            var known = _entries.GetValueOrDefault(uuid)?.StartTime;
            _entries[uuid] = new DirectoryEntry(name, known ?? ReadStartTime(uuid));
        }

        _changed.Remove(uuid);
    }

    /// <summary>Seconds since 1970, with a fraction or without.</summary>
    private DateTimeOffset? ReadStartTime(Guid uuid) =>
        double.TryParse(_store.Read($"{VmRoot}/{uuid}/start_time"), NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds)
        && seconds is > 0 and < 1e11
            ? DateTimeOffset.FromUnixTimeMilliseconds((long)(seconds * 1000))
            : null;
}
