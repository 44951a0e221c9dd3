using LightVM.Hypervisor;
using LightVM.Simulation;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Unit.Migration;

/// <summary>A simulated hypervisor that says before a guest is let run, and can be another version and CPU than it is.</summary>
internal sealed class WatchfulHypervisor(SimulatedMachine machine) : IHypervisor
{
    private readonly IHypervisor _inner = new SimulatedHypervisor(machine);

    public Action<uint> BeforeRun { get; set; } = _ => { };

    /// <summary>Called with a page before it is written.</summary>
    public Action<byte[]> BeforePage { get; set; } = _ => { };

    /// <summary>Called before it is asked what it has.</summary>
    public Action BeforeInfo { get; set; } = () => { };

    public string Version { get; set; } = "4.17.7";

    public Func<IReadOnlyList<CpuidLeaf>, IReadOnlyList<CpuidLeaf>> Cpu { get; set; } = leaves => leaves;

    public HypervisorInfo GetInfo()
    {
        BeforeInfo();
        return _inner.GetInfo() with { Version = Version };
    }

    public void ListDomains(List<DomainInfo> into) => _inner.ListDomains(into);

    public DomainInfo? FindDomain(uint id) => _inner.FindDomain(id);

    public HostCapacity GetCapacity(int channels) => _inner.GetCapacity(channels);

    public uint CreateDomain(in DomainShape shape) => _inner.CreateDomain(shape);

    public void SetVcpuAffinity(uint id, IReadOnlyList<IReadOnlyList<int>> cpuMap) => _inner.SetVcpuAffinity(id, cpuMap);

    public void SetLimits(uint id, in DomainShape shape, long maxMemoryKiB) => _inner.SetLimits(id, shape, maxMemoryKiB);

    public void SetMaxMemory(uint id, in DomainShape shape, long maxMemoryKiB) => _inner.SetMaxMemory(id, shape, maxMemoryKiB);

    public void SetUuid(uint id, Guid uuid) => _inner.SetUuid(id, uuid);

    public uint AllocateEventChannel(uint id, uint remote) => _inner.AllocateEventChannel(id, remote);

    public IDomainImage AllocateMemory(uint id, in DomainShape shape, long memoryKiB, in GuestPorts ports) => _inner.AllocateMemory(id, shape, memoryKiB, ports);

    public IDomainImage AdoptMemory(uint id, in DomainShape shape, long heldKiB, IReadOnlyList<FrameRun> frames, long memoryKiB, in GuestPorts ports) => _inner.AdoptMemory(id, shape, heldKiB, frames, memoryKiB, ports);

    public void WritePage(uint id, ulong frame, ReadOnlySpan<byte> page)
    {
        BeforePage(page.ToArray());
        _inner.WritePage(id, frame, page);
    }

    public void SaveDomain(uint id, SafeFileHandle stream, ISaveControl control, CancellationToken cancellation) => _inner.SaveDomain(id, stream, control, cancellation);

    public GuestRings RestoreDomain(uint id, in DomainShape shape, SafeFileHandle stream, in GuestPorts ports, CancellationToken cancellation) => _inner.RestoreDomain(id, shape, stream, ports, cancellation);

    public void Resume(uint id)
    {
        BeforeRun(id);
        _inner.Resume(id);
    }

    public bool CanSaveLive(uint id) => _inner.CanSaveLive(id);

    public IReadOnlyList<CpuidLeaf> GetDomainCpu(uint id) => Cpu(_inner.GetDomainCpu(id));

    public IReadOnlyList<CpuidLeaf> GetHostCpu(GuestType type) => Cpu(_inner.GetHostCpu(type));

    public void Pause(uint id) => _inner.Pause(id);

    public void Unpause(uint id)
    {
        BeforeRun(id);
        _inner.Unpause(id);
    }

    public void Shutdown(uint id, ShutdownReason reason) => _inner.Shutdown(id, reason);

    public void Destroy(uint id) => _inner.Destroy(id);

    public void Dispose() => _inner.Dispose();
}
