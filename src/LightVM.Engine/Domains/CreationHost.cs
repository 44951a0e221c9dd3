using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Noxs;
using LightVM.Pools;

namespace LightVM.Domains;

/// <summary>What a creation works with, and what can be found out, checked and settled before anything is made.</summary>
/// <param name="DevicePatience">How long the backends of its devices may take.</param>
internal sealed record CreationHost(IHypervisor Hypervisor, IDomainDirectory Directory, IDeviceBus Bus, ImageCache Images, TimeSpan DevicePatience)
{
    /// <summary>What the domain's own structures cost the hypervisor beside its memory: room that must be free as well.</summary>
    private const long SlackKiB = 1024;

    /// <summary>Whether the uuid was made up just now: then nobody has it, and there is no need to look at all domains.</summary>
    public bool HasNewUuid { get; init; }

    /// <summary>What makes domains without a store; null where there is none.</summary>
    public NoxsDomains? Noxs { get; init; }

    /// <summary>Where nothing is said of how the guest learns of its devices, its kernel says, if this host has both ways.</summary>
    public DomainConfig ChooseMethod(DomainConfig config)
    {
        if (config.DeviceMethod is not null || config.Kernel is null || Noxs is not { IsThere: true } || !Images.Has(config.Kernel) || !Images.LoadKernel(config.Kernel).Image.WantsNoxs) return config;
        return config.With(DeviceMethod.Noxs);
    }

    /// <summary>Whether the hypervisor has the room, and this host the devices.</summary>
    public void CheckHost(DomainConfig config)
    {
        var info = Hypervisor.GetInfo();
        CheckGuest(info, config);
        if (config.MemoryMiB * 1024L + SlackKiB > info.FreeMemoryKiB)
            throw new LvmException(ErrorIds.InsufficientMemory, $"it needs {config.MemoryMiB} MiB, and {info.FreeMemoryKiB / 1024} MiB are free");
        if (config.DeviceMethod == DeviceMethod.Noxs) RequireNoxs().RequireThere();
        else (Directory as NoxsDirectory)?.RequireStore();
    }

    /// <summary>Whether the host runs such guests.</summary>
    public static void CheckGuest(HypervisorInfo info, DomainConfig config)
    {
        var supported = config switch
        {
            { Type: GuestType.PVH } => info.SupportsPvh,
            { AddressSize: 32 } => info.SupportsPV32,
            _ => info.SupportsPV64,
        };
        if (!supported)
        {
            var wanted = config.Type == GuestType.PVH ? "PVH guests" : $"{config.AddressSize}-bit PV guests";
            throw new LvmException(ErrorIds.GuestTypeUnsupported, $"{info.Kind} {info.Version} runs no {wanted} here (capabilities: {info.Capabilities})");
        }

        foreach (var cpu in config.CpuMap.SelectMany(cpus => cpus))
        {
            if (cpu >= info.PhysicalCpus) throw new LvmException(ErrorIds.CpuNotFound, $"there is no physical CPU {cpu}: the host has {info.PhysicalCpus}, 0 to {info.PhysicalCpus - 1}");
        }
    }

    public (byte[] Kernel, byte[] Ramdisk) ReadKernel(DomainConfig config)
    {
        var (kernel, image) = Images.LoadKernel(config.Kernel ?? throw new LvmException(ErrorIds.KernelNotGiven, "the configuration names no kernel"));
        var ramdisk = config.Ramdisk is null ? [] : Images.LoadRamdisk(config.Ramdisk);
        image.CheckFits(config.Type, config.AddressSize, config.MemoryMiB, ramdisk.Length, config.Kernel);
        return (kernel, ramdisk);
    }

    /// <summary>Takes the name, until the result is disposed, where it is free and the uuid as well.</summary>
    public IDisposable CheckDirectory(DomainConfig config)
    {
        var reservation = Directory.ReserveName(config.Name);
        try
        {
            // Who makes a domain without a store asks none for its name.
            if (config.DeviceMethod == DeviceMethod.Noxs && Directory is NoxsDirectory own) own.RequireFreeWithoutStore(Hypervisor, config.Name, except: null);
            else DomainNames.RequireFreeAsKnown(Hypervisor, Directory, config.Name, except: null);
            if (config.Uuid is { } uuid && !HasNewUuid) RequireFree(uuid);
            return reservation;
        }
        catch
        {
            reservation.Dispose();
            throw;
        }
    }

    /// <summary>The configuration with everything in it that was left open, and its devices, which the host has agreed to.</summary>
    public (DomainConfig Config, IReadOnlyList<Device> Devices) Settle(DomainConfig config)
    {
        var uuid = config.Uuid ?? Guid.NewGuid();
        IReadOnlyList<Device> devices = [.. config.Vifs.Select((vif, index) => new NetworkDevice(vif.DeviceId ?? index, vif)), .. config.Vbds.Select(DiskDevice.Of)];
        if (devices.Count == 0) return (config.With(uuid), devices);
        using var activity = DomainCreation.Activities.StartActivity("create/reserve");
        devices = Reserve(config, uuid, devices);
        return (Settled(config, uuid, devices), devices);
    }

    /// <summary>The same where a shell has devices already: those that differ from its own, and those that are attached now.</summary>
    public (DomainConfig Config, IReadOnlyList<Device> Devices, IReadOnlyList<Device> Added) SettleShell(DomainConfig config, ShellRecord shell)
    {
        var uuid = config.Uuid ?? shell.Uuid;
        var hasInterfaces = shell.Vifs.Count > 0;
        IReadOnlyList<Device> interfaces = config.Vifs.Select((vif, index) => new NetworkDevice(vif.DeviceId ?? index, vif with { Mac = vif.Mac ?? (hasInterfaces ? shell.Vifs[index].Mac : null) })).ToArray();
        IReadOnlyList<Device> added = [.. hasInterfaces ? [] : interfaces, .. config.Vbds.Select(DiskDevice.Of)];
        var readdressed = hasInterfaces ? interfaces.OfType<NetworkDevice>().Where(device => device.Config.Mac != shell.Vifs[device.Id].Mac).ToArray() : [];
        // Addresses that somebody chose may be another's.
        if (readdressed.Length > 0) Reserve(config, shell.Uuid, readdressed);
        if (added.Count > 0) added = Reserve(config, uuid, added);
        IReadOnlyList<Device> devices = hasInterfaces ? [.. interfaces, .. added] : added;
        return (Settled(config, uuid, devices), devices, added);
    }

    /// <summary>Gives devices back that were settled. Of domains without a store nothing is held.</summary>
    public void Release(DomainConfig config, IReadOnlyList<Device> devices)
    {
        if (config.DeviceMethod != DeviceMethod.Noxs) Bus.Release(config.Uuid!.Value, devices);
    }

    private IReadOnlyList<Device> Reserve(DomainConfig config, Guid uuid, IReadOnlyList<Device> devices) =>
        config.DeviceMethod == DeviceMethod.Noxs ? RequireNoxs().Reserve(uuid, devices, Bus.IsBridge) : Bus.Reserve(uuid, devices);

    private NoxsDomains RequireNoxs() => Noxs ?? throw new LvmException(ErrorIds.NoxsUnavailable, "this host has no devices by noxs");

    private static DomainConfig Settled(DomainConfig config, Guid uuid, IReadOnlyList<Device> devices) =>
        config.With(uuid, devices.OfType<NetworkDevice>().Select(network => network.Config));

    private void RequireFree(Guid uuid)
    {
        foreach (var domain in Hypervisor.ListDomains())
        {
            if (domain.Key.Uuid == uuid && domain.State != DomainState.Dying)
                throw new LvmException(ErrorIds.DomainUuidTaken, $"domain {domain.Key.Id} has the uuid {uuid} already");
        }
    }
}
