using System.Diagnostics;
using System.Diagnostics.Metrics;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;
using LightVM.Noxs;
using LightVM.Pools;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Domains;

/// <summary>
/// Makes one domain, in two halves: <see cref="Prepare"/> needs no kernel, <see cref="Execute"/> turns what it made into
/// a running guest; or, from a saved one, by <see cref="Restore"/>; or of a shell that waits in a pool. All are tables of named steps; when one fails, all that were done
/// are undone, last first.
/// </summary>
internal sealed class DomainCreation
{
    /// <summary>Traces: one activity "create", with one "create/STEP" for each step, and "create/reserve" before them where there are devices.</summary>
    public static readonly ActivitySource Activities = new("LightVM.Engine");

    private static readonly Meter Meter = new("LightVM.Engine");

    private static readonly Histogram<double> StepDuration =
        Meter.CreateHistogram<double>("lightvm.create.step.duration", "ms", "Time of one step of a domain's creation");

    /// <summary>Room above the limit of a domain's memory for its special pages and tables; what xl gives (LIBXL_MAXMEM_CONSTANT).</summary>
    private const long MaxMemorySlackKiB = 1024;

    /// <summary>An empty domain: what every one begins as.</summary>
    private static readonly Step[] Begin =
    [
        new("domain", c => c._id = c._hypervisor.CreateDomain(c._shape), c => c._hypervisor.Destroy(c._id)),
        new("note", c => c._noteDomain?.Invoke(c._id)) { IsSilent = true },
        new("vcpus", c => { if (c._config.CpuMap.Count > 0) c._hypervisor.SetVcpuAffinity(c._id, c._config.CpuMap); }),
        new("limits", c => c._hypervisor.SetLimits(c._id, c._shape, c._config.MaxMemoryMiB * 1024L + MaxMemorySlackKiB)),
        // No undo: the ports are the guest's, and go with the domain. Closing their numbers here would close dom0's own.
        new("ports", c => c._ports = new GuestPorts(c._noxs is null ? c._hypervisor.AllocateEventChannel(c._id, 0) : 0, c._hypervisor.AllocateEventChannel(c._id, 0))),
        // Before the memory, so that the kernel's drivers and the device daemon do their part while the image is made.
        new("devices", c => c.Attach(), c => c.Detach()),
    ];

    private static readonly Step[] Prepare =
    [
        .. Begin,
        new("memory", c => c._image = c._hypervisor.AllocateMemory(c._id, c._shape, c._config.MemoryMiB * 1024L, c._ports), c => c._image!.Dispose()),
    ];

    /// <summary>Another toolstack may have published the same name at the same moment: in the store. Of our own nobody has, for the name is reserved.</summary>
    private static readonly Step RequireOwnName = new("name", c => { if (c._noxs is null) DomainNames.RequireFreeAsKnown(c._hypervisor, c._directory, c._config.Name, c.Key); }) { IsSilent = true };

    private static readonly Step Publish = new("publish", c => c._directory.Publish(c.Publication()), c => c.Unpublish());

    private static readonly Step AwaitBackends = new("backends", c => c.AwaitThem(c._devices));

    private static readonly Step Start = new("start", c =>
    {
        c._beforeStart?.Invoke(c.Key);
        if (!c._config.Paused) c._hypervisor.Unpause(c._id);
    });

    /// <summary>A domain that has all it needs, published and started.</summary>
    private static readonly Step[] Finish = [Publish, RequireOwnName, AwaitBackends, Start];

    private static readonly Step[] Load =
    [
        new("kernel", c => c._image!.Parse(c._kernel, c._ramdisk, c._config.CommandLine ?? "")),
        new("build", c => c._image!.Build()),
        new("boot", c => c._rings = c._image!.Boot()),
        new("grants", c => c._image!.SeedGrants()),
    ];

    private static readonly Step[] Execute = [.. Load, .. Finish];

    /// <summary>In the place of a kernel: a saved guest's memory and vCPUs.</summary>
    private static readonly Step ReadSaved = new("restore", c => c._rings = c._hypervisor.RestoreDomain(c._id, c._shape, c._saved!, c._ports, c._cancellation));

    private static readonly Step[] Restore = [.. Begin, ReadSaved, .. Finish];

    /// <summary>The guest of a domain that comes from elsewhere stands still until this is done: what can be done before the last of it has come is.</summary>
    private static readonly Step[] Receive =
    [
        .. Begin,
        Publish,
        RequireOwnName,
        AwaitBackends,
        ReadSaved,
        new("arrived", c => c._arrived?.Invoke()) { IsSilent = true },
        new("rings", c => c._directory.PublishRings(c.Publication())),
        Start,
    ];

    /// <summary>A shell is published under a name that says what it is, and stays paused.</summary>
    private static readonly Step[] Shelve =
    [
        new("publish", c => c._directory.PublishShell(c.Publication()), c => c.Unpublish()),
        AwaitBackends,
    ];

    /// <summary>The tables by which shells of each kind are made.</summary>
    private static readonly Step[][] Shells =
    [
        [.. Prepare, new("frames", c => c.KeepFrames()), .. Shelve],
        [.. Prepare, .. Load, .. Shelve],
        [.. Begin, ReadSaved, .. Shelve],
    ];

    /// <summary>What differs of a shell from what is asked for, before its guest is in it.</summary>
    private static readonly Step[] Adapt =
    [
        new("shell", c => c.TakeShell()),
        new("vcpus", c => { if (c._config.CpuMap.Count > 0) c._hypervisor.SetVcpuAffinity(c._id, c._config.CpuMap); }),
    ];

    private static readonly Step AttachMore = new("devices", c => c.AttachAdded(), c => { if (c._added.Count > 0) c.Detach(); });

    private static readonly Step Reveal = new("publish", c => c._directory.PublishAs(c.Publication(), c.ShellPublication(), c._changed), c => c.Unpublish());

    private static readonly Step AwaitAdded = new("backends", c => c.AwaitThem(c._added));

    /// <summary>From here on it is a shell no more: a domain that stays, whoever dies.</summary>
    private static readonly Step Commit = new("commit", c =>
    {
        CrashPoint.Reach(ShellCrashPoints.Published);
        c._directory.Shells.Commit(c._shell!.Uuid);
        CrashPoint.Reach(ShellCrashPoints.Committed);
    })
    { IsSilent = true };

    private static readonly Step[] FromShell =
    [
        .. Adapt,
        AttachMore,
        new("limits", c => { if (c._config.MaxMemoryMiB != c._shell!.Flavour.MaxMemoryMiB) c._hypervisor.SetMaxMemory(c._id, c._shape, c._config.MaxMemoryMiB * 1024L + MaxMemorySlackKiB); }),
        new("memory", c => c.AdoptMemory(), c => c._image!.Dispose()),
        .. Load,
        Reveal,
        RequireOwnName,
        AwaitAdded,
        Commit,
        Start,
    ];

    /// <summary>Where its guest gets devices, or other addresses, it has to find them when it starts.</summary>
    private static readonly Step[] FromBuilt =
    [
        .. Adapt,
        AttachMore,
        Reveal,
        RequireOwnName,
        AwaitAdded,
        Commit,
        Start,
    ];

    /// <summary>
    /// Where it finds everything as it shall be, it runs while its name is written, which takes the longer the more guests there are in the store. Until that is done it is held, and
    /// a shell that somebody has: who dies before leaves nothing, and what shall happen when its guest ends is asked for afterwards.
    /// </summary>
    private static readonly Step[] FromBuiltAsItIs =
    [
        .. Adapt,
        Start,
        new("started", _ => CrashPoint.Reach(ShellCrashPoints.Started)) { IsSilent = true },
        Reveal,
        RequireOwnName,
        Commit,
    ];

    private readonly IHypervisor _hypervisor;
    private readonly IDomainDirectory _directory;
    private readonly IDeviceBus _bus;
    private readonly NoxsDomains? _noxs; // of a domain without a store
    private readonly IReadOnlyList<Device> _devices;
    private readonly TimeSpan _patience;
    private readonly CancellationToken _cancellation;
    private readonly DomainConfig _config;
    private readonly DomainShape _shape;
    private readonly ReadOnlyMemory<byte> _kernel;
    private readonly ReadOnlyMemory<byte> _ramdisk;
    private readonly DateTimeOffset _startTime = DateTimeOffset.UtcNow;
    private readonly Stack<Step> _done = new();
    private readonly List<CreationStepTime> _times = new(Prepare.Length + Execute.Length);

    private SafeFileHandle? _saved;
    private Action<DomainKey>? _beforeStart;
    private Action? _arrived;
    private Action<uint>? _noteDomain;
    private string? _shellName;
    private ShellRecord? _shell;
    private IReadOnlyList<Device> _added = [];
    private IReadOnlyList<NetworkDevice> _changed = [];
    private uint _id;
    private GuestPorts _ports;
    private GuestRings _rings;
    private IDomainImage? _image;

    private DomainCreation(CreationHost host, DomainConfig config, IReadOnlyList<Device> devices, ReadOnlyMemory<byte> kernel, ReadOnlyMemory<byte> ramdisk, CancellationToken cancellation)
    {
        (_hypervisor, _directory, _bus, _, _patience) = host;
        _noxs = config.DeviceMethod == DeviceMethod.Noxs ? host.Noxs : null;
        _config = config;
        _devices = devices;
        _kernel = kernel;
        _ramdisk = ramdisk;
        _cancellation = cancellation;
        _shape = new DomainShape(config.Uuid!.Value, config.Type, config.AddressSize, config.VcpuCount);
    }

    private DomainKey Key => new(_id, _shape.Uuid);

    private static Step[] TableOf(ShellKind kind, bool isAsItIs) => kind == ShellKind.Shell ? FromShell : isAsItIs ? FromBuiltAsItIs : FromBuilt;

    private static IEnumerable<string> NamesOf(params Step[][] tables) => tables.SelectMany(table => table).Where(step => !step.IsSilent).Select(step => step.Name);

    /// <summary>The names of all steps, in their order.</summary>
    public static IEnumerable<string> StepNames => NamesOf(Prepare, Execute);

    /// <summary>The names of the steps of a restoration, in their order.</summary>
    public static IEnumerable<string> RestoreStepNames => NamesOf(Restore);

    /// <summary>The names of the steps by which a shell of some kind is used, in their order.</summary>
    /// <param name="isAsItIs">Whether its guest is to find nothing that the shell has not.</param>
    internal static IEnumerable<string> ShellStepNames(ShellKind kind, bool isAsItIs) => NamesOf(TableOf(kind, isAsItIs));

    /// <summary>Checks all that can be checked beforehand, then creates the domain. Nothing is left of it when this throws.</summary>
    public static (DomainKey Key, CreationRecord Record) Run(CreationHost host, DomainConfig config, CancellationToken cancellation) =>
        Run(host, config, "create", () => LoadKernel(host, config, cancellation), [Prepare, Execute], cancellation);

    /// <summary>
    /// Makes a domain of a shell that was handed out, which is then used up, whether this succeeds or not. The caller holds the shell's
    /// uuid and the domain's, has reserved the name, and knows that it is free. Null, with nothing done, when somebody else has the shell,
    /// or destroyed it.
    /// </summary>
    /// <param name="isUsed">Becomes true as soon as there is no shell any more that could be given back.</param>
    public static (DomainKey Key, CreationRecord Record)? RunShell(CreationHost host, DomainConfig config, ShellRecord shell, long begin, ref bool isUsed, CancellationToken cancellation)
    {
        if (config.CpuMap.Count > 0) CreationHost.CheckGuest(host.Hypervisor.GetInfo(), config);
        var (kernel, ramdisk) = shell.Flavour.Kind == ShellKind.Shell ? host.ReadKernel(config) : default;
        if (!host.Directory.Shells.TryClaim(shell.Uuid)) return null;
        isUsed = true;
        CrashPoint.Reach(ShellCrashPoints.Claimed);
        if (host.Hypervisor.FindDomain(shell.Id) is not { State: DomainState.Paused } info || info.Key != shell.Key)
        {
            UndoShell(host, shell, shell.Key);
            return null;
        }

        DomainConfig settled;
        IReadOnlyList<Device> devices, added;
        try
        {
            (settled, devices, added) = host.SettleShell(config, shell);
        }
        catch (LvmException error)
        {
            error.LeftBehind ??= UndoShell(host, shell, shell.Key);
            throw;
        }

        var creation = new DomainCreation(host, settled, devices, kernel, ramdisk, cancellation)
        {
            _id = shell.Id,
            _ports = shell.Ports,
            _rings = shell.Rings,
            _shell = shell,
            _added = added,
            _changed = devices.OfType<NetworkDevice>().Where(device => device.Id < shell.Vifs.Count && (device.Config.Mac != shell.Vifs[device.Id].Mac || device.Config.Ip is not null)).ToArray(),
        };
        try
        {
            creation.RunSteps("create", [TableOf(shell.Flavour.Kind, isAsItIs: creation is { _added.Count: 0, _changed.Count: 0 })], cancellation);
        }
        catch (Exception error)
        {
            host.Release(settled, added);
            // A shell that somebody began to use is used up.
            var leftBehind = UndoShell(host, shell, creation.Key);
            if (error is LvmException failure) failure.LeftBehind ??= leftBehind;
            throw;
        }

        return (creation.Key, new CreationRecord(creation._times, Stopwatch.GetElapsedTime(begin)) { Source = CreationRecord.SourceOf(shell.Flavour.Kind), Pool = shell.Pool });
    }

    /// <summary>Makes a shell, paused and published as one. Nothing is left of it when this throws.</summary>
    /// <param name="saved">Of a snapshot: the saved guest's memory and vCPUs.</param>
    /// <param name="noteDomain">Is told the domain's id as soon as there is one.</param>
    public static ShellRecord MakeShell(CreationHost host, ShellRecord shell, SafeFileHandle? saved, Action<uint> noteDomain, CancellationToken cancellation)
    {
        var config = shell.Flavour.ConfigFor(shell.Uuid);
        var creation = default(DomainCreation);
        using var activity = Activities.StartActivity("shell");
        activity?.SetTag("lightvm.domain.name", shell.Name);
        try
        {
            host.CheckHost(config);
            var (kernel, ramdisk) = shell.Flavour.Kind == ShellKind.Built ? host.ReadKernel(config) : default;
            var (settled, devices) = host.Settle(config);
            creation = new DomainCreation(host, settled, devices, kernel, ramdisk, cancellation) { _saved = saved, _noteDomain = noteDomain, _shellName = shell.Name };
            try
            {
                creation.RunSteps("shell", [Shells[(int)shell.Flavour.Kind]], cancellation);
            }
            catch
            {
                host.Release(settled, devices);
                throw;
            }
        }
        catch (LvmException error)
        {
            activity?.SetStatus(ActivityStatusCode.Error, error.ErrorId);
            throw error.During($"make a shell of pool '{shell.Pool}'");
        }

        return shell with { Id = creation._id, Ports = creation._ports, Rings = creation._rings, Vifs = creation._config.Vifs };
    }

    /// <summary>The same for a domain that was saved.</summary>
    /// <param name="saved">Its memory and vCPUs: a file that stands at the begin of a migration stream, or a pipe.</param>
    /// <param name="beforeStart">Called when all is there but the start; where it throws, all of it is undone.</param>
    public static (DomainKey Key, CreationRecord Record) Run(CreationHost host, DomainConfig config, SafeFileHandle saved, Action<DomainKey>? beforeStart, CancellationToken cancellation) =>
        Run(host, config, saved, beforeStart, Restore, cancellation);

    /// <summary>The same for one that comes from elsewhere, of which the last comes when its guest stands still there.</summary>
    /// <param name="arrived">Called when libxc has all of it, before its rings are published; where it throws, all of it is undone.</param>
    public static (DomainKey Key, CreationRecord Record) RunArriving(
        CreationHost host, DomainConfig config, SafeFileHandle coming, Action arrived, Action<DomainKey>? beforeStart, CancellationToken cancellation) =>
        Run(host, config, coming, beforeStart, Receive, cancellation, arrived);

    private static (DomainKey Key, CreationRecord Record) Run(
        CreationHost host, DomainConfig config, SafeFileHandle saved, Action<DomainKey>? beforeStart, Step[] steps, CancellationToken cancellation, Action? arrived = null) =>
        Run(
            host,
            config,
            "restore",
            () => (settled, devices) => new DomainCreation(host, settled, devices, default, default, cancellation) { _saved = saved, _beforeStart = beforeStart, _arrived = arrived },
            [steps],
            cancellation);

    private static (DomainKey Key, CreationRecord Record) Run(
        CreationHost host,
        DomainConfig config,
        string operation,
        Func<Func<DomainConfig, IReadOnlyList<Device>, DomainCreation>> load,
        Step[][] steps,
        CancellationToken cancellation)
    {
        var begin = Stopwatch.GetTimestamp();
        using var activity = Activities.StartActivity(operation);
        activity?.SetTag("lightvm.domain.name", config.Name);
        try
        {
            config = host.ChooseMethod(config);
            host.CheckHost(config);
            var make = load();
            using var reservation = host.CheckDirectory(config);
            var (settled, devices) = host.Settle(config);
            var creation = make(settled, devices);
            try
            {
                creation.RunSteps(operation, steps, cancellation);
            }
            catch
            {
                host.Release(settled, devices);
                throw;
            }

            return (creation.Key, new CreationRecord(creation._times, Stopwatch.GetElapsedTime(begin)));
        }
        catch (LvmException error)
        {
            activity?.SetStatus(ActivityStatusCode.Error, error.ErrorId);
            throw error.During(operation, config.Name);
        }
    }

    private static Func<DomainConfig, IReadOnlyList<Device>, DomainCreation> LoadKernel(CreationHost host, DomainConfig config, CancellationToken cancellation)
    {
        var (kernel, ramdisk) = host.ReadKernel(config);
        return (settled, devices) => new DomainCreation(host, settled, devices, kernel, ramdisk, cancellation);
    }

    private void RunSteps(string operation, Step[][] tables, CancellationToken cancellation)
    {
        try
        {
            foreach (var steps in tables) RunSteps(operation, steps, cancellation);
            _image?.Dispose();
        }
        catch (Exception error)
        {
            var leftBehind = Undo();
            if (error is LvmException failure) failure.LeftBehind ??= leftBehind;
            throw;
        }
    }

    private void RunSteps(string operation, Step[] steps, CancellationToken cancellation)
    {
        foreach (var step in steps)
        {
            if (step.IsSilent)
            {
                step.Do(this);
                continue;
            }

            if (cancellation.IsCancellationRequested) throw new LvmException(ErrorIds.OperationCancelled, $"it was cancelled before step '{step.Name}'");
            using var activity = Activities.HasListeners() ? Activities.StartActivity($"{operation}/{step.Name}") : null;
            var begin = Stopwatch.GetTimestamp();
            try
            {
                step.Do(this);
            }
            catch (LvmException error)
            {
                error.Step ??= step.Name;
                throw;
            }

            _done.Push(step);
            var duration = Stopwatch.GetElapsedTime(begin);
            _times.Add(new CreationStepTime(step.Name, duration));
            StepDuration.Record(duration.TotalMilliseconds, new KeyValuePair<string, object?>("step", step.Name));
        }
    }

    /// <summary>Undoes what was done, last first; an undo that fails does not keep the others from running.</summary>
    private string? Undo()
    {
        List<string>? failures = null;
        while (_done.TryPop(out var step))
        {
            try
            {
                step.Undo?.Invoke(this);
            }
            catch (LvmException error)
            {
                (failures ??= []).Add($"step '{step.Name}' of domain {Key} was not undone: {error.Problem}");
            }
        }

        return failures is null ? null : string.Join("; ", failures);
    }

    private void Attach()
    {
        if (_noxs is not null) _noxs.Attach(Key, _devices, _config.Console ? _ports.ConsolePort : 0); // it has one in any case
        else if (_devices.Count > 0) _bus.Attach(Key, _devices);
    }

    private void AttachAdded()
    {
        if (_added.Count == 0) return;
        if (_noxs is not null) _noxs.AttachMore(Key, _noxs.Registry.Find(_shell!.Uuid)!, _added);
        else _bus.Attach(Key, _added);
    }

    /// <summary>By noxs a guest can begin without the host's ends of its devices: they are made when it asks for them.</summary>
    private void AwaitThem(IReadOnlyList<Device> devices)
    {
        if (_noxs is null && devices.Count > 0) _bus.AwaitBackends(Key, devices, _patience, _cancellation);
    }

    private void Detach()
    {
        if (_noxs is not null) _noxs.DetachAll(_id);
        else if (_devices.Count > 0) _bus.DetachAll(Key, _patience);
    }

    private void Unpublish()
    {
        _directory.Settle(Key);
        _directory.Withdraw(Key);
    }

    /// <summary>What a shell's image holds goes with it; the frames are what another process will need to go on with it.</summary>
    private void KeepFrames()
    {
        var frames = _image!.Frames;
        if (frames.Count > 0) _directory.Shells.SaveFrames(_shape.Uuid, frames);
        _image.Dispose();
    }

    private void TakeShell()
    {
        if (_shape.Uuid == _shell!.Uuid) return;
        _directory.Shells.Save(_shell with { State = ShellState.Claimed, Becomes = _shape.Uuid });
        _hypervisor.SetUuid(_id, _shape.Uuid);
    }

    /// <summary>Takes away what there is of a shell; what could not be.</summary>
    internal static string? UndoShell(CreationHost host, ShellRecord shell, DomainKey key)
    {
        try
        {
            if (key.Id == 0 || (host.Hypervisor.FindDomain(key.Id) is { State: not DomainState.Dying } info && info.Key != key && info.Key != shell.Key))
            {
                // It is gone and its id another domain's, or it never had one: what goes by the id is not the shell's.
                host.Directory.RemoveConfig(key.Uuid);
            }
            else
            {
                host.Directory.Settle(key);
                host.Hypervisor.Destroy(key.Id);
                if (shell.Flavour.DeviceMethod == DeviceMethod.Noxs) host.Noxs?.DetachAll(key.Id);
                else host.Bus.DetachAll(key, host.DevicePatience);
                host.Directory.Withdraw(key);
                if (key != shell.Key) host.Directory.Withdraw(shell.Key);
            }

            host.Directory.Shells.Remove(shell.Uuid);
            return null;
        }
        catch (LvmException error)
        {
            return $"shell {shell.Key} was not taken away: {error.Problem}"; // whoever keeps the pool finds its record
        }
    }

    private void AdoptMemory()
    {
        var shell = _shell!;
        // What is left of the memory's list of frames once the surplus is given back is of no use to anybody else.
        _image = _hypervisor.AdoptMemory(_id, _shape, shell.Flavour.MemoryMiB * 1024L, _directory.Shells.TakeFrames(shell.Uuid), _config.MemoryMiB * 1024L, _ports);
    }

    /// <summary>What was published of the shell that this becomes.</summary>
    private DomainPublication ShellPublication() => Publication() with
    {
        Key = _shell!.Key,
        Name = _shell.Name,
        Vcpus = _shell.Flavour.VcpuCount,
        MemoryKiB = _shell.Flavour.MemoryMiB * 1024L,
        MaxMemoryKiB = _shell.Flavour.MaxMemoryMiB * 1024L,
        Rings = _shell.Rings,
    };

    private DomainPublication Publication() => new()
    {
        Key = Key,
        Name = _shellName ?? _config.Name,
        Type = _config.Type,
        Vcpus = _config.VcpuCount,
        MaxVcpus = Math.Max(_config.VcpuCount, _shell?.Flavour.VcpuCount ?? 0),
        MemoryKiB = _config.MemoryMiB * 1024L,
        MaxMemoryKiB = _config.MaxMemoryMiB * 1024L,
        HasConsole = _config.Console,
        Ports = _ports,
        Rings = _rings,
        StartTime = _startTime,
        FormerUuid = _shell is { } shell && shell.Uuid != _shape.Uuid ? shell.Uuid : null,
        Config = _config,
    };

    /// <summary>One step. A step that throws has itself left nothing behind; its undo runs only when a later one fails.</summary>
    private sealed record Step(string Name, Action<DomainCreation> Do, Action<DomainCreation>? Undo = null)
    {
        /// <summary>Whether it is none of the domain's own: neither timed nor traced.</summary>
        public bool IsSilent { get; init; }
    }
}
