using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Hosts;

/// <summary>
/// Whether a host has enough for all of several domains, asked before the first of them is made: memory, domain ids, event channels of
/// the control domain, nodes of the store, grants. What they need is counted as they are made here; a guest may take more later.
/// </summary>
internal static class Admission
{
    /// <summary>
    /// What a domain costs the hypervisor beside its memory, KiB: its structures, its first vCPU, the pages that are shared with it, the bitmaps of
    /// its ports. As measured on Xen 4.17 with PV guests; those of PVH are page tables as well, which have a pool of their own.
    /// </summary>
    public const long OverheadKiB = 96;

    /// <summary>The same of each vCPU more.</summary>
    private const long VcpuOverheadKiB = 36;

    /// <summary>Room that a creation wants to be free beside all that (<see cref="Domains.DomainCreation"/>).</summary>
    private const long SlackKiB = 1024;

    /// <summary>Ends of event channels that xenstored and xenconsoled have of each guest.</summary>
    private const int DaemonChannels = 2;

    /// <summary>What the noxs daemon has of each guest: its sysctl device, and its console. Of an interface: its control page's, and two rings'; of a disk: its control page's, and its ring's.</summary>
    private const int NoxsChannels = 2, NoxsNetworkChannels = 3, NoxsDiskChannels = 2;

    /// <summary>Pages that the noxs daemon maps: the console's ring, those of an interface, that of a disk.</summary>
    private const int NoxsMappings = 1, NoxsNetworkMappings = 2, NoxsDiskMappings = 1;

    /// <summary>Nodes that are a guest's own: control, what it is asked, and what Linux announces there.</summary>
    private const int ControlNodes = 8;

    /// <summary>The front half of an interface, without its queues, and a queue of it: two rings, their channels, the queue itself.</summary>
    private const int NetworkNodes = 20;

    private const int QueueNodes = 5;

    /// <summary>The front half of a disk.</summary>
    private const int DiskNodes = 14;

    /// <summary>Grants of a page of the grant table.</summary>
    private const int GrantsPerFrame = 512;

    /// <summary>Both rings of a queue, with a page for each slot of either.</summary>
    private const int QueueGrants = 2 + 2 * 256;

    /// <summary>A disk's ring, and the pages of 32 requests of 11 segments, which persistent grants keep.</summary>
    private const int DiskGrants = 1 + 32 * 11;

    /// <summary>Grants that Xen reserves at the start of each table, the store's and the console's among them.</summary>
    private const int ReservedGrants = 8;

    /// <summary>How many event channels of the control domain the domains take.</summary>
    public static int ChannelsOf(IEnumerable<DomainConfig> configs) => configs.Sum(ChannelsOf);

    /// <summary>What a domain takes of the host's memory, KiB.</summary>
    public static long MemoryOf(GuestType type, int memoryMiB, int maxMemoryMiB, int vcpuCount)
    {
        var own = memoryMiB * 1024L + OverheadKiB + (vcpuCount - 1) * VcpuOverheadKiB;
        // The pool of nested page tables, as the shim sets it: 1 MiB a vCPU and 8 KiB a MiB, in whole MiB.
        return type == GuestType.PVH ? own + (vcpuCount + ((maxMemoryMiB + 1) * 8L + 1023) / 1024) * 1024 : own;
    }

    /// <summary>Refuses what there is not enough of. Errors: InsufficientMemory, TooManyDomains, EventChannelsExhausted, StoreQuotaExceeded, GrantsExhausted.</summary>
    /// <param name="nodeQuota">How many nodes a guest may have in the store; null where the store does not say.</param>
    public static void Require(HostCapacity host, int? nodeQuota, IReadOnlyList<DomainConfig> configs)
    {
        Shared(configs, ErrorIds.InsufficientMemory, "KiB of memory", MemoryOf, host.FreeMemoryKiB - SlackKiB);
        Shared(configs, ErrorIds.TooManyDomains, "domain ids", _ => 1, host.FreeDomainIds);
        Shared(configs, ErrorIds.EventChannelsExhausted, "event channels of the control domain", config => ChannelsOf(config), host.FreeEventChannels);
        if (host.GrantMappings is int mappings) Shared(configs, ErrorIds.GrantsExhausted, "pages that daemons map by grant (xen-gntdev's limit)", MappingsOf, mappings - (HostCapacity.DomainIds - host.FreeDomainIds - 1L) * DaemonChannels);
        Each(configs, ErrorIds.GrantsExhausted, "pages of its grant table", FramesOf, host.GrantFrames);
        if (nodeQuota is int quota) Each(configs, ErrorIds.StoreQuotaExceeded, "nodes in the store", NodesOf, quota);
    }

    /// <summary>What all of them take from one supply.</summary>
    private static void Shared(IReadOnlyList<DomainConfig> configs, string errorId, string what, Func<DomainConfig, long> need, long available)
    {
        long needed = 0;
        var enough = 0;
        foreach (var config in configs)
        {
            needed += need(config);
            if (needed <= available) enough++;
        }

        if (needed <= available) return;
        throw new LvmException(errorId, $"{configs.Count} domains need {needed} {what}, and there are {Math.Max(0, available)}: enough for {enough} of them");
    }

    /// <summary>What each of them may have no more of than so much.</summary>
    private static void Each(IReadOnlyList<DomainConfig> configs, string errorId, string what, Func<DomainConfig, long> need, long most)
    {
        var enough = configs.Count(config => need(config) <= most);
        if (enough == configs.Count) return;
        var first = configs.First(config => need(config) > most);
        throw new LvmException(errorId, $"domain '{first.Name}' needs {need(first)} {what} with its devices, and may have {most}: enough for {enough} of {configs.Count} domains");
    }

    private static long MemoryOf(DomainConfig config) => MemoryOf(config.Type, config.MemoryMiB, config.MaxMemoryMiB, config.VcpuCount);

    private static bool HasNoStore(DomainConfig config) => config.DeviceMethod == DeviceMethod.Noxs;

    private static long MappingsOf(DomainConfig config) => HasNoStore(config) ? NoxsMappings + NoxsNetworkMappings * config.Vifs.Count + NoxsDiskMappings * config.Vbds.Count : DaemonChannels;

    private static int ChannelsOf(DomainConfig config) => HasNoStore(config)
        ? NoxsChannels + NoxsNetworkChannels * config.Vifs.Count + NoxsDiskChannels * config.Vbds.Count
        : DaemonChannels + config.Vifs.Sum(vif => 2 * QueuesOf(vif)) + config.Vbds.Count;

    private static long NodesOf(DomainConfig config) => HasNoStore(config) ? 0 : ControlNodes + config.Vifs.Sum(vif => NetworkNodes + QueueNodes * QueuesOf(vif)) + DiskNodes * config.Vbds.Count;

    private static long FramesOf(DomainConfig config) =>
        (ReservedGrants + config.Vifs.Sum(vif => QueueGrants * (long)QueuesOf(vif)) + DiskGrants * (long)config.Vbds.Count + GrantsPerFrame - 1) / GrantsPerFrame;

    /// <summary>One for sure; more where it was said how many.</summary>
    private static int QueuesOf(NetworkConfig vif) => vif.QueueCount ?? 1;
}
