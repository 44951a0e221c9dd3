using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using LightVM.Configuration;
using LightVM.Consoles;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Noxs;

/// <summary>
/// Domains without a store, on this host: their devices at the backend, their device pages, their records. What of it is asked as of any domain
/// is asked by way of <see cref="NoxsDirectory"/> and <see cref="NoxsDeviceBus"/>. Members may be called from several threads.
/// </summary>
/// <param name="isThere">Whether there is a backend.</param>
internal sealed class NoxsDomains(IHypervisor hypervisor, INoxsBackend backend, NoxsRegistry registry, Func<bool> isThere) : IDisposable
{
    /// <summary>GNTTAB_RESERVED_CONSOLE of xen/include/public/grant_table.h: by which a domain's builder grants the console's ring.</summary>
    private const uint ConsoleGrant = 0;

    // Of domains that have devices and no record yet, by their ids: who makes a domain publishes it as well.
    private readonly ConcurrentDictionary<uint, List<DeviceEntry>> _begun = new();

    // Null where the hypervisor is not LightVM's own; asked for with the first page, and not by those whose domains all have a store.
    private readonly Lazy<HypervisorPages?> _hypervisorPages = new(() => HypervisorPages.Of(hypervisor));

    private int _isReconciled;

    /// <summary>Finds what a disk shall be (<see cref="OpenedDisk.Open"/>).</summary>
    public Func<DiskConfig, OpenedDisk> OpenDisk { get; init; } = OpenedDisk.Open;

    /// <summary>Removes what a guest that is gone has written.</summary>
    public Action<Guid> RemoveConsole { get; init; } = uuid => ConsoleSpools.Delete(NoxsFiles.ConsoleFolder, uuid);

    public NoxsRegistry Registry => registry;

    public INoxsBackend Backend => backend;

    /// <summary>Whether this host has devices for guests without a store.</summary>
    public bool IsThere => isThere();

    /// <summary>Refuses a host without a backend. Errors: NoxsUnavailable.</summary>
    public void RequireThere()
    {
        if (!IsThere) throw new LvmException(ErrorIds.NoxsUnavailable, $"its devices shall come by noxs, and there is no '{NoxsBackend.DefaultPath}'");
    }

    /// <summary>As <see cref="IDeviceBus.Reserve"/>. Errors: BridgeNotFound, MacAddressTaken, DiskInUse, DiskInvalid, DeviceUnsupported, TooManyDevices.</summary>
    /// <param name="isBridge">Whether the host has a bridge of this name.</param>
    public IReadOnlyList<Device> Reserve(Guid uuid, IReadOnlyList<Device> devices, Func<string, bool> isBridge)
    {
        if (devices.Count == 0) return devices;
        if (devices.Count >= DevicePage.MaxDevices) throw new LvmException(ErrorIds.TooManyDevices, $"a device page has room for {DevicePage.MaxDevices - 1} devices");
        var others = devices.Any(device => device is DiskDevice) ? registry.List().Where(entry => entry.Key != uuid).Select(entry => entry.Value.Config).ToList() : [];
        var macs = new HashSet<string>(StringComparer.Ordinal);
        return devices.Select(device => device switch
        {
            NetworkDevice network => Reserve(uuid, network, macs, isBridge),
            DiskDevice disk => Reserve(disk, others),
            _ => device,
        }).ToList();
    }

    /// <summary>Makes the devices of a domain that has none, the one by which it is asked first of all, and its console. Errors: those of <see cref="INoxsBackend"/>; then nothing of them is left.</summary>
    /// <param name="consolePort">The guest's; 0 for one without a console.</param>
    public void Attach(DomainKey domain, IReadOnlyList<Device> devices, uint consolePort)
    {
        var id = (ushort)domain.Id;
        Span<CreateArgument> all = stackalloc CreateArgument[NoxsCalls.MostAtOnce];
        var count = 0;
        all[count++] = CreateArgument.Sysctl(id);
        var opened = new List<OpenedDisk>();
        try
        {
            foreach (var device in devices) all[count++] = ArgumentOf(id, device, opened);
            if (consolePort != 0) all[count] = CreateArgument.Console(id, ConsoleGrant, consolePort);
            backend.Create(all[..(consolePort != 0 ? count + 1 : count)]);
        }
        finally
        {
            foreach (var disk in opened) disk.Dispose();
        }

        var listed = all[..count];
        var entries = new List<DeviceEntry>(listed.Length);
        foreach (ref var device in listed) entries.Add(EntryOf(device));
        _begun[domain.Id] = entries;
    }

    /// <summary>Devices more for a domain whose guest has not been started. What they are is published next.</summary>
    public void AttachMore(DomainKey domain, NoxsRecord record, IReadOnlyList<Device> devices)
    {
        var entries = _begun.GetOrAdd(domain.Id, _ => [.. record.Entries]);
        foreach (var device in devices) entries.Add(Create((ushort)domain.Id, device));
    }

    /// <summary>Removes all devices of a domain, and its console. What is gone already is no error.</summary>
    public void DetachAll(uint id)
    {
        _begun.TryRemove(id, out _);
        backend.DestroyAll((ushort)id);
    }

    /// <summary>
    /// Publishes a domain: writes its device page, keeps its record. Its guest does not run yet; one that has
    /// none yet has no page either.
    /// </summary>
    public void Publish(DomainPublication publication, bool isShell)
    {
        var id = publication.Key.Id;
        if (!_begun.TryGetValue(id, out var entries)) throw new InvalidOperationException("Attach comes before Publish.");
        WritePage(publication, entries);
        registry.Save(publication.Key.Uuid, RecordOf(publication, entries) with { StartTime = isShell ? null : publication.StartTime });
        _begun.TryRemove(id, out _);
    }

    /// <summary>The rest for a domain whose guest has come.</summary>
    public void PublishRings(DomainPublication publication)
    {
        var record = registry.Find(publication.Key) ?? throw new LvmException(ErrorIds.DomainGone, $"nothing is kept of domain {publication.Key}");
        WritePage(publication, [.. record.Entries]);
        registry.Save(publication.Key.Uuid, record with { PageFrame = publication.Rings.StoreFrame });
    }

    /// <summary>Makes of a shell the domain that it becomes.</summary>
    public void PublishAs(DomainPublication publication, DomainPublication shell, IReadOnlyList<NetworkDevice> changed)
    {
        var (id, uuid) = (publication.Key.Id, publication.Key.Uuid);
        var record = registry.Find(shell.Key.Uuid) ?? throw new LvmException(ErrorIds.DomainGone, $"nothing is kept of shell {shell.Key}");
        var isNew = _begun.TryGetValue(id, out var entries);
        entries ??= [.. record.Entries];
        foreach (var device in changed)
        {
            backend.Destroy(DeviceType.Vif, (ushort)id, (uint)device.Id);
            var place = entries.FindIndex(entry => entry.Type == EntryType.Vif && entry.Id == device.Id);
            entries[place] = Create((ushort)id, device);
        }

        if (publication.Rings != shell.Rings || isNew || changed.Count > 0) WritePage(publication, entries);
        registry.Save(uuid, RecordOf(publication, entries));
        if (shell.Key.Uuid != uuid) registry.Remove(shell.Key.Uuid);
        _begun.TryRemove(id, out _);
    }

    /// <summary>
    /// Gives devices to a domain that runs or is paused: makes them, lists them in its page and its record, and tells the guest. All of them or none. The
    /// caller holds the domain. Errors: TooManyDevices, MacAddressTaken, and those of <see cref="INoxsBackend"/>.
    /// </summary>
    public void AttachNow(DomainKey domain, IReadOnlyList<Device> devices)
    {
        var before = Require(domain);
        var after = WithoutLeft(domain, before);
        if (after.Entries.Count(entry => entry.Type != EntryType.None) + devices.Count > DevicePage.MaxDevices)
            throw new LvmException(ErrorIds.TooManyDevices, $"its device page has room for {DevicePage.MaxDevices - 1} devices");
        foreach (var disk in devices.OfType<DiskDevice>()) RequireNotIn(after.Devices.OfType<DiskDevice>().Select(other => other.Config), disk.Config, "it");
        var made = new List<Device>();
        var isChanged = false;
        try
        {
            foreach (var device in devices)
            {
                after = after.With(device, Create((ushort)domain.Id, device));
                made.Add(device);
            }

            isChanged = true;
            Change(domain, before, after);
            backend.TellOfPage((ushort)domain.Id);
        }
        catch (LvmException error)
        {
            foreach (var device in made) Undo(error, () => Destroy(domain, device.Kind, device.Id));
            if (isChanged) Undo(error, () => Change(domain, after, before));
            if (isChanged) TellQuietly(domain);
            throw;
        }
    }

    /// <summary>Waits until the host has its end of devices that were attached to a domain that runs. Errors: DeviceTimeout, DeviceFailure, OperationCancelled.</summary>
    public void AwaitBackends(DomainKey domain, IReadOnlyList<Device> devices, TimeSpan patience, CancellationToken cancellation)
    {
        var begin = Stopwatch.GetTimestamp();
        foreach (var device in devices)
        {
            if (!Await(domain, device.Kind, device.Id, state => state != SideState.Initialising, patience - Stopwatch.GetElapsedTime(begin), cancellation))
                throw new LvmException(ErrorIds.DeviceTimeout, $"its {NameOf(device.Kind)} {device.Id} is not there after {patience.TotalSeconds:0.#} s");
            if (StateOf(domain, device.Kind, device.Id) is SideState.Unknown or SideState.Closed)
                throw new LvmException(ErrorIds.DeviceFailure, $"its {NameOf(device.Kind)} {device.Id} could not be made; the log of lightvm noxsd says why");
        }
    }

    /// <summary>
    /// Takes one device away, and out of the page. A guest that has it in use is asked first, and waited for: one that does not let go in time loses it
    /// when it does. Errors: DeviceNotFound, DeviceBusy, OperationCancelled.
    /// </summary>
    /// <param name="force">Does not ask.</param>
    public void Detach(DomainKey domain, DeviceKind kind, int id, bool force, TimeSpan patience, CancellationToken cancellation)
    {
        var record = Require(domain);
        var device = record.Devices.FirstOrDefault(device => device.Kind == kind && device.Id == id) ?? throw new LvmException(ErrorIds.DeviceNotFound, $"it has no {NameOf(kind)} {id}");
        if (!force) AskToLetGo(domain, record, device, patience, cancellation);
        Destroy(domain, kind, id);
        var before = Require(domain);
        Change(domain, before, WithoutLeft(domain, before).Without(kind, id));
        TellQuietly(domain);
    }

    /// <summary>Does what <see cref="Reconcile"/> does, when it is first called.</summary>
    public void ReconcileOnce()
    {
        if (Interlocked.Exchange(ref _isReconciled, 1) == 1) return;
        Reconcile();
    }

    /// <summary>Forgets domains that are no more: destroyed by others, or by somebody who was killed.</summary>
    public void Reconcile()
    {
        var records = registry.List();
        if (records.Count == 0) return;
        var there = hypervisor.ListDomains().Where(domain => domain.State != DomainState.Dying).Select(domain => domain.Key).ToHashSet();
        foreach (var (uuid, record) in records)
        {
            if (there.Contains(new DomainKey(record.Id, uuid))) continue;
            // Who makes or restarts it has it held.
            using var hold = HostLocks.Take($"domain {uuid}", TimeSpan.Zero);
            if (hold is null || registry.Find(uuid) is not { } still || hypervisor.FindDomain(still.Id)?.Key == new DomainKey(still.Id, uuid)) continue;
            Forget(uuid);
        }
    }

    /// <summary>Forgets a domain, and what its guest has written.</summary>
    public void Forget(Guid uuid)
    {
        registry.Remove(uuid);
        RemoveConsole(uuid);
    }

    public void Dispose()
    {
        registry.Dispose();
        backend.Dispose();
    }

    public static DeviceType TypeOf(DeviceKind kind) => kind == DeviceKind.Network ? DeviceType.Vif : DeviceType.Vbd;

    private static string NameOf(DeviceKind kind) => kind == DeviceKind.Network ? "vif" : "vbd";

    private static NoxsRecord RecordOf(DomainPublication publication, List<DeviceEntry> entries) => new()
    {
        Id = publication.Key.Id,
        Name = publication.Name,
        StartTime = publication.StartTime,
        PageFrame = publication.Rings.StoreFrame,
        Entries = entries,
        Config = publication.Config,
    };

    private NetworkDevice Reserve(Guid uuid, NetworkDevice device, HashSet<string> taken, Func<string, bool> isBridge)
    {
        var config = device.Config;
        if (config.Rate is not null || config.QueueCount > 1) throw new LvmException(ErrorIds.DeviceUnsupported, $"vif {device.Id}: interfaces by noxs have one queue and no rate");
        if (config.Bridge is { } bridge && !isBridge(bridge)) throw new LvmException(ErrorIds.BridgeNotFound, $"there is no bridge '{bridge}'");
        if (config.Mac is { } given) return TryTake(given) ? device : throw new LvmException(ErrorIds.MacAddressTaken, $"another domain has the address {given}");
        for (var attempt = 0; ; attempt++)
        {
            var mac = MacOf(uuid, device.Id, attempt);
            if (TryTake(mac)) return device with { Config = config with { Mac = mac } };
        }

        bool TryTake(string mac) => taken.Add(mac) && (IsFree(mac) || Reconciled(mac));

        bool IsFree(string mac) => (registry.HolderOf(mac) ?? uuid) == uuid;

        // Whose it is may be no more.
        bool Reconciled(string mac)
        {
            Reconcile();
            return IsFree(mac);
        }
    }

    private DiskDevice Reserve(DiskDevice disk, List<DomainConfig> others)
    {
        OpenDisk(disk.Config).Dispose();
        // The backend knows as well, by what the disk is and not by its path, but only when the domain is there.
        RequireNotIn(others.SelectMany(config => config.Vbds), disk.Config, "another domain");
        return disk;
    }

    private static void RequireNotIn(IEnumerable<DiskConfig> others, DiskConfig disk, string who)
    {
        if (others.Any(other => other.Target == disk.Target && (disk.Access == DiskAccess.ReadWrite || other.Access == DiskAccess.ReadWrite)))
            throw new LvmException(ErrorIds.DiskInUse, $"{who} has the disk '{disk.Target}'");
    }

    /// <summary>As the device daemon does: the same domain has the same addresses, however its devices come to it.</summary>
    private static string MacOf(Guid domain, int id, int attempt)
    {
        Span<byte> seed = stackalloc byte[16 + sizeof(int) + sizeof(int)];
        domain.TryWriteBytes(seed, bigEndian: true, out _);
        BinaryPrimitives.WriteInt32BigEndian(seed[16..], id);
        BinaryPrimitives.WriteInt32BigEndian(seed[20..], attempt);
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(seed, hash);
        return $"00:16:3e:{hash[0] & 0x7f:x2}:{hash[1]:x2}:{hash[2]:x2}";
    }

    private static DeviceEntry EntryOf(in CreateArgument device) => new()
    {
        Type = device.Type switch
        {
            DeviceType.Sysctl => EntryType.Sysctl,
            DeviceType.Vif => EntryType.Vif,
            _ => EntryType.Vbd,
        },
        Id = device.Id,
        Grant = device.Grant,
        Port = device.Port,
    };

    private DeviceEntry Create(ushort domain, Device device)
    {
        var opened = new List<OpenedDisk>();
        try
        {
            var argument = ArgumentOf(domain, device, opened);
            backend.Create(new Span<CreateArgument>(ref argument));
            return EntryOf(argument);
        }
        finally
        {
            foreach (var disk in opened) disk.Dispose();
        }
    }

    /// <param name="opened">Gets what has to stay open until the backend has it.</param>
    private CreateArgument ArgumentOf(ushort domain, Device device, List<OpenedDisk> opened)
    {
        switch (device)
        {
            case NetworkDevice { Config: var vif }:
                var address = vif.Ip is { } ip && IPAddress.TryParse(ip.Split('/')[0], out var parsed) ? parsed : null;
                return CreateArgument.Vif(domain, (uint)device.Id, VifSettings.Of(vif.Mac!, address, vif.Bridge));
            case DiskDevice { Config: var vbd }:
                var disk = OpenDisk(vbd);
                opened.Add(disk);
                return CreateArgument.Vbd(domain, (uint)device.Id, disk.Settings);
            default:
                throw new ArgumentException($"{device.Kind} is no device that is attached", nameof(device));
        }
    }

    private NoxsRecord Require(DomainKey domain) => registry.FindNow(domain) ?? throw new LvmException(ErrorIds.DomainGone, $"nothing is kept of domain {domain}");

    /// <summary>What remains of it when those are forgotten that were leaving and have left.</summary>
    private NoxsRecord WithoutLeft(DomainKey domain, NoxsRecord record) => record.Leaving is null
        ? record
        : record.Leaving.Devices().Where(device => StateOf(domain, device.Kind, device.Id) == SideState.Unknown).Aggregate(record, (left, device) => left.WithoutLeft(device));

    private void AskToLetGo(DomainKey domain, NoxsRecord record, Device device, TimeSpan patience, CancellationToken cancellation)
    {
        var (kind, id) = (device.Kind, device.Id);
        var begin = Stopwatch.GetTimestamp();
        // A daemon that was just started does not know yet whether the guest has it in use.
        var isKnown = Await(domain, kind, id, state => state != SideState.Initialising, patience, cancellation);
        if (isKnown && StateOf(domain, kind, id) is not (SideState.Connected or SideState.Closing)) return;
        registry.Save(domain.Uuid, record.WithLeaving(device)); // first: it may go at any time from then on
        if (!backend.AskToLetGo(TypeOf(kind), (ushort)domain.Id, (uint)id)) return;
        if (!Await(domain, kind, id, state => state is SideState.Unknown or SideState.Closed, patience - Stopwatch.GetElapsedTime(begin), cancellation))
            throw new LvmException(ErrorIds.DeviceBusy, $"the guest has not let go of its {NameOf(kind)} {id} within {patience.TotalSeconds:0.#} s; it is taken away as soon as the guest does");
    }

    private SideState StateOf(DomainKey domain, DeviceKind kind, int id) => backend.States(TypeOf(kind), (ushort)domain.Id).GetValueOrDefault((uint)id);

    /// <summary>Waits for a device's state; false when it has not come in time. The backend has no event for it.</summary>
    private bool Await(DomainKey domain, DeviceKind kind, int id, Predicate<SideState> isAwaited, TimeSpan patience, CancellationToken cancellation)
    {
        var begin = Stopwatch.GetTimestamp();
        for (var pause = TimeSpan.FromMilliseconds(1); !isAwaited(StateOf(domain, kind, id)); pause = TimeSpan.FromMilliseconds(Math.Min(pause.TotalMilliseconds * 2, 50)))
        {
            if (Stopwatch.GetElapsedTime(begin) >= patience) return false;
            if (cancellation.WaitHandle.WaitOne(pause)) throw new LvmException(ErrorIds.OperationCancelled, "it was cancelled while it waited for a device");
        }

        return true;
    }

    /// <summary>What is gone already is no error.</summary>
    private void Destroy(DomainKey domain, DeviceKind kind, int id)
    {
        try
        {
            backend.Destroy(TypeOf(kind), (ushort)domain.Id, (uint)id);
        }
        catch (LvmException error) when (error.ErrorId == ErrorIds.DeviceNotFound)
        {
            // The guest let go of it, or it went with a daemon.
        }
    }

    private static void Undo(LvmException error, Action action)
    {
        try
        {
            action();
        }
        catch (LvmException second)
        {
            error.LeftBehind ??= $"the device was not undone: {second.Problem}";
        }
    }

    /// <summary>A guest that cannot be told notices when something happens to it.</summary>
    private void TellQuietly(DomainKey domain)
    {
        try
        {
            backend.TellOfPage((ushort)domain.Id);
        }
        catch (LvmException)
        {
            // It is in its page.
        }
    }

    /// <summary>Makes of a domain's page and record what they shall be.</summary>
    private void Change(DomainKey domain, NoxsRecord before, NoxsRecord after)
    {
        if (after.PageFrame != 0) ChangePage(domain.Id, after.PageFrame, before.Entries, after.Entries);
        _hypervisorPages.Value?.Write(domain.Id, after.Entries);
        registry.Save(domain.Uuid, after);
    }

    /// <summary>
    /// The guest may look at any time: each entry keeps its place, and one that changes has no type as long as the rest of it is not there. A type is a
    /// number of one byte, which is there or not, however a page is copied.
    /// </summary>
    private void ChangePage(uint domain, ulong frame, IReadOnlyList<DeviceEntry> before, IReadOnlyList<DeviceEntry> after)
    {
        var changed = Enumerable.Range(0, DevicePage.MaxDevices).Where(place => At(before, place) != At(after, place)).ToHashSet();
        if (changed.Count == 0) return;
        WritePage(domain, frame, Hidden(before));
        WritePage(domain, frame, Hidden(after));
        WritePage(domain, frame, [.. after]);

        List<DeviceEntry> Hidden(IReadOnlyList<DeviceEntry> entries) => [.. entries.Select((entry, place) => changed.Contains(place) ? entry with { Type = EntryType.None } : entry)];

        static DeviceEntry At(IReadOnlyList<DeviceEntry> entries, int place) => place < entries.Count ? entries[place] : default;
    }

    /// <summary>One that has no guest yet has no page of its own either.</summary>
    private void WritePage(DomainPublication publication, List<DeviceEntry> entries)
    {
        if (publication.Rings != default) WritePage(publication.Key.Id, publication.Rings.StoreFrame, entries);
        _hypervisorPages.Value?.Write(publication.Key.Id, entries);
    }

    private void WritePage(uint domain, ulong frame, List<DeviceEntry> entries)
    {
        Span<byte> bytes = stackalloc byte[DevicePage.Size];
        bytes.Clear();
        ref var page = ref MemoryMarshal.AsRef<DevicePage>(bytes);
        page.Version = DevicePage.CurrentVersion;
        page.Count = (uint)entries.Count;
        for (var i = 0; i < entries.Count; i++) page.Entries[i] = entries[i];
        DevicePage.Tag.CopyTo(bytes[^DevicePage.Tag.Length..]);
        hypervisor.WritePage(domain, frame, bytes);
    }
}
