using System.Diagnostics;
using System.Globalization;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;
using static LightVM.Xen.XenstoreDeviceNodes;

namespace LightVM.Xen;

/// <summary>Devices over Xenstore: netback and blkback of the control domain's kernel find them there, and the device daemon does the rest.</summary>
internal sealed class XenstoreDeviceBus : IDeviceBus
{
    private const string NetworkInterfaces = "/sys/class/net";
    private const string KernelDevices = "/sys/bus/xen-backend/devices";

    /// <summary>Where the control domain's drivers note what they did not like of a backend.</summary>
    private const string KernelErrors = "/local/domain/0/error";

    /// <summary>What the device daemon says of a device that is on its bridge, or has its disk.</summary>
    private const string Connected = "connected";

    private static readonly DeviceKind[] Kinds = [DeviceKind.Network, DeviceKind.Disk];

    private readonly XenstoreConnection _connection;
    private readonly DeviceDaemonClient _daemon = new();
    private readonly Stack<XenstorePipeline> _waiters = new();

    /// <param name="connection">Stays the caller's.</param>
    public XenstoreDeviceBus(XenstoreConnection connection)
    {
        _connection = connection;
    }

    private XenstoreClient Store => _connection.Client;

    private XenstorePipeline Pipeline => _connection.Pipeline;

    public IReadOnlyList<Device> Reserve(Guid uuid, IReadOnlyList<Device> devices) => _daemon.Reserve(uuid, devices);

    public void Release(Guid uuid, IReadOnlyList<Device> devices) => _daemon.Release(uuid, devices);

    public IReadOnlyList<string> ListBridges() => Directory.Exists(NetworkInterfaces)
        ? Directory.EnumerateDirectories(NetworkInterfaces).Where(path => Directory.Exists($"{path}/bridge")).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal).ToList()
        : [];

    public bool IsBridge(string name) => name.Length > 0 && !name.Contains('/', StringComparison.Ordinal) && Directory.Exists($"{NetworkInterfaces}/{name}/bridge");

    public void Attach(DomainKey domain, IReadOnlyList<Device> devices)
    {
        var nodes = new XenstoreBatch();
        WriteRoot(nodes, domain.Id);
        // The kernel takes changes in their order: it makes all backends before it looks at what else is in them.
        foreach (var device in devices) WriteBack(nodes, domain.Id, device);
        foreach (var device in devices) Write(nodes, domain.Id, device);
        Pipeline.Commit(nodes);
    }

    public void AwaitBackends(DomainKey domain, IReadOnlyList<Device> devices, TimeSpan patience, CancellationToken cancellation)
    {
        var begin = Stopwatch.GetTimestamp();
        // Most often they are ready by now: the kernel and the daemon worked while the guest's memory was filled.
        var pending = NotReady(domain, devices);
        if (pending.Count > 0)
        {
            // Each watch begins with an event: what happens before it is set is not missed.
            WithWatches(pending.Select(device => StatusOf(domain, device)).ToArray(), waiter =>
            {
                while (pending.Count > 0)
                {
                    if (!waiter(patience - Stopwatch.GetElapsedTime(begin), cancellation)) throw TooLate(domain, pending, patience);
                    pending = NotReady(domain, pending);
                }
            });
        }

        LimitQueues(domain, devices);
    }

    public bool AwaitGuest(DomainKey domain, IReadOnlyList<DeviceId> devices, TimeSpan patience, CancellationToken cancellation)
    {
        if (devices.Count == 0) return true;
        var begin = Stopwatch.GetTimestamp();
        // The front half's: the back half's comes first, and the guest is still at work then.
        var paths = devices.Select(device => $"{Front(domain.Id, device.Kind, device.Id)}/state").ToArray();
        var connected = Number((int)DeviceState.Connected);
        var inTime = true;
        WithWatches(paths, waiter =>
        {
            while (inTime && Pipeline.Read(paths).Any(state => state is not null && state != connected)) inTime = waiter(patience - Stopwatch.GetElapsedTime(begin), cancellation);
        });
        return inTime;
    }

    public IReadOnlyList<DeviceStatus> List(uint? domainId = null)
    {
        var found = new List<DeviceStatus>();
        foreach (var kind in Kinds)
        {
            List<uint> domains = domainId is { } one ? [one] : Numbers<uint>(Store.List($"{BackendRoot}/{KindName(kind)}"));
            var ids = IdsOf(kind, domains);
            for (var first = 0; first < ids.Count;)
            {
                var batch = new XenstoreBatch();
                var last = first;
                for (; last < ids.Count && batch.HasRoom; last++) Read(batch, ids[last].Domain, kind, ids[last].Id);
                var answers = Pipeline.Ask(batch).ToArray();
                for (var i = first; i < last; i++)
                {
                    if (Parse(ids[i].Domain, kind, ids[i].Id, answers.AsSpan((i - first) * AnswersOf(kind), AnswersOf(kind))) is { } status) found.Add(status);
                }

                first = last;
            }
        }

        return found.OrderBy(device => device.DomainId).ThenBy(device => device.Device.Kind).ThenBy(device => device.Device.Id).ToList();
    }

    public void Detach(DomainKey domain, DeviceKind kind, int id, bool force, TimeSpan patience, CancellationToken cancellation)
    {
        var begin = Stopwatch.GetTimestamp();
        var back = Back(domain.Id, kind, id);
        var state = StateOf(back) ?? throw new LvmException(ErrorIds.DeviceNotFound, $"it has no {KindName(kind)} {id}");
        if (!force && state is not (DeviceState.Initialising or DeviceState.InitWait or DeviceState.Closed))
        {
            var closing = new XenstoreBatch();
            closing.Write($"{back}/online", "0");
            closing.Write($"{back}/removal", "1"); // for the device daemon, if the guest takes longer than anybody waits here
            closing.Write($"{back}/state", Number((int)DeviceState.Closing));
            Pipeline.Commit(closing);
            WithWatches([$"{back}/state"], waiter =>
            {
                while (StateOf(back) is not (null or DeviceState.Closed))
                {
                    if (!waiter(patience - Stopwatch.GetElapsedTime(begin), cancellation))
                        throw new LvmException(ErrorIds.DeviceBusy, $"the guest has not let go of its {KindName(kind)} {id} within {patience.TotalSeconds:0.#} s; it is taken away as soon as the guest does");
                }
            });
        }

        Remove(domain.Id, [(kind, id)], patience);
    }

    public void DetachAll(DomainKey domain, TimeSpan patience)
    {
        var kinds = Pipeline.List(BackendRoot);
        if (kinds.Length == 0) return;
        var lists = new XenstoreBatch();
        foreach (var kind in kinds) lists.List($"{BackendRoot}/{kind}/{domain.Id}");
        lists.List(Root(domain.Id));
        var answers = Pipeline.Ask(lists);
        var devices = new List<(DeviceKind, int)>();
        var nodes = new XenstoreBatch();
        var emptied = new List<string>();
        for (var i = 0; i < kinds.Length; i++)
        {
            if (answers[i] is null) continue;
            emptied.Add(kinds[i]);
            nodes.Remove($"{BackendRoot}/{kinds[i]}/{domain.Id}");
            foreach (var kind in Kinds)
            {
                if (KindName(kind) == kinds[i]) devices.AddRange(Numbers<int>(XenstorePipeline.Names(answers[i])).Select(id => (kind, id)));
            }
        }

        if (emptied.Count == 0) return;
        var failure = RunScripts(domain.Id, devices, patience);
        // The front halves first: a back half whose front is gone closes by itself.
        var fronts = new XenstoreBatch();
        // Of a domain that was not published yet there is nothing else.
        var isAlone = XenstorePipeline.Names(answers[^1]) is ["device"];
        fronts.Remove(isAlone ? Root(domain.Id) : $"{Root(domain.Id)}/device");
        fronts.Remove(isAlone ? $"/libxl/{domain.Id}" : $"/libxl/{domain.Id}/device");
        AwaitKernel(domain.Id, devices, patience, () =>
        {
            Pipeline.Apply(fronts);
            Pipeline.Apply(nodes);
        });
        RemoveErrors(emptied.Select(kind => $"{kind}/{domain.Id}"));
        foreach (var kind in emptied) RemoveIfEmpty(kind);
        if (failure is not null) throw failure;
    }

    public void Request(DomainKey domain, ShutdownReason reason)
    {
        var word = WordOf(reason);
        // Only where the node is: a domain that has just been removed would get one that nobody takes away.
        var request = new XenstoreBatch();
        request.Read(RequestPath(domain));
        request.Write(RequestPath(domain), word);
        if (Pipeline.TryCommit(request) is not null) throw new LvmException(ErrorIds.DomainGone, $"domain {domain} is gone, or takes no requests");
    }

    public bool WithdrawRequest(DomainKey domain)
    {
        var pending = false;
        Store.InTransaction(transaction =>
        {
            pending = Store.Read(RequestPath(domain), transaction) is { Length: > 0 };
            if (pending) Store.Write(RequestPath(domain), "", transaction);
        });
        return pending;
    }

    public IAddressWatch WatchAddresses(IReadOnlyCollection<DomainKey> domains)
    {
        var interfaces = List(domains.Count == 1 ? domains.First().Id : null).Where(status => status.Device is NetworkDevice).ToLookup(status => status.DomainId);
        return new XenstoreAddressWatch(XenstorePipeline.Open(), domains, interfaces);
    }

    public void Dispose()
    {
        foreach (var waiter in _waiters) waiter.Dispose();
        _daemon.Dispose();
    }

    private static string RequestPath(DomainKey domain) => $"{Root(domain.Id)}/control/shutdown";

    /// <summary>xen/include/public/io/xs_wire.h has none of it: docs/misc/xenstore-paths.pandoc, ~/control/shutdown.</summary>
    private static string WordOf(ShutdownReason reason) => reason switch
    {
        ShutdownReason.Poweroff => "poweroff",
        ShutdownReason.Reboot => "reboot",
        ShutdownReason.Suspend => "suspend",
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, "a guest can be asked to power off, to reboot and to suspend"),
    };

    private static string StatusOf(DomainKey domain, Device device) => $"{Back(domain.Id, device.Kind, device.Id)}/hotplug-status";

    /// <summary>The devices that are not ready yet. Errors: what the daemon says, DeviceFailure for one that is there no more.</summary>
    private List<Device> NotReady(DomainKey domain, IReadOnlyList<Device> devices)
    {
        var states = Pipeline.Read(devices.Select(device => StatusOf(domain, device)).ToArray());
        var pending = new List<Device>();
        for (var i = 0; i < devices.Count; i++)
        {
            switch (states[i])
            {
                case Connected:
                    break;
                case null:
                    throw new LvmException(ErrorIds.DeviceFailure, $"its {KindName(devices[i].Kind)} {devices[i].Id} was taken away");
                case "error":
                    throw Failure(devices[i], Pipeline.Read($"{Back(domain.Id, devices[i].Kind, devices[i].Id)}/hotplug-error") ?? "it did not say why");
                default:
                    pending.Add(devices[i]);
                    break;
            }
        }

        return pending;
    }

    /// <summary>netback has offered as many queues as it has: the guest, which does not run yet, takes no more than it is offered.</summary>
    private void LimitQueues(DomainKey domain, IReadOnlyList<Device> devices)
    {
        var limits = new XenstoreBatch();
        foreach (var network in devices.OfType<NetworkDevice>())
        {
            if (network.Config.QueueCount is { } count) limits.Write($"{Back(domain.Id, network.Kind, network.Id)}/multi-queue-max-queues", Number(count));
        }

        if (limits.Count > 0) Pipeline.Apply(limits);
    }

    /// <summary>What the daemon wrote: "ErrorId: text", or any text of another.</summary>
    private static LvmException Failure(Device device, string text)
    {
        var (id, problem) = text.Split(": ", 2) is [var word, var rest] && ErrorCatalog.All.Any(row => row.Id == word) ? (word, rest) : (ErrorIds.DeviceFailure, text);
        return new LvmException(id, $"{KindName(device.Kind)} {device.Id}: {problem}");
    }

    private LvmException TooLate(DomainKey domain, List<Device> late, TimeSpan patience)
    {
        var words = late.Select(device =>
        {
            var name = $"{KindName(device.Kind)} {device.Id}";
            // Where the kernel's driver says what it did not like.
            var kernel = Pipeline.Read($"{KernelErrors}/{Back(domain.Id, device.Kind, device.Id)["/local/domain/0/".Length..]}/error");
            var state = StateOf(Back(domain.Id, device.Kind, device.Id)) ?? DeviceState.Unknown;
            return kernel is null ? $"{name} is {state}" : $"{name} is {state}, and its driver says: {kernel}";
        });
        return new LvmException(ErrorIds.DeviceTimeout, $"the backends were not ready within {patience.TotalSeconds:0.#} s: {string.Join("; ", words)}");
    }

    /// <summary>Does something that waits for changes of nodes. Each thread that waits has a connection to itself.</summary>
    private void WithWatches(IReadOnlyList<string> paths, Action<Func<TimeSpan, CancellationToken, bool>> work)
    {
        const string Token = "device";
        XenstorePipeline? waiter;
        lock (_waiters) _waiters.TryPop(out waiter);
        waiter ??= XenstorePipeline.Open();
        try
        {
            var watches = new XenstoreBatch();
            foreach (var path in paths) watches.Watch(path, Token);
            waiter.Apply(watches);
            work((timeout, cancellation) =>
            {
                try
                {
                    if (timeout <= TimeSpan.Zero || !waiter.WaitForEvent(timeout, cancellation)) return false;
                }
                catch (OperationCanceledException)
                {
                    throw new LvmException(ErrorIds.OperationCancelled, "it was cancelled while it waited for a device");
                }

                waiter.TakeEvents();
                return true;
            });
            var ends = new XenstoreBatch();
            foreach (var path in paths) ends.Unwatch(path, Token);
            waiter.Apply(ends);
            waiter.TakeEvents();
            lock (_waiters) _waiters.Push(waiter);
        }
        catch
        {
            waiter.Dispose(); // and its watches with it
            throw;
        }
    }

    private DeviceState? StateOf(string back) =>
        Pipeline.Read($"{back}/state") is { } text ? int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var state) ? (DeviceState)state : DeviceState.Unknown : null;

    private void Remove(uint domain, IReadOnlyList<(DeviceKind Kind, int Id)> devices, TimeSpan patience)
    {
        var failure = RunScripts(domain, devices, patience);
        var nodes = new XenstoreBatch();
        foreach (var (kind, id) in devices) XenstoreDeviceNodes.Remove(nodes, domain, kind, id);
        AwaitKernel(domain, devices, patience, () => Pipeline.Apply(nodes));
        RemoveErrors(devices.Select(device => $"{KindName(device.Kind)}/{domain}/{Number(device.Id)}"));
        foreach (var kind in devices.Select(device => device.Kind).Distinct())
        {
            RemoveIfEmpty($"{KindName(kind)}/{domain}");
            RemoveIfEmpty(KindName(kind));
        }

        if (failure is not null) throw failure;
    }

    /// <summary>
    /// Has the scripts of other toolstacks take back what they did for devices that are about to go. One that fails keeps nothing from going:
    /// the last failure is for the caller, for when all else is done.
    /// </summary>
    private LvmException? RunScripts(uint domain, IReadOnlyList<(DeviceKind Kind, int Id)> devices, TimeSpan patience)
    {
        var paths = devices.SelectMany(device => new[] { $"{Back(domain, device.Kind, device.Id)}/script", $"{Back(domain, device.Kind, device.Id)}/gatewaydev" }).ToArray();
        var nodes = Pipeline.Read(paths);
        LvmException? failure = null;
        for (var i = 0; i < devices.Count; i++)
        {
            if (nodes[2 * i] is not { Length: > 0 } script || script == NoScript) continue;
            try
            {
                new HotplugScript(script, nodes[(2 * i) + 1]).End(domain, devices[i].Kind, devices[i].Id, patience);
            }
            catch (LvmException error)
            {
                failure = error;
            }
        }

        return failure;
    }

    /// <summary>Does something that makes the kernel give devices up, and waits until it has: their interfaces and block devices are free then.</summary>
    private static void AwaitKernel(uint domain, IReadOnlyList<(DeviceKind Kind, int Id)> devices, TimeSpan patience, Action removal)
    {
        var waiting = devices.Select(device => KernelName(domain, device.Kind, device.Id)).Where(name => Directory.Exists($"{KernelDevices}/{name}")).ToHashSet(StringComparer.Ordinal);
        if (waiting.Count == 0)
        {
            removal();
            return;
        }

        using var events = KernelEvents.Open("xen-backend");
        var begin = Stopwatch.GetTimestamp();
        removal();
        waiting.RemoveWhere(name => !Directory.Exists($"{KernelDevices}/{name}"));
        while (waiting.Count > 0)
        {
            var left = patience - Stopwatch.GetElapsedTime(begin);
            if (left <= TimeSpan.Zero || !events.Wait(left, CancellationToken.None))
                throw new LvmException(ErrorIds.DeviceTimeout, $"the kernel has not given up {string.Join(", ", waiting)} within {patience.TotalSeconds:0.#} s");
            while (events.TryRead(out var happened))
            {
                if (happened.IsLoss) waiting.RemoveWhere(name => !Directory.Exists($"{KernelDevices}/{name}"));
                else if (happened.Action == "remove") waiting.Remove(happened.SysName);
            }
        }
    }

    /// <summary>Removes a directory of backends that nothing is left in, and those above it, as xl does. Looked at first: with many guests it is never empty.</summary>
    private void RemoveIfEmpty(string directory)
    {
        var path = $"{BackendRoot}/{directory}";
        if (Store.List(path).Count > 0) return;
        Store.InTransaction(transaction =>
        {
            if (Store.List(path, transaction).Count > 0) return;
            Store.Remove(path, transaction);
            if (Store.List(BackendRoot, transaction).Count == 0) Store.Remove(BackendRoot, transaction);
        });
    }

    /// <summary>Removes what drivers noted of devices that are gone, as of one that went while they were looking at it: nobody else would.</summary>
    private void RemoveErrors(IEnumerable<string> devices)
    {
        if (Pipeline.List(KernelErrors).Length == 0) return;
        Store.InTransaction(transaction =>
        {
            foreach (var device in devices)
            {
                var path = $"{KernelErrors}/backend/{device}";
                Store.Remove(path, transaction);
                while (path != KernelErrors && Store.List(path = path[..path.LastIndexOf('/')], transaction).Count == 0) Store.Remove(path, transaction);
            }
        });
    }

    private List<(uint Domain, int Id)> IdsOf(DeviceKind kind, List<uint> domains)
    {
        var ids = new List<(uint, int)>();
        for (var first = 0; first < domains.Count;)
        {
            var batch = new XenstoreBatch();
            var last = first;
            for (; last < domains.Count && batch.HasRoom; last++) batch.List($"{BackendRoot}/{KindName(kind)}/{domains[last]}");
            var answers = Pipeline.Ask(batch);
            for (var i = first; i < last; i++) ids.AddRange(Numbers<int>(XenstorePipeline.Names(answers[i - first])).Select(id => (domains[i], id)));
            first = last;
        }

        return ids;
    }

    private static List<T> Numbers<T>(IEnumerable<string> names)
        where T : struct, ISpanParsable<T>
    {
        var numbers = new List<T>();
        foreach (var name in names)
        {
            if (T.TryParse(name, CultureInfo.InvariantCulture, out var number)) numbers.Add(number);
        }

        numbers.Sort();
        return numbers;
    }

    private static string Number(int number) => number.ToString(CultureInfo.InvariantCulture);
}
