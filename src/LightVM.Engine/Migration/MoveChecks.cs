using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Migration;

/// <summary>What this host has to say against a domain that would come: all of it, not only what is found first.</summary>
internal static class MoveChecks
{
    /// <param name="isHeld">Whether the caller holds the domain's uuid: somebody else who does has its devices in hand.</param>
    public static IReadOnlyList<MoveObstacle> Run(HostContext host, ArrivalJournal journal, Hello source, Offer offer, bool isHeld)
    {
        var found = new List<MoveObstacle>();
        var info = host.Hypervisor.GetInfo();
        var config = offer.Config;
        var isSame = source.Boot == host.Directory.Boot;
        if (isSame) found.Add(new MoveObstacle(ErrorIds.SameHost, "it is the host that the domain is on"));
        if (IsOlder(info.Version, source.Xen)) found.Add(new MoveObstacle(ErrorIds.XenIncompatible, $"its Xen is {info.Version}, older than {source.Xen}, from which the domain would come"));
        var isSupported = CheckType(info, config, found);
        if (isSupported) CheckCpu(host, config, offer.Cpu, found);
        foreach (var cpu in config.CpuMap.SelectMany(cpus => cpus).Distinct().Where(cpu => cpu >= info.PhysicalCpus))
            found.Add(new MoveObstacle(ErrorIds.CpuNotFound, $"there is no physical CPU {cpu}: the host has {info.PhysicalCpus}, 0 to {info.PhysicalCpus - 1}"));
        if (journal.MemoryProblem(config.MemoryMiB * 1024L) is { } problem) found.Add(new MoveObstacle(ErrorIds.InsufficientMemory, problem));
        // Where it is at home, it has its own name, uuid and devices.
        if (!isSame && isHeld) CheckWhatIsTaken(host, config, found);
        if (!isSame && !isHeld) found.Add(new MoveObstacle(ErrorIds.DomainInvalidState, $"a domain with the uuid {config.Uuid} is just being made, changed or received there"));
        if (config.Kernel is { } kernel && !host.ForCreation.Images.Has(kernel))
            found.Add(new MoveObstacle(ErrorIds.KernelNotFound, $"the kernel '{kernel}' is not there: the guest would run, and could not be restarted", IsWarning: true));
        return found;
    }

    private static bool CheckType(HypervisorInfo info, DomainConfig config, List<MoveObstacle> found)
    {
        var (isSupported, wanted) = config switch
        {
            { Type: GuestType.PVH } => (info.SupportsPvh, "PVH guests"),
            { AddressSize: 32 } => (info.SupportsPV32, "32-bit PV guests"),
            _ => (info.SupportsPV64, "64-bit PV guests"),
        };
        if (!isSupported) found.Add(new MoveObstacle(ErrorIds.GuestTypeUnsupported, $"{info.Kind} {info.Version} runs no {wanted} there"));
        return isSupported;
    }

    private static void CheckCpu(HostContext host, DomainConfig config, IReadOnlyList<CpuidLeaf> guest, List<MoveObstacle> found)
    {
        var missing = CpuFeatures.Missing(guest, host.Hypervisor.GetHostCpu(config.Type));
        if (missing.Count > 0) found.Add(new MoveObstacle(ErrorIds.CpuIncompatible, $"its CPU has not got what the guest was shown: {string.Join(", ", missing)}"));
    }

    private static void CheckWhatIsTaken(HostContext host, DomainConfig config, List<MoveObstacle> found)
    {
        var uuid = config.Uuid!.Value;
        Try(found, () => DomainNames.RequireFree(host.Hypervisor, host.Directory, config.Name));
        if (host.Hypervisor.ListDomains().FirstOrDefault(domain => domain.Key.Uuid == uuid && domain.State != DomainState.Dying) is { Key.Id: > 0 } taken)
        {
            found.Add(new MoveObstacle(ErrorIds.DomainUuidTaken, $"domain {taken.Key.Id} has the uuid {uuid} already"));
            return; // and its devices may be the very same
        }

        // One after the other, so that each can say what is wrong with it.
        foreach (var device in (IEnumerable<Device>)[.. config.Vifs.Select((vif, index) => new NetworkDevice(vif.DeviceId ?? index, vif)), .. config.Vbds.Select(DiskDevice.Of)])
        {
            Try(found, () => host.Bus.Release(uuid, host.Bus.Reserve(uuid, [device])));
        }
    }

    private static void Try(List<MoveObstacle> found, Action check)
    {
        try
        {
            check();
        }
        catch (LvmException error)
        {
            if (!found.Exists(each => each.Problem == error.Problem)) found.Add(new MoveObstacle(error.ErrorId, error.Problem));
        }
    }

    /// <summary>By the first two numbers; what cannot be read is not older.</summary>
    private static bool IsOlder(string version, string than) => Parse(version) is { } one && Parse(than) is { } other && one < other;

    private static Version? Parse(string version)
    {
        var parts = version.Split('.', '-', '+');
        return parts.Length >= 2 && int.TryParse(parts[0], out var major) && int.TryParse(parts[1], out var minor) && major >= 0 && minor >= 0 ? new Version(major, minor) : null;
    }
}
