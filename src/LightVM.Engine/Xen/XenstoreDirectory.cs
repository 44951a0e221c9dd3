using System.Globalization;
using LightVM.Configuration;
using LightVM.Consoles;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;
using LightVM.Migration;
using LightVM.Pools;

namespace LightVM.Xen;

/// <summary>
/// Where domains are published on a real host: /local/domain/ID is what the guest sees and xl reads, /vm/UUID is what lasts of a
/// domain, /libxl/ID is what xl wants to know of a domain that it shall console or destroy.
/// </summary>
/// <remarks>
/// Names are kept in memory, by uuid. One watch on /vm tells which of them changed: every toolstack writes there when it makes, renames
/// and removes a domain, and never else. So a listing of a thousand domains does not ask the store at all.
/// </remarks>
internal sealed class XenstoreDirectory : IDomainDirectory
{
    private const string VmRoot = XenstoreConnection.VmRoot;

    /// <summary>How long a console daemon may take to notice a new domain, of which it is not known whether it runs at all.</summary>
    private static readonly TimeSpan ConsoleDaemonPatience = TimeSpan.FromSeconds(2);

    /// <summary>The same where it has noticed another one before: then it is busy.</summary>
    private static readonly TimeSpan BusyConsoleDaemonPatience = TimeSpan.FromSeconds(30);

    /// <summary>How long what may wait is kept back: as long as whoever made a domain of a shell needs the CPU.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(50);

    private readonly XenstoreConnection _connection = new();
    private readonly object _lock = new();
    private readonly DirectoryEntries _entries = new();
    private readonly HashSet<Guid> _changed = [];
    // Shells, whose names nobody needs as long as they are that; whoever makes a domain of one writes its name, and it has changed again.
    private readonly HashSet<Guid> _shelved = [];
    private readonly HashSet<Guid> _undated = [];
    // Events that changes of our own will cause, and that say nothing new: of a uuid's node (removed), and of its name.
    private readonly HashSet<(Guid Uuid, bool IsName)> _announced = [];
    // Domains whose toolstack writes nothing under /vm, dom0 first of all: their name stands under /local/domain alone.
    private readonly Dictionary<DomainKey, DirectoryEntry> _unlisted = [];

    // When domains were started that were shells, where the store has the shells' times still.
    private readonly Dictionary<Guid, string> _unwritten = [];
    private readonly Timer _soon;

    private volatile bool _consoleDaemonAnswered;
    private volatile bool _consoleDaemonIsGone;

    private XenstoreDirectory()
    {
        _soon = new Timer(_ => WriteStartTimes());
    }

    private XenstoreClient Store => _connection.Client;

    private XenstorePipeline Pipeline => _connection.Pipeline;

    /// <summary>Connects and learns which domains are published. Errors: XenLibraryMissing, XenstoreUnavailable, XenNotPrivileged.</summary>
    public static XenstoreDirectory Open()
    {
        var directory = new XenstoreDirectory();
        try
        {
            directory.Refresh();
            return directory;
        }
        catch
        {
            directory.Dispose();
            throw;
        }
    }

    /// <summary>Connects when it is first asked for something that the store knows. Errors, then: as of <see cref="Open"/>.</summary>
    public static XenstoreDirectory OpenLazily() => new();

    /// <summary>The bus of devices, over the same connections: to be disposed before this.</summary>
    public XenstoreDeviceBus OpenDeviceBus() => new(_connection);

    /// <summary>Whether the store can be reached now; or could be, when it was last asked for something.</summary>
    public bool CanBeReached() => _connection.CanBeReached();

    /// <summary>The uuids under a name, as far as has been heard without asking for it.</summary>
    public IReadOnlyList<Guid> HeardOf(string name)
    {
        if (!_connection.IsOpen) return [];
        lock (_lock)
        {
            foreach (var path in Pipeline.TakeEvents()) Forget(path);
            return _entries.UuidsOf(name);
        }
    }

    public DirectoryEntry? Find(DomainKey key)
    {
        lock (_lock)
        {
            if (_shelved.Contains(key.Uuid) || _changed.Contains(key.Uuid)) LearnNames();
            if (_undated.Contains(key.Uuid)) LearnStartTimes();
            if (_entries.TryGetValue(key.Uuid, out var entry)) return entry;
            if (_unlisted.TryGetValue(key, out entry)) return entry;
            // What has no name yet may get one: only names are worth keeping.
            return Pipeline.Read($"/local/domain/{key.Id}/name") is { } name ? _unlisted[key] = new DirectoryEntry(name, null) : null;
        }
    }

    public void Refresh()
    {
        lock (_lock)
        {
            foreach (var path in Pipeline.TakeEvents()) Forget(path);
            if (_changed.Count == 0)
            {
                foreach (var path in Pipeline.ReadEvents()) Forget(path);
                return;
            }

            // What is to be asked anyway brings the events that happened before its answer.
            LearnNames();
            foreach (var path in Pipeline.TakeEvents()) Forget(path);
        }
    }

    public void TakeInChanges()
    {
        lock (_lock)
        {
            foreach (var path in Pipeline.TakeEvents()) Forget(path);
        }
    }

    public IReadOnlyList<Guid> UuidsByName(string name)
    {
        lock (_lock)
        {
            LearnNames(exceptShells: true);
            return _entries.UuidsOf(name);
        }
    }

    public IDisposable ReserveName(string name) =>
        HostLocks.TryTake(name) ?? throw new LvmException(ErrorIds.DomainNameTaken, $"another domain is just being given the name '{name}'");

    public IDisposable HoldDomain(Guid uuid, TimeSpan patience) =>
        HostLocks.Take($"domain {uuid}", patience) ?? throw new LvmException(ErrorIds.DomainInvalidState, $"somebody else has been changing it for {patience.TotalSeconds:0} s");

    public DomainConfig? FindConfig(DomainKey key) => RunRecords.Configs.Find(key.Uuid);

    public void SaveConfig(DomainKey key, DomainConfig config) => RunRecords.Configs.Save(key.Uuid, config);

    public IReadOnlyList<Guid> ListConfigs() => RunRecords.Configs.List();

    public void RemoveConfig(Guid uuid) => RunRecords.Configs.Remove(uuid);

    public void BeginRestart(Guid uuid, DomainConfig config) => RunRecords.Restarts.Save(uuid, config);

    public void EndRestart(Guid uuid) => RunRecords.Restarts.Remove(uuid);

    public IReadOnlyList<(Guid Uuid, DomainConfig Config)> UnfinishedRestarts() => RunRecords.Restarts.All();

    public void NoteSuspension(Guid uuid, Suspension suspension) => RunRecords.Suspensions.Save(uuid, suspension);

    public void EndSuspension(Guid uuid) => RunRecords.Suspensions.Remove(uuid);

    public IReadOnlyList<(Guid Uuid, Suspension Suspension)> Suspensions() => RunRecords.Suspensions.All();

    public Guid Boot { get; } = ReadBoot();

    public Arrival? FindArrival(Guid ticket) => RunRecords.Arrivals.Find(ticket);

    public void SaveArrival(Guid ticket, Arrival arrival) => RunRecords.Arrivals.Save(ticket, arrival);

    public void RemoveArrival(Guid ticket) => RunRecords.Arrivals.Remove(ticket);

    public IReadOnlyList<(Guid Ticket, Arrival Arrival)> Arrivals() => RunRecords.Arrivals.All();

    public void NoteResumed(DomainKey key) => Store.NoteResumed(key.Id);

    public IDomainWatch Watch() => new XenstoreDomainWatch(XenstorePipeline.Open());

    public int? FindNodeQuota()
    {
        try
        {
            var question = new XenstoreBatch();
            question.Control("quota");
            return ParseNodeQuota(Pipeline.Ask(question)[0]);
        }
        catch (LvmException)
        {
            return null; // not every xenstored has this command, and none has to obey it
        }
    }

    public void Publish(DomainPublication publication)
    {
        lock (_lock) _announced.Add((publication.Key.Uuid, true));
        try
        {
            RunRecords.Configs.Save(publication.Key.Uuid, publication.Config);
            WriteAll(publication);
            lock (_lock)
            {
                _entries[publication.Key.Uuid] = new DirectoryEntry(publication.Name, publication.StartTime);
                if (publication.FormerUuid is { } former) _entries.Remove(former);
            }
        }
        catch
        {
            Withdraw(publication.Key);
            throw;
        }
    }

    public void PublishRings(DomainPublication publication)
    {
        var nodes = new XenstoreBatch();
        WriteRings(nodes, publication);
        Pipeline.Apply(nodes);
    }

    public void PublishShell(DomainPublication publication)
    {
        try
        {
            WriteAll(publication);
        }
        catch
        {
            Withdraw(publication.Key);
            throw;
        }
    }

    public void PublishAs(DomainPublication publication, DomainPublication shell, IReadOnlyList<NetworkDevice> changed)
    {
        var key = publication.Key;
        RunRecords.Configs.Save(key.Uuid, publication.Config);
        // All at once and in no transaction: as long as the shell has its record, nobody takes it for what it is not yet.
        var nodes = new XenstoreBatch();
        var root = $"/local/domain/{key.Id}";
        if (publication.FormerUuid is not null)
        {
            nodes.Write($"{root}/vm", $"{VmRoot}/{key.Uuid}");
            nodes.Write($"{VmRoot}/{key.Uuid}/uuid", key.Uuid.ToString());
        }

        nodes.Write($"{root}/name", publication.Name);
        nodes.Write($"{VmRoot}/{key.Uuid}/name", publication.Name);
        WriteFormer(nodes, publication);
        if (publication.FormerUuid is not null) nodes.Write($"{VmRoot}/{key.Uuid}/start_time", StartTimeOf(publication));
        if (publication.MaxMemoryKiB != shell.MaxMemoryKiB) nodes.Write($"{root}/memory/static-max", Text(publication.MaxMemoryKiB));
        if (publication.MemoryKiB != shell.MemoryKiB) nodes.Write($"{root}/memory/target", Text(publication.MemoryKiB));
        for (var vcpu = publication.Vcpus; vcpu < shell.Vcpus; vcpu++) nodes.Write($"{root}/cpu/{vcpu}/availability", "offline");
        foreach (var device in changed) XenstoreDeviceNodes.WriteAddress(nodes, key.Id, device);
        if (publication.Rings != shell.Rings)
        {
            if (!publication.HasConsole) nodes.Remove($"{root}/console");
            WriteRings(nodes, publication);
        }

        lock (_lock)
        {
            _announced.Add((key.Uuid, true));
            if (publication.FormerUuid is { } former) _entries.Remove(former);
            _entries[key.Uuid] = new DirectoryEntry(publication.Name, publication.StartTime);
            _shelved.Remove(key.Uuid);
            _changed.Remove(key.Uuid);
        }

        Pipeline.Apply(nodes);
        if (publication.FormerUuid is null) WriteStartTimeSoon(publication);
    }

    public IShellRecords Shells { get; } = new RunShellRecords();

    public void Rename(DomainKey key, string newName)
    {
        var names = new XenstoreBatch();
        names.Write($"/local/domain/{key.Id}/name", newName);
        names.Write($"{VmRoot}/{key.Uuid}/name", newName);
        Pipeline.Commit(names);
        lock (_lock)
        {
            _changed.Add(key.Uuid);
            _unlisted.Remove(key);
        }
    }

    public void Withdraw(DomainKey key)
    {
        // Not in a transaction: it has nothing to keep whole, and what one removal could not do the next may.
        var nodes = new XenstoreBatch();
        nodes.Remove($"/local/domain/{key.Id}");
        nodes.Remove($"/libxl/{key.Id}");
        nodes.Remove($"{VmRoot}/{key.Uuid}");
        Pipeline.Apply(nodes);
        RunRecords.Configs.Remove(key.Uuid);
        ConsoleSpools.Delete(key.Uuid);
        lock (_lock)
        {
            _entries.Remove(key.Uuid);
            _undated.Remove(key.Uuid);
            _unwritten.Remove(key.Uuid);
            _announced.Remove((key.Uuid, true));
            _announced.Add((key.Uuid, false));
            _unlisted.Remove(key);
        }
    }

    /// <summary>xenconsoled writes the console's pty a little after the domain was introduced, whether or not the domain is still there.</summary>
    public void Settle(DomainKey key)
    {
        if (_consoleDaemonIsGone) return;
        if (FindConsole(key) is not null)
        {
            _consoleDaemonAnswered = true;
            return;
        }

        if (Pipeline.Read($"/local/domain/{key.Id}/console/port") is null) return;
        using var events = XenstoreClient.Open();
        events.Watch(ConsolePath(key), "console");
        var patience = _consoleDaemonAnswered ? BusyConsoleDaemonPatience : ConsoleDaemonPatience;
        for (var begin = Environment.TickCount64; FindConsole(key) is null;)
        {
            var left = patience - TimeSpan.FromMilliseconds(Environment.TickCount64 - begin);
            if (left <= TimeSpan.Zero || !events.WaitForEvent(left))
            {
                _consoleDaemonIsGone = true; // it does not run: waiting for it once was enough
                return;
            }

            events.TryReadEvent(out _);
        }

        _consoleDaemonAnswered = true;
    }

    public IGuestConsole OpenConsole(DomainKey key, Func<bool> exists)
    {
        Settle(key); // right after a creation the console daemon may not have got to it
        var folder = ConsoleSpools.Folder;
        if (!File.Exists(ConsoleSpools.PathOf(folder, key.Uuid)))
        {
            // Other toolstacks destroy domains as well: the first reader of a domain tidies up after them.
            var there = Store.List(VmRoot).ToHashSet(StringComparer.OrdinalIgnoreCase);
            ConsoleSpools.Sweep(uuid => uuid == key.Uuid || there.Contains(uuid.ToString()));
        }

        return new XenConsole(new ConsoleSource { Key = key, SpoolFolder = folder, FindTerminal = () => FindConsole(key), Exists = exists });
    }

    public void Dispose()
    {
        _soon.Dispose();
        WriteStartTimes();
        _connection.Dispose();
    }

    /// <summary>
    /// A new guest's nodes, and its introduction. Not in a transaction, which costs a fifth more, and is done again whenever somebody else makes a domain meanwhile: its name, by which it is
    /// found, is written when all else is there, and whoever fails on the way takes it back.
    /// </summary>
    private void WriteAll(DomainPublication domain)
    {
        var nodes = new XenstoreBatch();
        WriteNodes(nodes, domain);
        Pipeline.Apply(nodes);
        if (domain.Rings == default) return;
        var introduction = new XenstoreBatch(); // of its own: see XenstoreBatch.HasIntroduction
        Introduce(introduction, domain);
        Pipeline.Apply(introduction);
    }

    /// <summary>
    /// The nodes of a new guest. Children take the permissions of the node above them, so the guest's directory is made first, readable
    /// by the guest, and in it "control", which is the guest's own: Linux announces there what requests it answers.
    /// </summary>
    private static void WriteNodes(XenstoreBatch nodes, DomainPublication domain)
    {
        var id = domain.Key.Id;
        var (root, vm) = ($"/local/domain/{id}", $"{VmRoot}/{domain.Key.Uuid}");

        if (domain.Config is { Vifs.Count: 0, Vbds.Count: 0 }) XenstoreDeviceNodes.WriteRoot(nodes, id); // else it came with the devices
        nodes.Write($"{root}/vm", vm);
        nodes.Write($"{root}/domid", Text(id));
        for (var vcpu = 0; vcpu < domain.MaxVcpus; vcpu++) nodes.Write($"{root}/cpu/{vcpu}/availability", vcpu < domain.Vcpus ? "online" : "offline");
        nodes.Write($"{root}/memory/static-max", Text(domain.MaxMemoryKiB));
        nodes.Write($"{root}/memory/target", Text(domain.MemoryKiB));
        nodes.Write($"{root}/store/port", Text(domain.Ports.StorePort));
        if (domain.Rings != default) nodes.Write($"{root}/store/ring-ref", Text(domain.Rings.StoreFrame));
        if (domain.HasConsole) XenstoreDeviceNodes.Write(nodes, id, new ConsoleDevice(domain.Ports.ConsolePort, domain.Rings.ConsoleFrame));
        nodes.Write($"{root}/control", "");
        nodes.SetPermissions($"{root}/control", new XenstorePermission(id, XenstoreRights.None));
        nodes.Write($"{root}/control/shutdown", "");

        nodes.Write($"{vm}/uuid", domain.Key.Uuid.ToString());
        nodes.Write($"{vm}/start_time", StartTimeOf(domain));
        nodes.Write($"/libxl/{id}/type", domain.Type == GuestType.PVH ? "pvh" : "pv");
        WriteFormer(nodes, domain);
        nodes.Write($"{root}/name", domain.Name);
        nodes.Write($"{vm}/name", domain.Name);
    }

    /// <summary>What is not known before there is a guest, and the introduction of that.</summary>
    private static void WriteRings(XenstoreBatch nodes, DomainPublication domain)
    {
        var root = $"/local/domain/{domain.Key.Id}";
        nodes.Write($"{root}/store/ring-ref", Text(domain.Rings.StoreFrame));
        if (domain.HasConsole) nodes.Write($"{root}/console/ring-ref", Text(domain.Rings.ConsoleFrame));
        Introduce(nodes, domain);
    }

    private static void Introduce(XenstoreBatch nodes, DomainPublication domain) => nodes.Introduce(domain.Key.Id, domain.Rings.StoreFrame, domain.Ports.StorePort);

    private static void WriteFormer(XenstoreBatch nodes, DomainPublication domain)
    {
        if (domain.FormerUuid is { } former) nodes.Remove($"{VmRoot}/{former}");
    }

    /// <summary>A request costs a hot start a tenth of its time, and the more, the more guests there are; nobody asks for this one so soon.</summary>
    private void WriteStartTimeSoon(DomainPublication publication)
    {
        lock (_lock)
        {
            _unwritten[publication.Key.Uuid] = StartTimeOf(publication);
            if (_unwritten.Count == 1) _soon.Change(Soon, Timeout.InfiniteTimeSpan);
        }
    }

    private void WriteStartTimes()
    {
        while (true)
        {
            var time = new XenstoreBatch();
            lock (_lock)
            {
                if (_unwritten.Count == 0) return;
                var (uuid, text) = _unwritten.First();
                _unwritten.Remove(uuid);
                time.Read($"{VmRoot}/{uuid}/name"); // somebody may have destroyed it
                time.Write($"{VmRoot}/{uuid}/start_time", text);
            }

            try
            {
                Pipeline.TryCommit(time);
            }
            catch (LvmException)
            {
                // The shell's time stays: nothing hangs on it, and there is nobody here to tell.
            }
        }
    }

    private static string StartTimeOf(DomainPublication domain) => (domain.StartTime.ToUnixTimeMilliseconds() / 1000.0).ToString("F2", CultureInfo.InvariantCulture);

    /// <summary>Of xenstored's table of quotas ("nodes : 1000 Nodes per domain", a line each) the one of nodes; null where there is none, or no limit.</summary>
    internal static int? ParseNodeQuota(string? table)
    {
        foreach (var line in (table ?? "").Split('\n'))
        {
            var words = line.Split([' ', ':'], StringSplitOptions.RemoveEmptyEntries);
            if (words is ["nodes", var number, ..] && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var quota)) return quota > 0 ? quota : null;
        }

        return null;
    }

    /// <summary>The device file of a domain's console; null when it has none (yet).</summary>
    private string? FindConsole(DomainKey key) => Pipeline.Read(ConsolePath(key)) is { Length: > 0 } path ? path : null;

    private static string ConsolePath(DomainKey key) => $"/local/domain/{key.Id}/console/tty";

    private static string Text<T>(T number) where T : IFormattable => number.ToString(null, CultureInfo.InvariantCulture);

    /// <summary>Takes in an event's path: /vm/UUID and its name make what is known of that uuid stale, /vm itself everything.</summary>
    private void Forget(string path)
    {
        var parts = path.Split('/', 4); // "", "vm", UUID, rest
        if (parts.Length < 3) ForgetAll();
        else if (Guid.TryParse(parts[2], out var uuid) && (parts.Length == 3 || parts[3] == "name") && !_announced.Remove((uuid, parts.Length == 4)) && _changed.Add(uuid)) _shelved.Remove(uuid);
    }

    private void ForgetAll()
    {
        foreach (var uuid in _entries.Uuids) _changed.Add(uuid);
        foreach (var child in Store.List(VmRoot))
        {
            if (Guid.TryParse(child, out var uuid)) _changed.Add(uuid);
        }
    }

    /// <summary>Reads the names that changed, all at once.</summary>
    /// <param name="exceptShells">Those of shells may be read later: nobody can want one of them.</param>
    private void LearnNames(bool exceptShells = false)
    {
        if (!exceptShells)
        {
            _changed.UnionWith(_shelved);
            _shelved.Clear();
        }
        else if (_changed.Count > 0)
        {
            _shelved.UnionWith(_changed.Where(Shells.IsWaiting));
            _changed.ExceptWith(_shelved);
        }

        if (_changed.Count == 0) return;
        var uuids = _changed.ToArray();
        var names = Pipeline.Read(Array.ConvertAll(uuids, uuid => $"{VmRoot}/{uuid}/name"));
        for (var i = 0; i < uuids.Length; i++)
        {
            if (names[i] is not { } name)
            {
                _entries.Remove(uuids[i]);
                _undated.Remove(uuids[i]);
                continue;
            }

            // A start time never changes.
            var startTime = _entries.GetValueOrDefault(uuids[i])?.StartTime;
            _entries[uuids[i]] = new DirectoryEntry(name, startTime);
            if (startTime is null) _undated.Add(uuids[i]);
        }

        _changed.Clear();
    }

    /// <summary>Reads the start times that nobody asked for before, all at once.</summary>
    private void LearnStartTimes()
    {
        var uuids = _undated.ToArray();
        var times = Pipeline.Read(Array.ConvertAll(uuids, uuid => $"{VmRoot}/{uuid}/start_time"));
        for (var i = 0; i < uuids.Length; i++) _entries[uuids[i]] = _entries[uuids[i]] with { StartTime = ParseStartTime(times[i]) };
        _undated.Clear();
    }

    /// <summary>The kernel's own name for its run.</summary>
    private static Guid ReadBoot()
    {
        try
        {
            return Guid.Parse(File.ReadAllText("/proc/sys/kernel/random/boot_id"));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or FormatException)
        {
            throw new LvmException(ErrorIds.HostFileFailure, $"the kernel does not say which run of it this is: {error.Message.TrimEnd('.')}", error);
        }
    }

    /// <summary>Seconds since 1970, with a fraction or without.</summary>
    private static DateTimeOffset? ParseStartTime(string? text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and < 1e11
            ? DateTimeOffset.FromUnixTimeMilliseconds((long)(seconds * 1000))
            : null;
}
