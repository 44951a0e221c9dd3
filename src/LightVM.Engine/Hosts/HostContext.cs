using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Noxs;

namespace LightVM.Hosts;

/// <summary>What the parts of a host work with, and what they all do: find the domain that was meant, and say whose failure it was.</summary>
internal sealed class HostContext(IHypervisor hypervisor, IDomainDirectory directory, IDeviceBus bus, ImageCache images)
{
    /// <summary>How long changes of a domain wait for each other.</summary>
    public static readonly TimeSpan HoldPatience = TimeSpan.FromMinutes(1);

    /// <summary>How long a restored guest may take to come back to its devices.</summary>
    private static readonly TimeSpan ReturnPatience = TimeSpan.FromSeconds(30);

    /// <summary>So many domains are asked for one by one: a pass over a thousand others costs as much as a few dozen questions.</summary>
    private const int FewDomains = 16;

    public IHypervisor Hypervisor => hypervisor;

    public IDomainDirectory Directory => directory;

    public IDeviceBus Bus => bus;

    /// <summary>How long drivers and the device daemon may take over a device.</summary>
    public TimeSpan DevicePatience { get; set; } = TimeSpan.FromSeconds(30);

    public CreationHost ForCreation => new(hypervisor, directory, bus, images, DevicePatience) { Noxs = (directory as NoxsDirectory)?.Noxs };

    /// <summary>
    /// The domain that was meant: a hypercall tells whether its id still names it. One that is dying is gone: it was destroyed, and is
    /// only listed until the last daemon lets go of its pages. Errors: DomainGone.
    /// </summary>
    public DomainInfo Require(DomainKey key, string operation) =>
        Find(key) ?? throw new LvmException(ErrorIds.DomainGone, $"domain {key} is gone").During(operation, NameOf(key));

    /// <summary>As <see cref="Require"/>, and no control domain. Errors: DomainGone, DomainProtected.</summary>
    public DomainInfo RequireGuest(DomainKey key, string operation)
    {
        var info = Require(key, operation);
        return key.Id != 0 ? info : throw new LvmException(ErrorIds.DomainProtected, "it is the control domain").During(operation, NameOf(key));
    }

    /// <summary>The domain that was meant; null when it is gone.</summary>
    public DomainInfo? Find(DomainKey key) => hypervisor.FindDomain(key.Id) is { State: not DomainState.Dying } info && info.Key == key ? info : null;

    /// <summary>Holds a domain, so that nobody else does anything to it; null where somebody does, who is not waited for. Errors: HostFileFailure.</summary>
    public IDisposable? TryHold(Guid uuid)
    {
        try
        {
            return directory.HoldDomain(uuid, TimeSpan.Zero);
        }
        catch (LvmException error) when (error.ErrorId == ErrorIds.DomainInvalidState)
        {
            return null;
        }
    }

    /// <summary>Looks for several domains at one moment: a pass over all of them, where that is cheaper than to ask for each.</summary>
    /// <param name="count">How many will be asked for.</param>
    public Func<DomainKey, DomainInfo?> Look(int count)
    {
        if (count <= FewDomains) return Find;
        var there = hypervisor.ListDomains().Where(domain => domain.State != DomainState.Dying).ToDictionary(domain => domain.Key);
        return key => there.TryGetValue(key, out var info) ? info : null;
    }

    /// <summary>Does something to a domain that nobody else does anything to meanwhile; failures name the operation and the domain.</summary>
    public T Change<T>(DomainKey key, string operation, Func<DomainInfo, T> change)
    {
        try
        {
            RequireGuest(key, operation);
            using var hold = directory.HoldDomain(key.Uuid, HoldPatience);
            return change(RequireGuest(key, operation)); // whoever held it before may have ended it
        }
        catch (LvmException error)
        {
            throw error.During(operation, NameOf(key));
        }
    }

    /// <summary>What a domain of this toolstack is to be made of again; null where that is not known.</summary>
    public DomainConfig? ConfigFor(DomainKey key)
    {
        if (directory.FindConfig(key) is not { } config) return null;
        var draft = config.ToDraft();
        draft.Uuid = key.Uuid;
        draft.Name = directory.Find(key)?.Name is { Length: > 0 } name ? name : config.Name; // it may have been renamed
        draft.Paused = false;
        return DomainConfig.From(draft);
    }

    /// <summary>A guest that was left suspended by somebody who was killed goes on. The caller holds the domain.</summary>
    /// <returns>The domain as it is then; any other as it is.</returns>
    public DomainInfo LetGoOn(DomainInfo info)
    {
        if (info.ShutdownReason != ShutdownReason.Suspend || directory.Suspensions().All(suspension => suspension.Uuid != info.Key.Uuid || suspension.Suspension is not { HandedOver: null, IsSaved: false })) return info;
        GuestSuspension.LetGoOn(this, info.Key);
        directory.EndSuspension(info.Key.Uuid);
        return Find(info.Key) ?? info;
    }

    /// <summary>The devices that a domain's guest has in use.</summary>
    public IReadOnlyList<DeviceId> DevicesInUse(DomainKey key, DomainConfig config) => config is { Vifs.Count: 0, Vbds.Count: 0 }
        ? []
        : bus.List(key.Id).Where(device => device.State == DeviceState.Connected).Select(device => new DeviceId(device.Device.Kind, device.Device.Id)).ToArray();

    /// <summary>
    /// Waits until a guest that was restored has the devices in use again that it had. The caller holds the domain meanwhile, for nobody
    /// may suspend it before that: the block driver of Linux 6.1 does not survive it. One that takes too long is let be.
    /// </summary>
    /// <param name="inUse">Null where that is not known: then all of them.</param>
    public void AwaitReturn(DomainKey key, DomainConfig config, IReadOnlyList<DeviceId>? inUse, CancellationToken cancellation)
    {
        inUse ??= [.. config.Vifs.Select((vif, place) => new DeviceId(DeviceKind.Network, vif.DeviceId ?? place)), .. config.Vbds.Select(vbd => new DeviceId(DeviceKind.Disk, DiskDevice.Of(vbd).Id))];
        if (inUse.Count == 0) return;
        try
        {
            bus.AwaitGuest(key, inUse, ReturnPatience, cancellation);
        }
        catch (LvmException)
        {
            // Cancelled, or there is no store to hear it from. The domain runs in any case, and nobody may take it for one that does not.
        }
    }

    /// <summary>Destroys a domain that the caller holds, and takes away what there is of it on this host.</summary>
    public void Destroy(DomainKey key)
    {
        // Of a shell as well: whoever keeps its pool hears of it, and finishes it if this cannot.
        var isShell = directory.Shells.TryClaim(key.Uuid);
        directory.Settle(key);
        hypervisor.Destroy(key.Id);
        try
        {
            try
            {
                bus.DetachAll(key, DevicePatience);
            }
            finally
            {
                directory.Withdraw(key);
            }

            if (isShell) directory.Shells.Remove(key.Uuid);
        }
        catch (LvmException error)
        {
            error.LeftBehind ??= $"the domain is gone, and some of what was published of it is not (id {key.Id}, uuid {key.Uuid})";
            throw;
        }
    }

    public Domain Describe(in DomainInfo info, DateTimeOffset now)
    {
        var entry = directory.Find(info.Key);
        return new Domain
        {
            Id = info.Key.Id,
            Uuid = info.Key.Uuid,
            Name = entry?.Name is { Length: > 0 } name ? name : NameOfUnpublished(info.Key.Uuid),
            State = info.State,
            ShutdownReason = info.ShutdownReason,
            Type = info.Type,
            VcpuCount = info.OnlineVcpus,
            MaxVcpuCount = info.MaxVcpus,
            MemoryKiB = info.MemoryKiB,
            MaxMemoryKiB = info.MaxMemoryKiB,
            CpuTime = info.CpuTime,
            StartTime = entry?.StartTime,
            Uptime = entry?.StartTime is { } start && start < now ? now - start : null,
        };
    }

    /// <summary>A shell that is being made is one already: what is done with all domains is not done with it.</summary>
    private string NameOfUnpublished(Guid uuid) => directory.Shells.Find(uuid)?.Name ?? "";

    /// <summary>A domain that was made just now. A guest that ended at once is gone only when somebody removed it: then there is nothing to tell but what was made.</summary>
    public Domain DescribeNew(DomainKey key, string name, CreationRecord record, string operation)
    {
        var info = Find(key) ?? throw new LvmException(ErrorIds.DomainGone, "it was removed while it was being started").During(operation, name);
        return Describe(info, DateTimeOffset.UtcNow) with { Creation = record };
    }

    public string NameOf(DomainKey key)
    {
        try
        {
            return directory.Find(key)?.Name is { Length: > 0 } name ? name : $"id {key.Id}";
        }
        catch (LvmException)
        {
            return $"id {key.Id}"; // a message about one failure must not be lost to another
        }
    }

    public void Dispose()
    {
        bus.Dispose();
        directory.Dispose();
        hypervisor.Dispose();
    }
}
