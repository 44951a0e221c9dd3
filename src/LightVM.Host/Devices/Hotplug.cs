using System.Diagnostics;
using System.Globalization;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;
using LightVM.Xen;
using static LightVM.Xen.XenstoreDeviceNodes;

namespace LightVM.Host.Devices;

/// <summary>
/// The userland half of guests' devices: answers the kernel's events of backends. Interfaces join their bridges, image files get loop
/// devices, and what a guest let go of while nobody waited for it is taken away. All of it on one thread.
/// </summary>
/// <remarks>
/// The store and the kernel are the only memory: a daemon that starts looks at both (<see cref="Scan"/>), takes over what is at work,
/// finishes what the one before it began, and frees what belongs to no domain.
/// </remarks>
internal sealed class Hotplug : IDaemonTask, IDisposable
{
    private const string Connected = "connected";

    /// <summary>
    /// After which time there is another look at what nothing will be heard of: a store that failed, loop devices that wait for their
    /// backend, newcomers. The first is soon after a device has come, and each waits twice as long as the one before.
    /// </summary>
    private static readonly TimeSpan FirstLook = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LastLook = TimeSpan.FromMilliseconds(640);

    /// <summary>For how long a device is a newcomer whose driver does not say that it has taken it.</summary>
    private static readonly TimeSpan NewcomerTime = TimeSpan.FromSeconds(10);

    private readonly KernelEvents _events;
    private readonly XenstorePipeline _pipeline;
    private readonly XenstoreClient _store;
    private readonly IHypervisor _hypervisor;
    private readonly IHostDevices _host;
    private readonly DeviceTable _table;
    private readonly DaemonLog _log;
    private readonly ServiceNotifier _notifier;
    private readonly bool _servesAll;
    private readonly Dictionary<string, LoopDevice> _orphans = new(StringComparer.Ordinal);
    // Devices whose driver is still at them, with the time from when that no longer is believed. What a toolstack removes in that moment
    // the driver brings back in parts, by its own nodes, and the kernel keeps the device, because there are some: nobody else would notice.
    private readonly Dictionary<DeviceKey, long> _newcomers = [];
    private bool _needsScan;
    private long _lastPing;
    private long _lastLook;
    private TimeSpan _nextLook = LastLook;

    /// <param name="servesAll">Whether devices of other toolstacks are set up, too.</param>
    public Hotplug(IHypervisor hypervisor, IHostDevices host, DeviceTable table, DaemonLog log, ServiceNotifier notifier, bool servesAll)
    {
        _hypervisor = hypervisor;
        _host = host;
        _table = table;
        _log = log;
        _notifier = notifier;
        _servesAll = servesAll;
        // Before anything is looked at: what happens from now on is heard of.
        _events = KernelEvents.Open("xen-backend");
        try
        {
            _store = XenstoreClient.Open();
            _pipeline = XenstorePipeline.Open();
        }
        catch
        {
            _store?.Dispose();
            _events.Dispose();
            throw;
        }
    }

    public string Name => "devices";

    public void Run(CancellationToken cancellation)
    {
        try
        {
            Serve(cancellation);
        }
        finally
        {
            // From here on the kernel looks after them.
            SetAutoclear();
            var inKernel = LinuxDevices.KernelDevices();
            foreach (var key in _table.Keys.Where(key => !inKernel.Contains(key))) Forget(key);
        }
    }

    /// <summary>
    /// Looks at everything: the kernel's devices, the store's, the loop devices, the domains. Errors: StoreFailure and others of Xen's.
    /// </summary>
    public void Scan()
    {
        _needsScan = true; // until this has come to its end
        CrashPoints.Reach(CrashPoints.ScanBeforeStore);
        var clock = Stopwatch.StartNew();
        var backends = ReadBackends();
        var inKernel = LinuxDevices.KernelDevices();
        // Asked for last: a domain is there before its nodes are.
        var domains = _hypervisor.ListDomains().ToDictionary(domain => domain.Key.Id, domain => domain.Key.Uuid);

        foreach (var key in _table.Keys.Where(key => !inKernel.Contains(key))) Forget(key);
        FindOrphans();

        CrashPoints.Reach(CrashPoints.ScanBeforeTakeover);
        var ours = backends.Where(backend => inKernel.Contains(backend.Key) && domains.ContainsKey(backend.Key.Domain)).ToArray();
        foreach (var backend in ours) TakeOver(backend, domains[backend.Key.Domain]);
        foreach (var backend in ours.Where(NeedsSetup)) SetUp(backend, domains[backend.Key.Domain], interfaceName: null);

        CrashPoints.Reach(CrashPoints.ScanBeforeOrphans);
        FreeOrphans();
        CrashPoints.Reach(CrashPoints.ScanAfterOrphans);
        foreach (var backend in backends.Where(backend => backend.IsRemnant || (backend.IsForRemoval && !inKernel.Contains(backend.Key)))) RemoveNodes(backend.Key);
        foreach (var domain in backends.Where(backend => backend.IsOurs && !domains.ContainsKey(backend.Key.Domain)).GroupBy(backend => backend.Key.Domain))
            RemoveDomain(domain.Key, domain.Select(backend => backend.Key), domains);
        CrashPoints.Reach(CrashPoints.ScanAfterCleaning);
        _needsScan = false;
        var (interfaces, disks, _, _) = _table.Counts;
        _log.Notice($"looked at the host's devices: {interfaces} interfaces, {disks} disks, in {clock.ElapsedMilliseconds} ms");
    }

    public void Dispose()
    {
        _pipeline.Dispose();
        _store.Dispose();
        _events.Dispose();
        FreeHandles();
    }

    private void Serve(CancellationToken cancellation)
    {
        while (true)
        {
            if (_events.Wait(Patience(), cancellation))
            {
                while (_events.TryRead(out var read))
                {
                    Handle(read);
                    PingWhenDue();
                    cancellation.ThrowIfCancellationRequested();
                }
            }

            PingWhenDue();
            if (Stopwatch.GetElapsedTime(_lastLook) >= _nextLook) LookAgain();
            if (_needsScan) Try("look at the devices", Scan);
        }
    }

    private void LookAgain()
    {
        SetAutoclear();
        if (_newcomers.Count > 0) Try("look at new devices", VerifyNewcomers);
        _lastLook = Stopwatch.GetTimestamp();
        _nextLook = _nextLook * 2 < LastLook ? _nextLook * 2 : LastLook;
    }

    private void LookSoon()
    {
        _lastLook = Stopwatch.GetTimestamp();
        _nextLook = FirstLook;
    }

    private void Handle(KernelEvent read)
    {
        if (read.IsLoss)
        {
            _log.Warning("the kernel dropped events; looking at all devices again");
            _needsScan = true;
            return;
        }

        if (!DeviceKey.TryParse(read.SysName, out var key)) return;
        switch (key.Kind, read.Action)
        {
            case (DeviceKind.Network, "online"):
                CrashPoints.Reach(CrashPoints.VifEvent);
                Try($"set up {key}", () => Appear(key, read["vif"]));
                break;
            case (DeviceKind.Network, "add"):
                _newcomers[key] = Environment.TickCount64 + (long)NewcomerTime.TotalMilliseconds;
                break;
            case (DeviceKind.Disk, "add"):
                _newcomers[key] = Environment.TickCount64 + (long)NewcomerTime.TotalMilliseconds;
                CrashPoints.Reach(CrashPoints.VbdEvent);
                Try($"set up {key}", () => Appear(key, interfaceName: null));
                break;
            case (_, "bind"):
                _newcomers.Remove(key);
                Try($"look at {key}", () => Verify([key]));
                break;
            case (DeviceKind.Network, "offline"):
                Forget(key);
                break;
            case (_, "remove"):
                _newcomers.Remove(key);
                CrashPoints.Reach(CrashPoints.RemoveEvent);
                Try($"clean up after {key}", () => Disappear(key));
                break;
        }
    }

    private void Appear(DeviceKey key, string? interfaceName)
    {
        var backend = Read(key);
        if (_hypervisor.FindDomain(key.Domain) is not { } domain) return; // it went as fast as it came
        if (backend.HotplugStatus == Connected)
        {
            if (key.Kind == DeviceKind.Disk && !_table.Contains(key)) FindOrphans();
            TakeOver(backend, domain.Key.Uuid);
        }

        if (NeedsSetup(backend)) SetUp(backend, domain.Key.Uuid, interfaceName);
        else if (backend.Mac is { } mac && key.Kind == DeviceKind.Network) _table.AddInterface(key, domain.Key.Uuid, mac);
        FreeHandles();
    }

    /// <summary>Whether a device waits for this daemon.</summary>
    private bool NeedsSetup(Backend backend)
    {
        if (!IsServed(backend) || backend.IsLetGo) return false;
        if (string.IsNullOrEmpty(backend.HotplugStatus)) return true;
        // Said to be connected by a daemon that died before the kernel's backend had opened the disk, and the loop device is gone.
        return backend.HotplugStatus == Connected && backend.Key.Kind == DeviceKind.Disk && !_table.Contains(backend.Key) && LinuxDevices.DeviceOf(backend.Key) is null;
    }

    private bool IsServed(Backend backend) => backend.IsOurs || (_servesAll && !backend.IsRemnant);

    /// <summary>Takes in what is at work already.</summary>
    private void TakeOver(Backend backend, Guid domain)
    {
        var key = backend.Key;
        if (key.Kind == DeviceKind.Network)
        {
            if (backend.Mac is { } mac) _table.AddInterface(key, domain, mac);
            return;
        }

        if (!IsServed(backend) || backend.HotplugStatus != Connected || _table.Contains(key)) return;
        if (_orphans.Remove(LabelOf(key), out var loop))
        {
            if (BackingOf(loop) is { } backing && backend.PhysicalDevice == Numbers(LoopDevice.Major, loop.Minor))
            {
                _table.TakeOverDisk(key, domain, backing, backend.Access, loop);
                return;
            }

            _orphans[LabelOf(key)] = loop;
        }
        else if (backend.Disk is { Type: DiskType.Phy } disk && SystemCalls.TryStat(disk.Target, out var status) && status.IsBlockDevice)
        {
            _table.TakeOverDisk(key, domain, DiskIdentity.Of(status), backend.Access, loop: null);
        }
    }

    private void SetUp(Backend backend, Guid domain, string? interfaceName)
    {
        var key = backend.Key;
        try
        {
            Forget(key); // one of the same name, whose end was not heard of
            var done = new XenstoreBatch();
            if (key.Kind == DeviceKind.Network) SetUpInterface(backend, domain, interfaceName, done);
            else SetUpDisk(backend, domain, done);
        }
        catch (Exception error) when (IsOfDevice(error))
        {
            Forget(key);
            var text = error is LvmException known ? $"{known.ErrorId}: {Describe(error)}" : $"{ErrorIds.DeviceFailure}: {Describe(error)}";
            _log.Error($"{key}: {text}");
            CrashPoints.Reach(CrashPoints.AddBeforeError);
            var failed = new XenstoreBatch();
            failed.Write($"{key.BackendPath}/hotplug-error", text);
            failed.Write($"{key.BackendPath}/hotplug-status", "error");
            Announce(key, failed);
            CrashPoints.Reach(CrashPoints.AddAfterError);
        }
    }

    private void SetUpInterface(Backend backend, Guid domain, string? interfaceName, XenstoreBatch done)
    {
        var key = backend.Key;
        if (backend.Mac is { } mac) _table.AddInterface(key, domain, mac);
        // A kernel that has not made the interface yet will say so.
        if ((interfaceName ?? LinuxDevices.InterfaceOf(key)) is not { } name) return;
        CrashPoints.Reach(CrashPoints.VifBeforeBridge);
        _host.AttachInterface(name, backend.Bridge);
        CrashPoints.Reach(CrashPoints.VifAfterBridge);
        done.Write($"{key.BackendPath}/hotplug-status", Connected);
        CrashPoints.Reach(CrashPoints.VifBeforeStatus);
        Announce(key, done);
        CrashPoints.Reach(CrashPoints.VifAfterStatus);
        _log.Info($"{key}: {name} is up{(backend.Bridge is { } bridge ? $" on {bridge}" : "")}");
    }

    private void SetUpDisk(Backend backend, Guid domain, XenstoreBatch done)
    {
        var key = backend.Key;
        var disk = DiskOf(backend) ?? throw new LvmException(ErrorIds.DiskInvalid, "its nodes in the store do not say which disk it is");
        var identity = _host.Examine(disk);
        if (!_table.Holds(domain, key.Id, identity, disk.Access) && _host.FindForeignUser(identity, disk.Access, WithOrphan(_table.OwnDisks, key)) is { } user)
            throw new LvmException(ErrorIds.DiskInUse, $"disk '{disk.Target}' is in use: {user}");
        _table.AddDisk(key, domain, identity, disk.Access, disk.Target);

        var (path, major, minor) = (disk.Target, identity.Major, identity.Minor);
        if (disk.Type == DiskType.File)
        {
            CrashPoints.Reach(CrashPoints.VbdBeforeLoop);
            var loop = TakeOrphan(key, identity, disk.Access) ?? _host.Bind(disk, LabelOf(key));
            CrashPoints.Reach(CrashPoints.VbdAfterLoop);
            _table.SetLoop(key, loop);
            (path, major, minor) = (loop.Path, LoopDevice.Major, loop.Minor);
        }

        done.Write($"{key.BackendPath}/node", path);
        done.Write($"{key.BackendPath}/physical-device", Numbers(major, minor)); // with this one the kernel opens it
        done.Write($"{key.BackendPath}/hotplug-status", Connected);
        CrashPoints.Reach(CrashPoints.VbdBeforePhysical);
        Announce(key, done);
        LookSoon();
        CrashPoints.Reach(CrashPoints.VbdAfterPhysical);
        _log.Info($"{key}: '{disk.Target}' is {path}{(disk.Access == DiskAccess.ReadOnly ? ", read-only" : "")}");
    }

    /// <summary>The kernel's backend has gone.</summary>
    private void Disappear(DeviceKey key)
    {
        Forget(key);
        var backend = Read(key);
        if (backend.IsRemnant || backend.IsForRemoval) RemoveNodes(key);
    }

    /// <summary>Writes what was done for a device, in one go, and takes it back where the device had just been removed.</summary>
    private void Announce(DeviceKey key, XenstoreBatch nodes)
    {
        nodes.Read($"{key.BackendPath}/frontend");
        if (_pipeline.Ask(nodes)[^1] is null) RemoveNodes(key);
    }

    /// <summary>Sees to it that the nodes of devices are more than what a driver wrote after its device had been removed.</summary>
    private void Verify(IReadOnlyList<DeviceKey> keys)
    {
        var batch = new XenstoreBatch();
        foreach (var key in keys.TakeWhile(_ => batch.HasRoom)) batch.Read($"{key.BackendPath}/frontend");
        var answers = _pipeline.Ask(batch);
        for (var i = 0; i < answers.Count; i++)
        {
            if (answers[i] is null) RemoveNodes(keys[i]);
        }
    }

    private void VerifyNewcomers()
    {
        Verify([.. _newcomers.Keys]);
        foreach (var (key, end) in _newcomers)
        {
            if (end < Environment.TickCount64) _newcomers.Remove(key);
        }
    }

    private void Forget(DeviceKey key)
    {
        if (!_table.Contains(key)) return;
        CrashPoints.Reach(CrashPoints.RemoveBeforeForget);
        var loop = _table.Remove(key);
        CrashPoints.Reach(CrashPoints.RemoveAfterForget);
        if (loop is null) return;
        CrashPoints.Reach(CrashPoints.RemoveBeforeLoop);
        _ = loop.TryClear(); // one that the backend still has goes with the backend
        loop.Dispose();
        CrashPoints.Reach(CrashPoints.RemoveAfterLoop);
        _log.Info($"{key}: {loop.Path} is free");
    }

    /// <summary>Removes the nodes of a device that both sides have let go of, or what is left of them, unless there is a new device of its name.</summary>
    private void RemoveNodes(DeviceKey key)
    {
        CrashPoints.Reach(CrashPoints.RemoveBeforeNodes);
        var removed = false;
        _store.InTransaction(transaction =>
        {
            // A driver that took back the one node that there was, having come too late, leaves an empty directory.
            removed = _store.Read(key.BackendPath, transaction) is not null
                && (_store.Read($"{key.BackendPath}/frontend", transaction) is null || _store.Read($"{key.BackendPath}/online", transaction) is "0");
            if (!removed) return;
            _store.Remove(key.FrontendPath, transaction);
            _store.Remove(key.LibxlPath, transaction);
            RemoveBackend(key, transaction);
        });
        CrashPoints.Reach(CrashPoints.RemoveAfterNodes);
        if (removed) _log.Info($"{key}: removed what was left of it in the store");
    }

    /// <summary>Removes all that is left of a domain of ours.</summary>
    private void RemoveDomain(uint id, IEnumerable<DeviceKey> devices, Dictionary<uint, Guid> domains)
    {
        var vm = _store.Read($"/local/domain/{id}/vm");
        _store.InTransaction(transaction =>
        {
            _store.Remove($"/local/domain/{id}", transaction);
            _store.Remove($"/libxl/{id}", transaction);
            // Another domain with this uuid, as after a reboot, goes on using it.
            if (vm?.Split('/') is ["", "vm", var text] && Guid.TryParse(text, out var uuid) && !domains.ContainsValue(uuid)) _store.Remove(vm, transaction);
            foreach (var key in devices) RemoveBackend(key, transaction);
        });
        _log.Notice($"domain {id} does not exist any more: removed what was left of it in the store");
    }

    /// <summary>Removes a backend's nodes, and the folders above it that this leaves empty.</summary>
    private void RemoveBackend(DeviceKey key, uint transaction)
    {
        _store.Remove(key.BackendPath, transaction);
        foreach (var parent in new[] { $"{BackendRoot}/{key.KindName}/{key.Domain}", $"{BackendRoot}/{key.KindName}", BackendRoot })
        {
            if (_store.List(parent, transaction).Count > 0) return;
            _store.Remove(parent, transaction);
        }
    }

    private Backend[] ReadBackends()
    {
        var keys = new List<DeviceKey>();
        foreach (var kind in new[] { "vif", "vbd" })
        {
            var domains = _store.List($"{BackendRoot}/{kind}");
            for (var first = 0; first < domains.Count;)
            {
                var lists = new XenstoreBatch();
                while (first + lists.Count < domains.Count && lists.HasRoom) lists.List($"{BackendRoot}/{kind}/{domains[first + lists.Count]}");
                foreach (var answer in _pipeline.Ask(lists))
                {
                    foreach (var id in XenstorePipeline.Names(answer))
                    {
                        if (DeviceKey.TryParse(kind, domains[first], id, out var key)) keys.Add(key);
                    }

                    first++;
                }
            }
        }

        var values = new Queue<string?>(_pipeline.Read(keys.SelectMany(Backend.PathsOf).ToArray()));
        return keys.Select(key => new Backend(key, Backend.PathsOf(key).Select(_ => values.Dequeue()).ToArray())).ToArray();
    }

    private Backend Read(DeviceKey key) => new(key, _pipeline.Read(Backend.PathsOf(key).ToArray()));

    /// <summary>The disk that a backend's nodes describe. Other toolstacks say phy of image files as well, and leave the loop device to a script.</summary>
    private static DiskConfig? DiskOf(Backend backend) =>
        backend is { IsOurs: false, Disk: { Type: DiskType.Phy } disk } && SystemCalls.TryStat(disk.Target, out var status) && status.IsRegularFile
            ? disk with { Type = DiskType.File }
            : backend.Disk;

    /// <summary>Finds the loop devices with labels of ours that no device in the table has.</summary>
    private void FindOrphans()
    {
        FreeHandles();
        foreach (var minor in LinuxDevices.BoundLoops())
        {
            if (_table.HasLoop(minor) || LoopDevice.TryOpen(minor, out var label, out _) is not { } loop) continue;
            if (!label.StartsWith(LoopDevice.LabelPrefix, StringComparison.Ordinal) || !_orphans.TryAdd(label, loop)) loop.Dispose();
        }
    }

    /// <summary>The loop device that a daemon before this one made for a disk and could not announce.</summary>
    private LoopDevice? TakeOrphan(DeviceKey key, DiskIdentity identity, DiskAccess access)
    {
        if (!_orphans.TryGetValue(LabelOf(key), out var loop) || BackingOf(loop) != identity) return null;
        if (XenHost.ReadFirstLine($"/sys/block/loop{loop.Minor}/ro") == "1" != (access == DiskAccess.ReadOnly)) return null;
        _orphans.Remove(LabelOf(key));
        return loop;
    }

    private OwnDisks WithOrphan(OwnDisks ours, DeviceKey key) =>
        _orphans.TryGetValue(LabelOf(key), out var loop) ? ours with { Loops = ours.Loops.Append(loop.Minor).ToHashSet() } : ours;

    private void FreeOrphans()
    {
        foreach (var (label, loop) in _orphans)
        {
            if (loop.TryClear()) _log.Notice($"{loop.Path}, made for {label[LoopDevice.LabelPrefix.Length..]}, belongs to nobody any more: freed");
        }

        FreeHandles();
    }

    private void FreeHandles()
    {
        foreach (var loop in _orphans.Values) loop.Dispose();
        _orphans.Clear();
    }

    /// <summary>Loop devices that their backends have opened may go with them from now on.</summary>
    private void SetAutoclear()
    {
        foreach (var (key, loop) in _table.LoopsWithoutAutoclear())
        {
            if (LinuxDevices.DeviceOf(key) != (LoopDevice.Major, loop.Minor)) continue;
            CrashPoints.Reach(CrashPoints.VbdBeforeAutoclear);
            loop.SetAutoclear();
            CrashPoints.Reach(CrashPoints.VbdAfterAutoclear);
        }
    }

    /// <summary>How long to wait for an event at most.</summary>
    private TimeSpan Patience()
    {
        var patience = _notifier.PingInterval ?? Timeout.InfiniteTimeSpan;
        if (!_needsScan && _newcomers.Count == 0 && _table.LoopsWithoutAutoclear().Count == 0) return patience;
        return patience < TimeSpan.Zero || patience > _nextLook ? _nextLook : patience;
    }

    private void PingWhenDue()
    {
        if (_notifier.PingInterval is not { } interval || (_lastPing != 0 && Stopwatch.GetElapsedTime(_lastPing) < interval / 2)) return;
        _lastPing = Stopwatch.GetTimestamp();
        _notifier.Ping();
    }

    /// <summary>Does something for one device. Its failure is that device's: when the store is to blame, all are looked at again a little later.</summary>
    private void Try(string what, Action action)
    {
        try
        {
            action();
        }
        catch (Exception error) when (IsOfDevice(error) || error is LvmException)
        {
            _log.Error($"cannot {what}: {Describe(error)}");
            _needsScan = true;
        }
    }

    /// <summary>Whether it is the device that failed, and not the store.</summary>
    private static bool IsOfDevice(Exception error) => error is IOException or UnauthorizedAccessException
        || (error is LvmException known && known.ErrorId is not (ErrorIds.StoreFailure or ErrorIds.XenstoreUnavailable));

    private static string Describe(Exception error) => error switch
    {
        LvmException { Errno: { } errno } known => $"{known.Problem} ({ErrnoText.Describe(errno)})",
        LvmException known => known.Problem,
        _ => error.Message.TrimEnd('.'),
    };

    private static string LabelOf(DeviceKey key) => LoopDevice.LabelPrefix + key.SysName;

    private static DiskIdentity? BackingOf(LoopDevice loop)
    {
        using var open = LoopDevice.TryOpen(loop.Minor, out _, out var backing);
        return open is null ? null : backing;
    }

    /// <summary>As blkback reads it.</summary>
    private static string Numbers(uint major, uint minor) => string.Create(CultureInfo.InvariantCulture, $"{major:x}:{minor:x}");

    /// <summary>A backend's nodes, those that matter here.</summary>
    private readonly record struct Backend(DeviceKey Key, IReadOnlyList<string?> Nodes)
    {
        private static readonly string[] OfInterface = ["toolstack", "frontend", "online", "hotplug-status", "removal", "mac", "bridge"];
        private static readonly string[] OfDisk = ["toolstack", "frontend", "online", "hotplug-status", "removal", "params", "type", "mode", "physical-device"];

        public bool IsOurs => Nodes[0] == Toolstack;

        /// <summary>Whether it is only what a driver, or this daemon, wrote after the device had been removed.</summary>
        public bool IsRemnant => Nodes[1] is null;

        /// <summary>Whether its toolstack has given it up.</summary>
        public bool IsLetGo => Nodes[2] == "0";

        /// <summary>Whether its nodes are to go with it. Not what xl takes away: its scripts read them after the kernel has done its part.</summary>
        public bool IsForRemoval => IsOurs && IsLetGo && Nodes[4] is not null;

        public string? HotplugStatus => Nodes[3];

        /// <summary>In the one spelling that addresses are compared in.</summary>
        public string? Mac => IsInterface && Nodes[5] is { } text && MacAddress.TryParse(text, out var mac, out _) ? mac : null;

        public string? Bridge => IsInterface && Nodes[6] is { Length: > 0 } bridge ? bridge : null;

        public DiskAccess Access => !IsInterface && Nodes[7] is { } mode && mode.StartsWith('w') ? DiskAccess.ReadWrite : DiskAccess.ReadOnly;

        public DiskConfig? Disk => !IsInterface && Nodes[5] is { Length: > 0 } path ? new DiskConfig(path, Nodes[6] == "file" ? DiskType.File : DiskType.Phy, "", Access) : null;

        public string? PhysicalDevice => IsInterface ? null : Nodes[8];

        private bool IsInterface => Key.Kind == DeviceKind.Network;

        public static IEnumerable<string> PathsOf(DeviceKey key) => (key.Kind == DeviceKind.Network ? OfInterface : OfDisk).Select(name => $"{key.BackendPath}/{name}");
    }
}
