using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Images;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Hosts;

/// <summary>How a domain is saved.</summary>
public sealed record SaveOptions
{
    /// <summary>Whether the guest goes on afterwards (a checkpoint); else the domain is gone when it is saved.</summary>
    public bool KeepRunning { get; init; }

    /// <summary>Whether an image of that name is replaced; it stays as it is until the new one is whole.</summary>
    public bool Overwrite { get; init; }

    /// <summary>How long the guest may take to suspend itself.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(1);
}

/// <summary>How a domain is restored.</summary>
public sealed record RestoreOptions
{
    /// <summary>Another name than it had.</summary>
    public string? Name { get; init; }

    /// <summary>Whether it is another domain than the one that was saved: with a uuid and MAC addresses of its own.</summary>
    public bool AsCopy { get; init; }

    /// <summary>
    /// Disks in the place of those that it had, under the same virtual devices: copies of them, made when it was saved. Null for the same
    /// ones, which a copy beside the running original may only read.
    /// </summary>
    public IReadOnlyList<DiskConfig>? Disks { get; init; }

    /// <summary>Whether it stays paused.</summary>
    public bool Paused { get; init; }
}

/// <summary>Domains that are saved, to be gone on with later.</summary>
public sealed class DomainImages
{
    private readonly HostContext _host;

    internal DomainImages(HostContext host)
    {
        _host = host;
    }

    /// <summary>
    /// Saves a domain to a file. Where this throws, the guest goes on, and an older image of that name is as it was. Errors: ImageExists,
    /// HostFileFailure, SuspendTimeout, SaveFailure, DomainGone, DomainProtected, DomainInvalidState, OperationCancelled.
    /// </summary>
    /// <param name="path">The image. What has this name is whole.</param>
    public DomainImage Save(DomainKey key, string path, SaveOptions? options = null, CancellationToken cancellation = default)
    {
        options ??= new SaveOptions();
        return Save(key, config => ImageWriter.ToFile(path, config, FactsOf(key, config), options.Overwrite), options, cancellation);
    }

    /// <summary>Saves a domain to a stream, a pipe for one. Errors: as of a file.</summary>
    /// <param name="output">Stays open. Whoever cancels while it takes nothing closes it.</param>
    public DomainImage Save(DomainKey key, Stream output, SaveOptions? options = null, CancellationToken cancellation = default) =>
        Save(key, config => ImageWriter.ToStream(output, config, FactsOf(key, config)), options ?? new SaveOptions(), cancellation);

    /// <summary>
    /// Makes a domain of a saved one. Nothing is left of it when this throws. Errors: ImageNotFound, ImageUnreadable, ImageInvalid,
    /// ImageUnsupported, RestoreFailure, and those of <see cref="LvmHost.CreateDomain"/> that have nothing to do with a kernel.
    /// </summary>
    public Domain Restore(string path, RestoreOptions? options = null, CancellationToken cancellation = default)
    {
        using var image = Traced("restore/inspect", () => ImageReader.Open(path, cancellation));
        return Restore(image, options, cancellation);
    }

    /// <summary>Makes a domain of a saved one that comes by a stream; its guest runs when all of it has come, and was whole. Errors: as of a file.</summary>
    /// <param name="input">Stays open. Whoever cancels while nothing comes closes it.</param>
    public Domain Restore(Stream input, RestoreOptions? options = null, CancellationToken cancellation = default)
    {
        using var image = ImageReader.FromStream(input);
        return Restore(image, options, cancellation);
    }

    /// <summary>
    /// Makes another domain of a running one, which goes on: with its memory as it is now, and a uuid, a name and MAC addresses of its own.
    /// Errors: those of saving and of restoring.
    /// </summary>
    /// <param name="timeout">How long the guest may take to suspend itself.</param>
    /// <param name="options">How the copy is made, beside that it is one of this name.</param>
    public Domain Copy(DomainKey key, string name, TimeSpan timeout, RestoreOptions? options = null, CancellationToken cancellation = default)
    {
        DomainConfig? config = null;
        IReadOnlyList<DeviceId>? inUse = null;
        using var memory = MemoryFile.Create("lightvm-copy");
        _host.Change(key, "copy", found =>
        {
            var info = _host.LetGoOn(found);
            RequireRunning(info);
            config = ConfigOf(info);
            inUse = _host.DevicesInUse(key, config);
            using var suspension = new GuestSuspension(_host, key, "copy", timeout, cancellation);
            Save(key, memory, suspension, () => null, cancellation);
            return info;
        });
        MemoryFile.Rewind(memory);
        return Restore(config!, inUse, memory, (options ?? new RestoreOptions()) with { Name = name, AsCopy = true }, () => { }, cancellation);
    }

    private DomainImage Save(DomainKey key, Func<DomainConfig, ImageWriter> begin, SaveOptions options, CancellationToken cancellation)
    {
        var operation = options.KeepRunning ? "checkpoint" : "save";
        return _host.Change(key, operation, found =>
        {
            var info = _host.LetGoOn(found);
            RequireRunning(info);
            using var writer = Traced("save/begin", () => begin(ConfigOf(info)));
            using var suspension = new GuestSuspension(_host, key, operation, options.Timeout, cancellation);
            Save(key, writer.Handle, suspension, () => writer.Problem, cancellation);
            CrashPoint.Reach(SaveCrashPoints.Written);
            if (options.KeepRunning) Traced("save/resume", suspension.GoOn); // what is left to do is no reason for it to stand still
            var image = Traced("save/complete", () => writer.Complete(cancellation));
            CrashPoint.Reach(SaveCrashPoints.Complete);
            if (options.KeepRunning) return image;
            suspension.NoteSaved();
            CrashPoint.Reach(SaveCrashPoints.Saved);
            Traced("save/destroy", () => _host.Destroy(key));
            _host.Directory.EndSuspension(key.Uuid);
            CrashPoint.Reach(SaveCrashPoints.Destroyed);
            return image;
        });
    }

    /// <param name="problem">Why nothing more could be written, where that was known elsewhere first.</param>
    private void Save(DomainKey key, SafeFileHandle stream, GuestSuspension suspension, Func<LvmException?> problem, CancellationToken cancellation)
    {
        try
        {
            Traced("save/memory", () => _host.Hypervisor.SaveDomain(key.Id, stream, new StopAndCopy(suspension), cancellation));
        }
        catch (LvmException error) when (error.ErrorId == ErrorIds.SaveFailure && problem() is { } cause)
        {
            throw cause;
        }
    }

    private Domain Restore(ImageReader image, RestoreOptions? options, CancellationToken cancellation)
    {
        try
        {
            return Restore(image.Config, image.Image.DevicesInUse, image.Handle, options ?? new RestoreOptions(), image.Complete, cancellation);
        }
        catch (LvmException error) when (error.ErrorId == ErrorIds.RestoreFailure && image.Problem is { } cause)
        {
            throw cause.During("restore", image.Config.Name);
        }
    }

    /// <param name="check">Called before the guest runs.</param>
    private Domain Restore(DomainConfig saved, IReadOnlyList<DeviceId>? inUse, SafeFileHandle stream, RestoreOptions options, Action check, CancellationToken cancellation)
    {
        var draft = saved.ToDraft();
        draft.Name = options.Name ?? saved.Name;
        draft.Paused = options.Paused;
        if (options.Disks is { } disks) draft.Vbds = Replaced(saved, disks);
        if (options.AsCopy || draft.Uuid is null)
        {
            draft.Uuid = Guid.NewGuid();
            draft.Vifs = saved.Vifs.Select(vif => vif with { Mac = null }).ToList();
        }

        var config = DomainConfig.From(draft);
        using var hold = _host.Directory.HoldDomain(config.Uuid!.Value, HostContext.HoldPatience);
        var (key, record) = DomainCreation.Run(_host.ForCreation, config, stream, _ => check(), cancellation);
        if (!options.Paused) _host.AwaitReturn(key, config, inUse, cancellation);
        return _host.DescribeNew(key, config.Name, record, "restore");
    }

    private static IReadOnlyList<DiskConfig> Replaced(DomainConfig saved, IReadOnlyList<DiskConfig> disks)
    {
        var had = saved.Vbds.Select(vbd => DiskDevice.Of(vbd).Id).Order();
        // The guest knows them by their numbers, and has files open on them.
        return had.SequenceEqual(disks.Select(disk => VirtualDevice.TryParse(disk.VirtualDevice, out var id, out _) ? id : -1).Order())
            ? disks
            : throw new LvmException(ErrorIds.DiskInvalid, $"its disks are {Listed(saved.Vbds)}, and {Listed(disks)} were given");

        static string Listed(IReadOnlyList<DiskConfig> disks) => disks.Count == 0 ? "none" : string.Join(", ", disks.Select(disk => disk.VirtualDevice));
    }

    /// <summary>What the domain is made of; of another toolstack's, what can be told from outside.</summary>
    private DomainConfig ConfigOf(DomainInfo info)
    {
        if (_host.ConfigFor(info.Key) is { } config) return config;
        var devices = _host.Bus.List(info.Key.Id);
        return DomainConfig.From(new DomainConfigDraft
        {
            Name = _host.Directory.Find(info.Key)?.Name is { Length: > 0 } name ? name : $"domain{info.Key.Id}",
            Uuid = info.Key.Uuid,
            Type = info.Type,
            VcpuCount = info.MaxVcpus,
            MemoryMiB = (int)((info.MemoryKiB + 1023) / 1024),
            MaxMemoryMiB = info.MaxMemoryKiB is > 0 and < int.MaxValue ? (int)Math.Max(info.MaxMemoryKiB / 1024, (info.MemoryKiB + 1023) / 1024) : null,
            Vifs = devices.Select(device => device.Device).OfType<NetworkDevice>().Select(network => network.Config with { DeviceId = network.Id }).ToList(),
            Vbds = devices.Select(device => device.Device).OfType<DiskDevice>().Select(disk => disk.Config).ToList(),
        });
    }

    private ImageFacts FactsOf(DomainKey key, DomainConfig config) => new(DateTimeOffset.UtcNow, _host.Hypervisor.GetInfo().Version, Environment.MachineName) { DevicesInUse = _host.DevicesInUse(key, config) };

    /// <summary>Traces: "save/begin", "save/memory" with "save/suspend" in it, "save/resume" or "save/destroy", "save/complete" with "save/sync" in it, "restore/inspect".</summary>
    private static T Traced<T>(string name, Func<T> work)
    {
        using var activity = DomainCreation.Activities.StartActivity(name);
        return work();
    }

    private static void Traced(string name, Action work) => Traced(name, () =>
    {
        work();
        return 0;
    });

    private static void RequireRunning(DomainInfo info)
    {
        if (info.Type == GuestType.HVM) throw new LvmException(ErrorIds.GuestTypeUnsupported, "it has a device model, whose state is not saved here");
        if (info.State is DomainState.Shutdown or DomainState.Crashed) throw new LvmException(ErrorIds.DomainInvalidState, $"its guest has ended ({info.ShutdownReason})");
        if (info.State == DomainState.Paused) throw new LvmException(ErrorIds.DomainInvalidState, "it is paused, so its guest cannot suspend itself; resume it first");
    }

    /// <summary>A save of a guest that stands still all the time.</summary>
    private sealed class StopAndCopy(GuestSuspension suspension) : ISaveControl
    {
        public bool IsLive => false;

        public SaveDecision Decide(in SaveProgress progress) => SaveDecision.StopAndCopy;

        public void Suspend() => Traced("save/suspend", suspension.Suspend);
    }
}
