using System.Diagnostics;
using System.Diagnostics.Metrics;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Hypervisor;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Domains;

/// <summary>
/// Makes one domain, in two halves: <see cref="Prepare"/> needs no kernel, <see cref="Execute"/> turns what it made into
/// a running guest; or, from a saved one, by <see cref="Restore"/>. All are tables of named steps; when one fails, all that were done
/// are undone, last first.
/// </summary>
internal sealed class DomainCreation
{
    /// <summary>Traces: one activity "create", with one "create/STEP" for each step, and "create/reserve" before them where there are devices.</summary>
    public static readonly ActivitySource Activities = new("LightVM.Engine");

    private static readonly Meter Meter = new("LightVM.Engine");

    private static readonly Histogram<double> StepDuration =
        Meter.CreateHistogram<double>("lightvm.create.step.duration", "ms", "Time of one step of a domain's creation");

    /// <summary>What the domain's own structures cost the hypervisor beside its memory: room that must be free as well.</summary>
    private const long SlackKiB = 1024;

    /// <summary>Room above the limit of a domain's memory for its special pages and tables; what xl gives (LIBXL_MAXMEM_CONSTANT).</summary>
    private const long MaxMemorySlackKiB = 1024;

    /// <summary>An empty domain: what every one begins as.</summary>
    private static readonly Step[] Begin =
    [
        new("domain", c => c._id = c._hypervisor.CreateDomain(c._shape), c => c._hypervisor.Destroy(c._id)),
        new("vcpus", c => { if (c._config.CpuMap.Count > 0) c._hypervisor.SetVcpuAffinity(c._id, c._config.CpuMap); }),
        new("limits", c => c._hypervisor.SetLimits(c._id, c._shape, c._config.MaxMemoryMiB * 1024L + MaxMemorySlackKiB)),
        // No undo: the ports are the guest's, and go with the domain. Closing their numbers here would close dom0's own.
        new("ports", c => c._ports = new GuestPorts(c._hypervisor.AllocateEventChannel(c._id, 0), c._hypervisor.AllocateEventChannel(c._id, 0))),
        // Before the memory, so that the kernel's drivers and the device daemon do their part while the image is made.
        new("devices", c => { if (c._devices.Count > 0) c._bus.Attach(c.Key, c._devices); }, c => { if (c._devices.Count > 0) c._bus.DetachAll(c.Key, c._patience); }),
    ];

    private static readonly Step[] Prepare =
    [
        .. Begin,
        new("memory", c => c._image = c._hypervisor.AllocateMemory(c._id, c._shape, c._config.MemoryMiB * 1024L, c._ports), c => c._image!.Dispose()),
    ];

    /// <summary>A domain that has all it needs, published and started.</summary>
    private static readonly Step[] Finish =
    [
        new("publish", c => c._directory.Publish(c.Publication()), c => c.Unpublish()),
        new("backends", c => { if (c._devices.Count > 0) c._bus.AwaitBackends(c.Key, c._devices, c._patience, c._cancellation); }),
        new("start", c =>
        {
            c._beforeStart?.Invoke(c.Key);
            if (!c._config.Paused) c._hypervisor.Unpause(c._id);
        }),
    ];

    private static readonly Step[] Execute =
    [
        new("kernel", c => c._image!.Parse(c._kernel, c._ramdisk, c._config.CommandLine ?? "")),
        new("build", c => c._image!.Build()),
        new("boot", c => c._rings = c._image!.Boot()),
        new("grants", c => c._image!.SeedGrants()),
        .. Finish,
    ];

    /// <summary>In the place of a kernel: a saved guest's memory and vCPUs.</summary>
    private static readonly Step[] Restore =
    [
        .. Begin,
        new("restore", c => c._rings = c._hypervisor.RestoreDomain(c._id, c._shape, c._saved!, c._ports, c._cancellation)),
        .. Finish,
    ];

    private readonly IHypervisor _hypervisor;
    private readonly IDomainDirectory _directory;
    private readonly IDeviceBus _bus;
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
    private uint _id;
    private GuestPorts _ports;
    private GuestRings _rings;
    private IDomainImage? _image;

    private DomainCreation(CreationHost host, DomainConfig config, IReadOnlyList<Device> devices, ReadOnlyMemory<byte> kernel, ReadOnlyMemory<byte> ramdisk, CancellationToken cancellation)
    {
        (_hypervisor, _directory, _bus, _, _patience) = host;
        _config = config;
        _devices = devices;
        _kernel = kernel;
        _ramdisk = ramdisk;
        _cancellation = cancellation;
        _shape = new DomainShape(config.Uuid!.Value, config.Type, config.AddressSize, config.VcpuCount);
    }

    private DomainKey Key => new(_id, _shape.Uuid);

    /// <summary>The names of all steps, in their order.</summary>
    public static IEnumerable<string> StepNames => Prepare.Concat(Execute).Select(step => step.Name);

    /// <summary>The names of the steps of a restoration, in their order.</summary>
    public static IEnumerable<string> RestoreStepNames => Restore.Select(step => step.Name);

    /// <summary>Checks all that can be checked beforehand, then creates the domain. Nothing is left of it when this throws.</summary>
    public static (DomainKey Key, CreationRecord Record) Run(CreationHost host, DomainConfig config, CancellationToken cancellation) => Run(host, config, "create", () =>
    {
        var (kernel, image) = host.Images.LoadKernel(config.Kernel ?? throw new LvmException(ErrorIds.KernelNotGiven, "the configuration names no kernel"));
        var ramdisk = config.Ramdisk is null ? [] : host.Images.LoadRamdisk(config.Ramdisk);
        image.CheckFits(config.Type, config.AddressSize, config.MemoryMiB, ramdisk.Length, config.Kernel);
        return (settled, devices) => new DomainCreation(host, settled, devices, kernel, ramdisk, cancellation);
    }, [Prepare, Execute], cancellation);

    /// <summary>The same for a domain that was saved, here or elsewhere.</summary>
    /// <param name="saved">Its memory and vCPUs: a file that stands at the begin of a migration stream, or a pipe.</param>
    /// <param name="beforeStart">Called when all is there but the start; where it throws, all of it is undone.</param>
    public static (DomainKey Key, CreationRecord Record) Run(CreationHost host, DomainConfig config, SafeFileHandle saved, Action<DomainKey>? beforeStart, CancellationToken cancellation) =>
        Run(host, config, "restore", () => (settled, devices) => new DomainCreation(host, settled, devices, default, default, cancellation) { _saved = saved, _beforeStart = beforeStart }, [Restore], cancellation);

    /// <summary>Checks whether a domain could be made here now, and settles its devices, which are given back: what <see cref="Run(CreationHost, DomainConfig, CancellationToken)"/> begins with.</summary>
    public static void Check(CreationHost host, DomainConfig config)
    {
        CheckHost(host.Hypervisor.GetInfo(), config);
        using var reservation = CheckDirectory(host, config);
        var (settled, devices) = Settle(host.Bus, config);
        host.Bus.Release(settled.Uuid!.Value, devices);
    }

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
            CheckHost(host.Hypervisor.GetInfo(), config);
            var make = load();
            using var reservation = CheckDirectory(host, config);
            var (settled, devices) = Settle(host.Bus, config);
            var creation = make(settled, devices);
            try
            {
                creation.RunSteps(operation, steps, cancellation);
            }
            catch
            {
                host.Bus.Release(settled.Uuid!.Value, devices);
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

    /// <summary>Takes the name, until the result is disposed, where it is free and the uuid as well.</summary>
    private static IDisposable CheckDirectory(CreationHost host, DomainConfig config)
    {
        var reservation = host.Directory.ReserveName(config.Name);
        try
        {
            DomainNames.RequireFree(host.Hypervisor, host.Directory, config.Name);
            if (config.Uuid is { } uuid) RequireFree(host.Hypervisor, uuid);
            return reservation;
        }
        catch
        {
            reservation.Dispose();
            throw;
        }
    }

    private static void CheckHost(HypervisorInfo host, DomainConfig config)
    {
        var supported = config switch
        {
            { Type: GuestType.PVH } => host.SupportsPvh,
            { AddressSize: 32 } => host.SupportsPV32,
            _ => host.SupportsPV64,
        };
        if (!supported)
        {
            var wanted = config.Type == GuestType.PVH ? "PVH guests" : $"{config.AddressSize}-bit PV guests";
            throw new LvmException(ErrorIds.GuestTypeUnsupported, $"{host.Kind} {host.Version} runs no {wanted} here (capabilities: {host.Capabilities})");
        }

        foreach (var cpu in config.CpuMap.SelectMany(cpus => cpus))
        {
            if (cpu >= host.PhysicalCpus) throw new LvmException(ErrorIds.CpuNotFound, $"there is no physical CPU {cpu}: the host has {host.PhysicalCpus}, 0 to {host.PhysicalCpus - 1}");
        }

        if (config.MemoryMiB * 1024L + SlackKiB > host.FreeMemoryKiB)
            throw new LvmException(ErrorIds.InsufficientMemory, $"it needs {config.MemoryMiB} MiB, and {host.FreeMemoryKiB / 1024} MiB are free");
        if (config.DeviceMethod == DeviceMethod.Noxs) throw new LvmException(ErrorIds.DeviceUnsupported, "device method noxs is asked for");
    }

    /// <summary>The configuration with everything in it that was left open, and its devices, which the host has agreed to.</summary>
    private static (DomainConfig Config, IReadOnlyList<Device> Devices) Settle(IDeviceBus bus, DomainConfig config)
    {
        var draft = config.ToDraft();
        var uuid = draft.Uuid ??= Guid.NewGuid();
        IReadOnlyList<Device> devices = [.. config.Vifs.Select((vif, index) => new NetworkDevice(vif.DeviceId ?? index, vif)), .. config.Vbds.Select(DiskDevice.Of)];
        if (devices.Count > 0)
        {
            using var activity = Activities.StartActivity("create/reserve");
            devices = bus.Reserve(uuid, devices);
            draft.Vifs = devices.OfType<NetworkDevice>().Select(network => network.Config).ToList();
        }

        return (DomainConfig.From(draft), devices);
    }

    private static void RequireFree(IHypervisor hypervisor, Guid uuid)
    {
        foreach (var domain in hypervisor.ListDomains())
        {
            if (domain.Key.Uuid == uuid && domain.State != DomainState.Dying)
                throw new LvmException(ErrorIds.DomainUuidTaken, $"domain {domain.Key.Id} has the uuid {uuid} already");
        }
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
            if (cancellation.IsCancellationRequested) throw new LvmException(ErrorIds.OperationCancelled, $"it was cancelled before step '{step.Name}'");
            using var activity = Activities.StartActivity($"{operation}/{step.Name}");
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

    private void Unpublish()
    {
        _directory.Settle(Key);
        _directory.Withdraw(Key);
    }

    private DomainPublication Publication() => new()
    {
        Key = Key,
        Name = _config.Name,
        Type = _config.Type,
        Vcpus = _config.VcpuCount,
        MemoryKiB = _config.MemoryMiB * 1024L,
        MaxMemoryKiB = _config.MaxMemoryMiB * 1024L,
        HasConsole = _config.Console,
        Ports = _ports,
        Rings = _rings,
        StartTime = _startTime,
        Config = _config,
    };

    /// <summary>One step. A step that throws has itself left nothing behind; its undo runs only when a later one fails.</summary>
    private sealed record Step(string Name, Action<DomainCreation> Do, Action<DomainCreation>? Undo = null);
}

/// <summary>What a creation works with.</summary>
/// <param name="DevicePatience">How long the backends of its devices may take.</param>
internal sealed record CreationHost(IHypervisor Hypervisor, IDomainDirectory Directory, IDeviceBus Bus, ImageCache Images, TimeSpan DevicePatience);
