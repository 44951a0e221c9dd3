using LightVM.Configuration;
using LightVM.Consoles;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Migration;
using LightVM.Pools;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Contract;

/// <summary>A hypervisor whose n-th call of a creation fails; undoing still works, as it does on a machine that is merely full.</summary>
internal sealed class FailingHypervisor(IHypervisor inner, int failingCall) : IHypervisor
{
    public const string Problem = "this call was made to fail";

    private int _calls;

    public HypervisorInfo GetInfo() => inner.GetInfo();

    public void ListDomains(List<DomainInfo> into) => inner.ListDomains(into);

    public DomainInfo? FindDomain(uint id) => inner.FindDomain(id);

    public HostCapacity GetCapacity(int channels) => inner.GetCapacity(channels);

    public uint CreateDomain(in DomainShape shape)
    {
        Count();
        return inner.CreateDomain(shape);
    }

    public void SetVcpuAffinity(uint id, IReadOnlyList<IReadOnlyList<int>> cpuMap)
    {
        Count();
        inner.SetVcpuAffinity(id, cpuMap);
    }

    public void SetLimits(uint id, in DomainShape shape, long maxMemoryKiB)
    {
        Count();
        inner.SetLimits(id, shape, maxMemoryKiB);
    }

    public void SetMaxMemory(uint id, in DomainShape shape, long maxMemoryKiB)
    {
        Count();
        inner.SetMaxMemory(id, shape, maxMemoryKiB);
    }

    public void SetUuid(uint id, Guid uuid)
    {
        Count();
        inner.SetUuid(id, uuid);
    }

    public uint AllocateEventChannel(uint id, uint remote)
    {
        Count();
        return inner.AllocateEventChannel(id, remote);
    }

    public IDomainImage AllocateMemory(uint id, in DomainShape shape, long memoryKiB, in GuestPorts ports)
    {
        Count();
        return new FailingImage(this, inner.AllocateMemory(id, shape, memoryKiB, ports));
    }

    public IDomainImage AdoptMemory(uint id, in DomainShape shape, long heldKiB, IReadOnlyList<FrameRun> frames, long memoryKiB, in GuestPorts ports)
    {
        Count();
        return new FailingImage(this, inner.AdoptMemory(id, shape, heldKiB, frames, memoryKiB, ports));
    }

    public void WritePage(uint id, ulong frame, ReadOnlySpan<byte> page)
    {
        Count();
        inner.WritePage(id, frame, page);
    }

    public void SaveDomain(uint id, SafeFileHandle stream, ISaveControl control, CancellationToken cancellation)
    {
        Count();
        inner.SaveDomain(id, stream, control, cancellation);
    }

    public GuestRings RestoreDomain(uint id, in DomainShape shape, SafeFileHandle stream, in GuestPorts ports, CancellationToken cancellation)
    {
        Count();
        return inner.RestoreDomain(id, shape, stream, ports, cancellation);
    }

    public void Resume(uint id) => inner.Resume(id);

    public bool CanSaveLive(uint id) => inner.CanSaveLive(id);

    public IReadOnlyList<CpuidLeaf> GetDomainCpu(uint id) => inner.GetDomainCpu(id);

    public IReadOnlyList<CpuidLeaf> GetHostCpu(GuestType type) => inner.GetHostCpu(type);

    public void Pause(uint id) => inner.Pause(id);

    public void Unpause(uint id)
    {
        Count();
        inner.Unpause(id);
    }

    public void Shutdown(uint id, ShutdownReason reason) => inner.Shutdown(id, reason);

    public void Destroy(uint id) => inner.Destroy(id);

    public void Dispose()
    {
        // The inner one is the test's.
    }

    private void Count()
    {
        if (++_calls == failingCall) throw new LvmException(ErrorIds.HypervisorFailure, Problem);
    }

    private sealed class FailingImage(FailingHypervisor owner, IDomainImage image) : IDomainImage
    {
        public IReadOnlyList<FrameRun> Frames => image.Frames;

        public void Parse(ReadOnlyMemory<byte> kernel, ReadOnlyMemory<byte> ramdisk, string commandLine)
        {
            owner.Count();
            image.Parse(kernel, ramdisk, commandLine);
        }

        public void Build()
        {
            owner.Count();
            image.Build();
        }

        public GuestRings Boot()
        {
            owner.Count();
            return image.Boot();
        }

        public void SeedGrants()
        {
            owner.Count();
            image.SeedGrants();
        }

        public void Dispose() => image.Dispose();
    }
}

/// <summary>A directory that is lent to a host and outlives it.</summary>
/// <param name="watch">In the place of its own watch.</param>
internal sealed class UnownedDirectory(IDomainDirectory inner, IDomainWatch? watch = null) : IDomainDirectory
{
    public DirectoryEntry? Find(DomainKey key) => inner.Find(key);

    public void Refresh() => inner.Refresh();

    public void TakeInChanges() => inner.TakeInChanges();

    public IReadOnlyList<Guid> UuidsByName(string name) => inner.UuidsByName(name);

    public IDisposable ReserveName(string name) => inner.ReserveName(name);

    public int? FindNodeQuota() => inner.FindNodeQuota();

    public void Publish(DomainPublication publication) => inner.Publish(publication);

    public void PublishRings(DomainPublication publication) => inner.PublishRings(publication);

    public void PublishShell(DomainPublication publication) => inner.PublishShell(publication);

    public void PublishAs(DomainPublication publication, DomainPublication shell, IReadOnlyList<NetworkDevice> changed) => inner.PublishAs(publication, shell, changed);

    IShellRecords IDomainDirectory.Shells => inner.Shells;

    public void Rename(DomainKey key, string newName) => inner.Rename(key, newName);

    public IDisposable HoldDomain(Guid uuid, TimeSpan patience) => inner.HoldDomain(uuid, patience);

    public DomainConfig? FindConfig(DomainKey key) => inner.FindConfig(key);

    public void SaveConfig(DomainKey key, DomainConfig config) => inner.SaveConfig(key, config);

    public IReadOnlyList<Guid> ListConfigs() => inner.ListConfigs();

    public void RemoveConfig(Guid uuid) => inner.RemoveConfig(uuid);

    public void BeginRestart(Guid uuid, DomainConfig config) => inner.BeginRestart(uuid, config);

    public void EndRestart(Guid uuid) => inner.EndRestart(uuid);

    public IReadOnlyList<(Guid Uuid, DomainConfig Config)> UnfinishedRestarts() => inner.UnfinishedRestarts();

    public void NoteSuspension(Guid uuid, Suspension suspension) => inner.NoteSuspension(uuid, suspension);

    public void EndSuspension(Guid uuid) => inner.EndSuspension(uuid);

    public IReadOnlyList<(Guid Uuid, Suspension Suspension)> Suspensions() => inner.Suspensions();

    public Guid Boot => inner.Boot;

    public Arrival? FindArrival(Guid ticket) => inner.FindArrival(ticket);

    public void SaveArrival(Guid ticket, Arrival arrival) => inner.SaveArrival(ticket, arrival);

    public void RemoveArrival(Guid ticket) => inner.RemoveArrival(ticket);

    public IReadOnlyList<(Guid Ticket, Arrival Arrival)> Arrivals() => inner.Arrivals();

    public void NoteResumed(DomainKey key) => inner.NoteResumed(key);

    public IDomainWatch Watch() => watch ?? inner.Watch();

    public void Settle(DomainKey key) => inner.Settle(key);

    public void Withdraw(DomainKey key) => inner.Withdraw(key);

    public IGuestConsole OpenConsole(DomainKey key, Func<bool> exists) => inner.OpenConsole(key, exists);

    public void Dispose()
    {
        // The inner one is the test's.
    }
}

/// <summary>A watch whose connection has broken.</summary>
internal sealed class BrokenWatch : IDomainWatch
{
    public bool Wait(TimeSpan timeout, CancellationToken cancellation) => throw new LvmException(ErrorIds.StoreFailure, FailingHypervisor.Problem);

    public void Dispose()
    {
        // There is nothing behind it.
    }
}

/// <summary>A device bus that is lent to a host and outlives it.</summary>
/// <param name="takesBack">Whether requests can be taken back.</param>
internal sealed class UnownedBus(IDeviceBus inner, bool takesBack = true) : IDeviceBus
{
    public IReadOnlyList<Device> Reserve(Guid uuid, IReadOnlyList<Device> devices) => inner.Reserve(uuid, devices);

    public void Release(Guid uuid, IReadOnlyList<Device> devices) => inner.Release(uuid, devices);

    public IReadOnlyList<string> ListBridges() => inner.ListBridges();

    public void Attach(DomainKey domain, IReadOnlyList<Device> devices) => inner.Attach(domain, devices);

    public void AwaitBackends(DomainKey domain, IReadOnlyList<Device> devices, TimeSpan patience, CancellationToken cancellation) => inner.AwaitBackends(domain, devices, patience, cancellation);

    public bool AwaitGuest(DomainKey domain, IReadOnlyList<DeviceId> devices, TimeSpan patience, CancellationToken cancellation) => inner.AwaitGuest(domain, devices, patience, cancellation);

    public IReadOnlyList<DeviceStatus> List(uint? domainId = null) => inner.List(domainId);

    public void Detach(DomainKey domain, DeviceKind kind, int id, bool force, TimeSpan patience, CancellationToken cancellation) => inner.Detach(domain, kind, id, force, patience, cancellation);

    public void DetachAll(DomainKey domain, TimeSpan patience) => inner.DetachAll(domain, patience);

    public void Request(DomainKey domain, ShutdownReason reason) => inner.Request(domain, reason);

    public bool WithdrawRequest(DomainKey domain) => takesBack ? inner.WithdrawRequest(domain) : throw new LvmException(ErrorIds.StoreFailure, FailingHypervisor.Problem);

    public IAddressWatch WatchAddresses(IReadOnlyCollection<DomainKey> domains) => inner.WatchAddresses(domains);

    public void Dispose()
    {
        // The inner one is the test's.
    }
}
