using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Simulation;

/// <summary>
/// A hypervisor in memory: the states, limits and errors of Xen without any of it. Its guests do what the words of their command
/// line say, as the tiny guest does on Xen: "off", "reboot" and "crash" end it at once, "spin" keeps its vCPU busy, all else waits.
/// </summary>
internal sealed class SimulatedHypervisor(SimulatedMachine machine) : IHypervisor
{
    /// <summary>Ports that a guest may have, as <c>lvm_domain_create</c> asks of Xen.</summary>
    private const uint MaxPort = 1023;

    public HypervisorInfo GetInfo()
    {
        lock (machine.Lock)
        {
            return new HypervisorInfo
            {
                Kind = "Simulated",
                Version = "4.17.0",
                Capabilities = "xen-3.0-x86_64" + (machine.Options.SupportsPvh ? " hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64" : ""),
                PhysicalCpus = machine.Options.PhysicalCpus,
                TotalMemoryKiB = machine.Options.TotalMemoryMiB * 1024L,
                FreeMemoryKiB = machine.FreeMemoryKiB,
                SupportsPvh = machine.Options.SupportsPvh,
            };
        }
    }

    public void ListDomains(List<DomainInfo> into)
    {
        lock (machine.Lock)
        {
            foreach (var domain in machine.Domains) into.Add(domain.Describe());
        }
    }

    public DomainInfo? FindDomain(uint id)
    {
        lock (machine.Lock) return machine.Find(id)?.Describe();
    }

    public HostCapacity GetCapacity(int channels)
    {
        lock (machine.Lock)
        {
            return new HostCapacity
            {
                FreeMemoryKiB = machine.FreeMemoryKiB,
                FreeDomainIds = HostCapacity.DomainIds - machine.Domains.Count(),
                // Two of each guest: the store's and the console's.
                FreeEventChannels = Math.Max(0, machine.Options.EventChannels - 2 * (machine.Domains.Count() - 1) - machine.Domains.Sum(domain => domain.Devices.Count)),
                GrantFrames = machine.Options.GrantFrames,
            };
        }
    }

    public uint CreateDomain(in DomainShape shape)
    {
        if (shape.MaxVcpus is < 1 or > 128) throw Refused("create", $"{shape.MaxVcpus} vCPUs are not within 1 to 128", ErrnoText.EINVAL);
        if (shape.Type == GuestType.HVM || (shape.Type == GuestType.PVH && !machine.Options.SupportsPvh))
            throw new LvmException(ErrorIds.GuestTypeUnsupported, $"{shape.Type} guests cannot be created here") { Operation = "create", Errno = ErrnoText.EINVAL };
        if (shape.AddressSize != 64)
            throw new LvmException(ErrorIds.GuestTypeUnsupported, "32-bit PV guests cannot be created here") { Operation = "create", Errno = ErrnoText.EINVAL };
        lock (machine.Lock) return machine.Add(shape).Key.Id;
    }

    public void SetVcpuAffinity(uint id, IReadOnlyList<IReadOnlyList<int>> cpuMap)
    {
        lock (machine.Lock)
        {
            var domain = machine.Require(id, "set the affinity of");
            if (cpuMap.Count > domain.Vcpus) throw Refused("set the affinity of", $"vCPU {cpuMap.Count - 1} does not exist", ErrnoText.ESRCH);
            foreach (var cpus in cpuMap)
            {
                if (!cpus.Any(cpu => cpu >= 0 && cpu < machine.Options.PhysicalCpus))
                    throw new LvmException(ErrorIds.CpuNotFound, $"none of the physical CPUs {string.Join(", ", cpus)} exists") { Operation = "set the affinity of", Errno = ErrnoText.EINVAL };
            }
        }
    }

    public void SetLimits(uint id, in DomainShape shape, long maxMemoryKiB)
    {
        lock (machine.Lock) machine.Require(id, "set the limits of").MaxMemoryKiB = maxMemoryKiB;
    }

    public void SetMaxMemory(uint id, in DomainShape shape, long maxMemoryKiB) => SetLimits(id, shape, maxMemoryKiB);

    public void SetUuid(uint id, Guid uuid)
    {
        lock (machine.Lock)
        {
            var domain = machine.Require(id, "set the uuid of");
            domain.Key = domain.Key with { Uuid = uuid };
        }
    }

    public uint AllocateEventChannel(uint id, uint remote)
    {
        lock (machine.Lock)
        {
            var domain = machine.Require(id, "allocate an event channel of");
            machine.Require(remote, "allocate an event channel of");
            if (domain.NextPort > MaxPort) throw Refused("allocate an event channel of", $"all its {MaxPort} ports are in use", ErrnoText.ENOSPC);
            return domain.NextPort++;
        }
    }

    public IDomainImage AllocateMemory(uint id, in DomainShape shape, long memoryKiB, in GuestPorts ports)
    {
        lock (machine.Lock)
        {
            var domain = machine.Require(id, "allocate the memory of");
            if (memoryKiB > domain.MaxMemoryKiB)
                throw new LvmException(ErrorIds.InsufficientMemory, $"{memoryKiB} KiB are more than its limit of {domain.MaxMemoryKiB} KiB") { Operation = "allocate the memory of", Errno = ErrnoText.ENOMEM };
            machine.TakeMemory(memoryKiB, "allocate the memory of");
            domain.MemoryKiB = memoryKiB;
            return new SimulatedImage(machine, domain);
        }
    }

    public IDomainImage AdoptMemory(uint id, in DomainShape shape, long heldKiB, IReadOnlyList<FrameRun> frames, long memoryKiB, in GuestPorts ports)
    {
        lock (machine.Lock)
        {
            var domain = machine.Require(id, "take over the memory of");
            if (heldKiB != domain.MemoryKiB || memoryKiB > heldKiB || !frames.SequenceEqual(FramesOf(domain)))
                throw Refused("take over the memory of", "it has not the frames that it should have", ErrnoText.EINVAL);
            machine.GiveMemory(heldKiB - memoryKiB);
            domain.MemoryKiB = memoryKiB;
            return new SimulatedImage(machine, domain);
        }
    }

    public void WritePage(uint id, ulong frame, ReadOnlySpan<byte> page)
    {
        lock (machine.Lock)
        {
            var domain = machine.Require(id, "write a page of");
            if (frame != RingsOf(domain).StoreFrame) throw Refused("write a page of", $"it has no frame {frame}", ErrnoText.EINVAL);
            domain.DevicePage = page.ToArray();
        }
    }

    public void SaveDomain(uint id, SafeFileHandle stream, ISaveControl control, CancellationToken cancellation)
    {
        // As libxc does: first what does not change, then rounds, of which each is counted when it is over.
        using var file = new FileStream(new SafeFileHandle(stream.DangerousGetHandle(), ownsHandle: false), FileAccess.Write, bufferSize: 0);
        Give(Saved()[..SimulatedStream.BeginSize]);
        if (control.IsLive)
        {
            for (var round = 0; control.Decide(new SaveProgress(round, round, round == 0 ? 1 : 0)) == SaveDecision.NextRound; round++)
            {
                ThrowIfCancelled("saved", cancellation);
                if (control.Decide(new SaveProgress(round + 1, round + 1, null)) == SaveDecision.StopAndCopy) break;
            }
        }

        ThrowIfCancelled("saved", cancellation);
        control.Suspend();
        Give(Saved(requireSuspended: true)[SimulatedStream.BeginSize..]);

        byte[] Saved(bool requireSuspended = false)
        {
            lock (machine.Lock)
            {
                var domain = machine.Require(id, "save");
                if (requireSuspended && domain.Ended != ShutdownReason.Suspend) throw new LvmException(ErrorIds.SaveFailure, "its guest has not suspended itself") { Operation = "save" };
                return SimulatedStream.Write(domain);
            }
        }

        void Give(byte[] bytes)
        {
            try
            {
                file.Write(bytes);
            }
            catch (IOException error)
            {
                throw new LvmException(ErrorIds.SaveFailure, error.Message.TrimEnd('.'), error) { Operation = "save" };
            }
        }
    }

    public GuestRings RestoreDomain(uint id, in DomainShape shape, SafeFileHandle stream, in GuestPorts ports, CancellationToken cancellation)
    {
        SimulatedMemory memory;
        try
        {
            using var file = new FileStream(new SafeFileHandle(stream.DangerousGetHandle(), ownsHandle: false), FileAccess.Read, bufferSize: 0);
            memory = SimulatedStream.Read(file, shape.Type);
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            throw new LvmException(ErrorIds.RestoreFailure, error.Message.TrimEnd('.'), error) { Operation = "restore" };
        }

        ThrowIfCancelled("restored", cancellation);
        lock (machine.Lock)
        {
            var domain = machine.Require(id, "restore");
            if (memory.SizeKiB > domain.MaxMemoryKiB) throw new LvmException(ErrorIds.RestoreFailure, $"the stream has {memory.SizeKiB} KiB, more than its limit of {domain.MaxMemoryKiB} KiB") { Operation = "restore" };
            machine.TakeMemory(memory.SizeKiB, "restore");
            domain.MemoryKiB = memory.SizeKiB;
            domain.Listens = memory.Listens;
            domain.Activity = memory.Activity;
            domain.Guest.Restore(memory.CommandLine);
            return RingsOf(domain);
        }
    }

    public void Resume(uint id)
    {
        lock (machine.Lock)
        {
            var domain = machine.Require(id, "resume");
            if (domain.Ended != ShutdownReason.Suspend) throw Refused("resume", "it is not suspended", ErrnoText.EINVAL);
            domain.Ended = null;
            domain.Guest.GoOn();
            domain.Run();
            machine.Tell();
        }
    }

    public bool CanSaveLive(uint id)
    {
        // As with Debian's Xen, which has no shadow page tables.
        lock (machine.Lock) return machine.Require(id, "save").Type == GuestType.PVH;
    }

    public IReadOnlyList<CpuidLeaf> GetDomainCpu(uint id)
    {
        lock (machine.Lock) machine.Require(id, "read the CPU policy of");
        return GetHostCpu(GuestType.PV);
    }

    // A processor of x86-64 with the features that every one has: FPU to SSE2 in leaf 1, long mode and NX in leaf 0x80000001.
    public IReadOnlyList<CpuidLeaf> GetHostCpu(GuestType type) =>
        [new(1, uint.MaxValue, 0, 0, 0, 0x0789_3f7f), new(0x8000_0001, uint.MaxValue, 0, 0, 0x1, 0x2010_0800)];

    public void Pause(uint id)
    {
        lock (machine.Lock)
        {
            var domain = machine.Require(id, "pause");
            if (domain.PauseCount >= SimulatedMachine.MaxPauseCount) throw Refused("pause", "it is paused 255 times already", 87);
            domain.PauseCount++;
        }
    }

    public void Unpause(uint id)
    {
        lock (machine.Lock)
        {
            var domain = machine.Require(id, "unpause");
            if (domain.PauseCount == 0) throw Refused("unpause", "it is not paused", ErrnoText.EINVAL);
            domain.PauseCount--;
            domain.Run();
            machine.Tell();
        }
    }

    public void Shutdown(uint id, ShutdownReason reason)
    {
        lock (machine.Lock)
        {
            var domain = machine.Require(id, "shut down");
            domain.Ended ??= reason;
            machine.Tell();
        }
    }

    public void Destroy(uint id)
    {
        lock (machine.Lock)
        {
            if (machine.Find(id) is { } domain) machine.Remove(domain);
        }
    }

    public void Dispose()
    {
        // Nothing is held: the machine goes with the last reference to it.
    }

    // Frame numbers that no two live domains share: the last two pages of a memory laid out by id.
    private static GuestRings RingsOf(SimulatedDomain domain) => new(domain.Key.Id * 0x100000UL + 1, domain.Key.Id * 0x100000UL + 2);

    private static FrameRun[] FramesOf(SimulatedDomain domain) => domain.Type == GuestType.PVH ? [] : [new FrameRun(domain.Key.Id * 0x100000UL, (ulong)domain.MemoryKiB / 4)];

    private static void ThrowIfCancelled(string done, CancellationToken cancellation)
    {
        if (cancellation.IsCancellationRequested) throw new LvmException(ErrorIds.OperationCancelled, $"it was cancelled while its memory was being {done}");
    }

    private static LvmException Refused(string operation, string problem, int errno) =>
        new(ErrorIds.HypervisorFailure, problem) { Operation = operation, Errno = errno };

    private sealed class SimulatedImage(SimulatedMachine machine, SimulatedDomain domain) : IDomainImage
    {
        private KernelImage? _kernel;
        private long _size;
        private string _commandLine = "";

        public IReadOnlyList<FrameRun> Frames => FramesOf(domain);

        public void Parse(ReadOnlyMemory<byte> kernel, ReadOnlyMemory<byte> ramdisk, string commandLine)
        {
            _kernel = KernelImage.Inspect(kernel.Span, "kernel");
            _kernel.CheckFits(domain.Type, domain.AddressSize, int.MaxValue, 0, "kernel");
            _size = Math.Max(_kernel.LoadedSize, kernel.Length) + ramdisk.Length;
            _commandLine = commandLine;
        }

        public void Build()
        {
            if (_kernel is null) throw new InvalidOperationException("Parse comes before Build.");
            if (_size > domain.MemoryKiB * 1024)
                throw new LvmException(ErrorIds.MemoryTooSmall, $"kernel and ramdisk need {_size / 1024} KiB, the domain has {domain.MemoryKiB} KiB") { Errno = ErrnoText.ENOMEM };
        }

        public GuestRings Boot()
        {
            lock (machine.Lock)
            {
                domain.Listens = !_commandLine.Split(' ').Contains("noxs");
                domain.Activity = GuestActivity.Idle;
                domain.Guest.Load(_commandLine);
                return RingsOf(domain);
            }
        }

        public void SeedGrants()
        {
            lock (machine.Lock) machine.Require(domain.Key.Id, "seed the grants of");
        }

        public void Dispose()
        {
            // The domain's memory is the domain's, and goes with it.
        }
    }
}
