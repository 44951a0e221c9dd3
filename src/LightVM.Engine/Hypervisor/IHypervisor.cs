using Microsoft.Win32.SafeHandles;

namespace LightVM.Hypervisor;

/// <summary>What the hypervisor must know of a domain when it makes it.</summary>
/// <param name="Uuid">The new domain's handle.</param>
/// <param name="Type">PV or PVH.</param>
/// <param name="AddressSize">Width of a PV guest, 32 or 64.</param>
/// <param name="MaxVcpus">vCPUs it may ever have.</param>
public readonly record struct DomainShape(Guid Uuid, GuestType Type, int AddressSize, int MaxVcpus);

/// <summary>The rings through which the guest reaches the store and the console.</summary>
/// <param name="StorePort">The guest's event channel to the store; 0 for a guest without one, whose page of the store's ring lists its devices.</param>
/// <param name="ConsolePort">The guest's event channel to the console daemon.</param>
public readonly record struct GuestPorts(uint StorePort, uint ConsolePort);

/// <summary>Frame numbers of the two rings, as the store's introduction and the console daemon need them.</summary>
public readonly record struct GuestRings(ulong StoreFrame, ulong ConsoleFrame);

/// <summary>Frames of the machine that follow each other, a part of a PV guest's memory.</summary>
/// <param name="First">The first one's number.</param>
/// <param name="Count">How many.</param>
public readonly record struct FrameRun(ulong First, ulong Count);

/// <summary>
/// What a toolstack asks of the hypervisor. <see cref="Xen.XenHypervisor"/> is the real one,
/// <see cref="Simulation.SimulatedHypervisor"/> the one in memory: same states, limits and errors.
/// Members may be called from several threads. Every failure is an <see cref="Errors.LvmException"/>.
/// </summary>
public interface IHypervisor : IDisposable
{
    /// <summary>Version, capabilities, CPUs, and the memory that is free now.</summary>
    HypervisorInfo GetInfo();

    /// <summary>Adds all domains to a list, in the order of their ids, dom0 first; one pass. The list is the caller's to use again: it is large.</summary>
    void ListDomains(List<DomainInfo> into);

    /// <summary>All domains in the order of their ids, dom0 first.</summary>
    List<DomainInfo> ListDomains()
    {
        var domains = new List<DomainInfo>();
        ListDomains(domains);
        return domains;
    }

    /// <summary>One domain by its id; null when there is none.</summary>
    DomainInfo? FindDomain(uint id);

    /// <summary>What is left of what every domain takes some of.</summary>
    /// <param name="channels">How many event channels of the control domain matter: where more are left, they need not be counted.</param>
    HostCapacity GetCapacity(int channels);

    /// <summary>Makes an empty, paused domain and gives its id. Errors: InsufficientMemory, DomainUuidTaken, GuestTypeUnsupported, TooManyDomains.</summary>
    uint CreateDomain(in DomainShape shape);

    /// <summary>Gives the vCPUs their hard affinity, one list of physical CPUs each; those without a list may run anywhere.</summary>
    void SetVcpuAffinity(uint id, IReadOnlyList<IReadOnlyList<int>> cpuMap);

    /// <summary>Sets the limit of memory and what the guest sees of time and CPU (TSC mode, CPUID policy).</summary>
    void SetLimits(uint id, in DomainShape shape, long maxMemoryKiB);

    /// <summary>Sets the limit of memory anew, and leaves the rest of <see cref="SetLimits"/> as it is.</summary>
    void SetMaxMemory(uint id, in DomainShape shape, long maxMemoryKiB);

    /// <summary>Gives a domain another handle. Errors: DomainUuidTaken.</summary>
    void SetUuid(uint id, Guid uuid);

    /// <summary>Makes an event channel of the guest that <paramref name="remote"/> may bind, and gives the guest's port.</summary>
    uint AllocateEventChannel(uint id, uint remote);

    /// <summary>Allocates the domain's memory and begins its image. Errors: InsufficientMemory.</summary>
    IDomainImage AllocateMemory(uint id, in DomainShape shape, long memoryKiB, in GuestPorts ports);

    /// <summary>
    /// Begins the image of a domain whose memory was allocated before, by this process or another; memory that is too much is given back.
    /// Errors: HypervisorFailure where the frames are not the domain's.
    /// </summary>
    /// <param name="heldKiB">What was allocated.</param>
    /// <param name="frames">What <see cref="IDomainImage.Frames"/> said then.</param>
    /// <param name="memoryKiB">What the domain shall have, at most as much.</param>
    IDomainImage AdoptMemory(uint id, in DomainShape shape, long heldKiB, IReadOnlyList<FrameRun> frames, long memoryKiB, in GuestPorts ports);

    /// <summary>Replaces a page of a domain's memory.</summary>
    /// <param name="frame">As <see cref="GuestRings"/> has frames.</param>
    /// <param name="page">4096 bytes.</param>
    void WritePage(uint id, ulong frame, ReadOnlySpan<byte> page);

    /// <summary>
    /// Writes a domain's memory and vCPUs as a migration stream of libxc (docs/specs/libxc-migration-stream.pandoc of the Xen tree), and
    /// leaves the domain suspended; where this throws it may be either. Errors: SaveFailure, OperationCancelled, and what the control throws.
    /// </summary>
    /// <param name="stream">A file, from where it stands on, or a pipe.</param>
    void SaveDomain(uint id, SafeFileHandle stream, ISaveControl control, CancellationToken cancellation);

    /// <summary>
    /// Reads a migration stream into a domain that has no memory yet, and not a byte beyond it; the domain stays paused.
    /// Errors: RestoreFailure, InsufficientMemory, OperationCancelled.
    /// </summary>
    GuestRings RestoreDomain(uint id, in DomainShape shape, SafeFileHandle stream, in GuestPorts ports, CancellationToken cancellation);

    /// <summary>Lets a suspended guest go on where it was, as if it had never been suspended.</summary>
    void Resume(uint id);

    /// <summary>Whether a domain can be saved while it runs: the hypervisor has to note which pages are written.</summary>
    bool CanSaveLive(uint id);

    /// <summary>What a domain's guest sees of the CPU.</summary>
    IReadOnlyList<CpuidLeaf> GetDomainCpu(uint id);

    /// <summary>The most that guests of a type can be shown of this host's CPU.</summary>
    IReadOnlyList<CpuidLeaf> GetHostCpu(GuestType type);

    /// <summary>Adds one to the domain's pause count: no vCPU runs when this returns.</summary>
    void Pause(uint id);

    /// <summary>Takes one from the domain's pause count.</summary>
    void Unpause(uint id);

    /// <summary>Ends the domain as if the guest had done so itself.</summary>
    void Shutdown(uint id, ShutdownReason reason);

    /// <summary>Destroys the domain and frees its memory. A domain that is gone already is no error.</summary>
    void Destroy(uint id);
}

/// <summary>A domain's image under construction: memory is there, the kernel is not. Used by one thread; disposing frees what the builder holds.</summary>
public interface IDomainImage : IDisposable
{
    /// <summary>The frames that a PV guest's memory is made of, in its order, which nobody else knows; none of a PVH guest.</summary>
    IReadOnlyList<FrameRun> Frames { get; }

    /// <summary>Reads the kernel's headers, and keeps kernel, ramdisk and command line. Errors: KernelInvalid.</summary>
    void Parse(ReadOnlyMemory<byte> kernel, ReadOnlyMemory<byte> ramdisk, string commandLine);

    /// <summary>Copies kernel and ramdisk into the domain's memory. Errors: MemoryTooSmall.</summary>
    void Build();

    /// <summary>Writes the start page and page tables, sets the first vCPU, and tells where the rings are.</summary>
    GuestRings Boot();

    /// <summary>Seeds the grant table with the store's and the console's pages.</summary>
    void SeedGrants();
}
