using System.Buffers;
using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;
using LightVM.Noxs;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Xen;

/// <summary>The hypervisor that this machine runs under, by libxenctrl and libxenguest.</summary>
internal sealed class XenHypervisor : IHypervisor, IDeviceLists
{
    /// <summary>Domains asked for in one hypercall: one is enough for hosts of up to this many.</summary>
    private const uint ListBatch = 1024;

    // XEN_DOMINF_* of xen/include/public/domctl.h.
    private const uint FlagDying = 1 << 0;
    private const uint FlagHvm = 1 << 1;
    private const uint FlagShutdown = 1 << 2;
    private const uint FlagPaused = 1 << 3;
    private const uint FlagBlocked = 1 << 4;
    private const uint FlagRunning = 1 << 5;
    private const int ShutdownShift = 16;

    /// <summary>Leaves of CPUID that Xen may answer with: some dozens (CPUID_MAX_SERIALISED_LEAVES of xen/lib/x86/cpuid.h).</summary>
    private const uint MaxCpuidLeaves = 512;

    // A handle is used by one thread at a time; there are as many as threads were ever busy at once.
    private readonly ConcurrentBag<XenControlHandle> _idle = [];
    private volatile bool _disposed;

    private XenHypervisor(XenControlHandle first)
    {
        _idle.Add(first);
    }

    /// <summary>Opens the hypervisor. Errors: XenNotRunning, XenNotPrivileged, XenLibraryMissing, XenLibraryMismatch.</summary>
    public static XenHypervisor Open()
    {
        XenHost.RequireControlDomain();
        var handle = OpenHandle();
        var hypervisor = new XenHypervisor(handle);
        try
        {
            int built = XenControl.GetBuiltForXen(), running = hypervisor.GetRunningVersion();
            if (built != running)
                throw new LvmException(ErrorIds.XenLibraryMismatch, $"liblightvm-xen was built for Xen {built / 100}.{built % 100}, and Xen {running / 100}.{running % 100} is running");
            return hypervisor;
        }
        catch
        {
            hypervisor.Dispose();
            throw;
        }
    }

    public unsafe HypervisorInfo GetInfo()
    {
        using var lease = Rent();
        var result = XenControl.GetHost(lease.Handle, out var host);
        if (result < 0) throw lease.Failure("ask the hypervisor about itself", result);
        return new HypervisorInfo
        {
            Kind = "Xen",
            Version = $"{host.VersionMajor}.{host.VersionMinor}{Marshal.PtrToStringUTF8((IntPtr)host.ExtraVersion)}",
            Capabilities = Marshal.PtrToStringUTF8((IntPtr)host.Capabilities)!.Trim(),
            PhysicalCpus = (int)host.PhysicalCpus,
            TotalMemoryKiB = (long)host.TotalMemoryKiB,
            FreeMemoryKiB = (long)host.FreeMemoryKiB,
            SupportsPvh = host.HasHap != 0,
        };
    }

    public unsafe void ListDomains(List<DomainInfo> into)
    {
        using var lease = Rent();
        var buffer = ArrayPool<NativeDomain>.Shared.Rent((int)ListBatch);
        try
        {
            fixed (NativeDomain* entries = buffer)
            {
                for (var first = 0u; ;)
                {
                    var count = XenControl.ListDomains(lease.Handle, first, ListBatch, entries);
                    if (count < 0) throw lease.Failure("list domains", count);
                    into.EnsureCapacity(into.Count + count);
                    for (var i = 0; i < count; i++) into.Add(Describe(entries[i]));
                    if (count < ListBatch) return;
                    first = entries[count - 1].Id + 1;
                }
            }
        }
        finally
        {
            ArrayPool<NativeDomain>.Shared.Return(buffer);
        }
    }

    public unsafe DomainInfo? FindDomain(uint id)
    {
        using var lease = Rent();
        NativeDomain entry;
        var count = XenControl.ListDomains(lease.Handle, id, 1, &entry);
        if (count < 0) throw lease.Failure("find", count, id);
        // Xen answers with the first domain from this id on.
        return count == 1 && entry.Id == id ? Describe(entry) : null;
    }

    public HostCapacity GetCapacity(int channels)
    {
        using var lease = Rent();
        var most = XenHost.MostEventChannels;
        Check(lease, "look at the event channels of", 0, XenControl.GetEventChannelRoom(lease.Handle, 0, out var used));
        // What Xen has made room for is the most that may be in use; more exactly only where that matters.
        if (most - used < channels) Check(lease, "look at the event channels of", 0, XenControl.CountEventChannels(lease.Handle, 0, used, out used));
        Check(lease, "look at the grant table of", 0, XenControl.GetGrantFrames(lease.Handle, 0, out var frames));
        return new HostCapacity
        {
            FreeMemoryKiB = GetInfo().FreeMemoryKiB,
            FreeDomainIds = HostCapacity.DomainIds - ((IHypervisor)this).ListDomains().Count,
            FreeEventChannels = Math.Max(0, (int)(most - used)),
            GrantFrames = (int)frames, // dom0's own: Xen's limit for all whose toolstack names none
            GrantMappings = XenHost.MostGrantMappings,
        };
    }

    public uint CreateDomain(in DomainShape shape)
    {
        using var lease = Rent();
        var result = XenControl.CreateDomain(lease.Handle, Marshalled(shape), out var id);
        return result >= 0 ? id : throw lease.Failure("create", result, notes: (ErrnoText.ENOMEM, ErrorIds.InsufficientMemory));
    }

    public void SetVcpuAffinity(uint id, IReadOnlyList<IReadOnlyList<int>> cpuMap)
    {
        using var lease = Rent();
        for (var vcpu = 0; vcpu < cpuMap.Count; vcpu++)
        {
            var cpus = cpuMap[vcpu].Select(cpu => (uint)cpu).ToArray();
            var result = XenControl.SetAffinity(lease.Handle, id, (uint)vcpu, cpus, (uint)cpus.Length);
            if (result < 0) throw lease.Failure($"set the affinity of vCPU {vcpu} of", result, id, (ErrnoText.EINVAL, ErrorIds.CpuNotFound));
        }
    }

    public void SetLimits(uint id, in DomainShape shape, long maxMemoryKiB)
    {
        using var lease = Rent();
        Check(lease, "set the limits of", id, XenControl.SetLimits(lease.Handle, id, Marshalled(shape), (ulong)maxMemoryKiB));
    }

    public void SetMaxMemory(uint id, in DomainShape shape, long maxMemoryKiB)
    {
        using var lease = Rent();
        Check(lease, "set the memory limit of", id, XenControl.SetMaxMemory(lease.Handle, id, Marshalled(shape), (ulong)maxMemoryKiB));
    }

    public void SetUuid(uint id, Guid uuid)
    {
        using var lease = Rent();
        Check(lease, "set the uuid of", id, XenControl.SetUuid(lease.Handle, id, uuid.ToByteArray(bigEndian: true)));
    }

    public uint AllocateEventChannel(uint id, uint remote)
    {
        using var lease = Rent();
        return (uint)Check(lease, "allocate an event channel of", id, XenControl.AllocatePort(lease.Handle, id, remote));
    }

    public IDomainImage AllocateMemory(uint id, in DomainShape shape, long memoryKiB, in GuestPorts ports)
    {
        var lease = Rent();
        var result = XenControl.NewImage(lease.Handle, id, ForImage(shape, memoryKiB, ports), out var image);
        if (result >= 0) return new XenDomainImage(lease, image, id);
        using (lease)
        {
            // What libxenguest gives when the hypervisor has no more pages is EBUSY, ENOMEM or nothing at all.
            var errno = -result;
            throw lease.Failure("allocate the memory of", result, id, errno is ErrnoText.ESRCH or ErrnoText.EPERM ? null : (errno, ErrorIds.InsufficientMemory));
        }
    }

    public IDomainImage AdoptMemory(uint id, in DomainShape shape, long heldKiB, IReadOnlyList<FrameRun> frames, long memoryKiB, in GuestPorts ports)
    {
        var lease = Rent();
        var runs = frames.ToArray();
        var result = XenControl.AdoptImage(lease.Handle, id, ForImage(shape, memoryKiB, ports), (uint)(heldKiB / 1024), runs, (uint)runs.Length, out var image);
        if (result >= 0) return new XenDomainImage(lease, image, id);
        using (lease) throw lease.Failure("take over the memory of", result, id);
    }

    public void WritePage(uint id, ulong frame, ReadOnlySpan<byte> page)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(page.Length, 4096);
        using var lease = Rent();
        Check(lease, "write a page of", id, XenControl.WritePage(lease.Handle, id, frame, page));
    }

    public unsafe void SaveDomain(uint id, SafeFileHandle stream, ISaveControl control, CancellationToken cancellation)
    {
        using var lease = Rent();
        using var descriptor = new CancellableDescriptor(stream, cancellation);
        var calls = new SaveCalls(control, cancellation);
        var anchor = GCHandle.Alloc(calls);
        int result;
        try
        {
            result = XenControl.Save(lease.Handle, id, descriptor.Number, control.IsLive ? 1u : 0u, new NativeSaveCalls
            {
                Suspend = &SaveCalls.Suspend,
                NextRound = &SaveCalls.NextRound,
                Data = GCHandle.ToIntPtr(anchor),
            });
        }
        finally
        {
            anchor.Free();
        }

        calls.Failure?.Throw();
        if (result >= 0) return;
        if (cancellation.IsCancellationRequested) throw new LvmException(ErrorIds.OperationCancelled, "it was cancelled while its memory was being saved");
        throw lease.Failure("save", result, id, -result is ErrnoText.EPERM or ErrnoText.EACCES ? null : (-result, ErrorIds.SaveFailure));
    }

    public GuestRings RestoreDomain(uint id, in DomainShape shape, SafeFileHandle stream, in GuestPorts ports, CancellationToken cancellation)
    {
        using var lease = Rent();
        using var descriptor = new CancellableDescriptor(stream, cancellation);
        var native = Marshalled(shape);
        native.StorePort = ports.StorePort;
        native.ConsolePort = ports.ConsolePort;
        var result = XenControl.Restore(lease.Handle, id, descriptor.Number, native, out var store, out var console);
        if (result >= 0) return new GuestRings(store, console);
        if (cancellation.IsCancellationRequested) throw new LvmException(ErrorIds.OperationCancelled, "it was cancelled while its memory was being restored");
        throw lease.Failure("restore", result, id, -result switch
        {
            ErrnoText.EPERM or ErrnoText.EACCES => null,
            ErrnoText.ENOMEM => (ErrnoText.ENOMEM, ErrorIds.InsufficientMemory),
            var errno => (errno, ErrorIds.RestoreFailure),
        });
    }

    public void Resume(uint id) => Run("resume", id, XenControl.Resume);

    public bool CanSaveLive(uint id)
    {
        using var lease = Rent();
        // Without shadow page tables (Debian's Xen has none) a PV guest's writes cannot be noted: EINVAL or EOPNOTSUPP, never a reason to fail.
        return XenControl.CanLogDirty(lease.Handle, id) >= 0;
    }

    public unsafe IReadOnlyList<CpuidLeaf> GetDomainCpu(uint id)
    {
        using var lease = Rent();
        var leaves = new CpuidLeaf[MaxCpuidLeaves];
        fixed (CpuidLeaf* first = leaves) return leaves[..Check(lease, "read the CPU policy of", id, XenControl.GetDomainCpu(lease.Handle, id, first, MaxCpuidLeaves))];
    }

    public unsafe IReadOnlyList<CpuidLeaf> GetHostCpu(GuestType type)
    {
        using var lease = Rent();
        var leaves = new CpuidLeaf[MaxCpuidLeaves];
        fixed (CpuidLeaf* first = leaves)
        {
            var count = XenControl.GetHostCpu(lease.Handle, type == GuestType.PV ? 0u : 1u, first, MaxCpuidLeaves);
            return count >= 0 ? leaves[..count] : throw lease.Failure("read the CPU policy of the host", count);
        }
    }

    public void Pause(uint id) => Run("pause", id, XenControl.Pause);

    public void Unpause(uint id) => Run("unpause", id, XenControl.Unpause);

    public void Shutdown(uint id, ShutdownReason reason) => Run("shut down", id, (handle, domain) => XenControl.Shutdown(handle, domain, (uint)reason));

    public void Destroy(uint id)
    {
        using var lease = Rent();
        var result = XenControl.Destroy(lease.Handle, id);
        if (result < 0 && result != -ErrnoText.ESRCH) throw lease.Failure("destroy", result, id);
    }

    void IDeviceLists.Add(uint domain, DeviceEntry device) =>
        CallDeviceList("list a device of", domain, new DeviceListCall { Command = DeviceListCommand.Add, Added = device });

    void IDeviceLists.Remove(uint domain, DeviceEntry device) =>
        CallDeviceList("unlist a device of", domain, new DeviceListCall { Command = DeviceListCommand.Remove, Removed = new DeviceListKey { Type = device.Type, Backend = device.Backend, Frontend = (ushort)domain, Id = device.Id } });

    IReadOnlyList<DeviceEntry> IDeviceLists.List(uint domain)
    {
        var call = CallDeviceList("list the devices of", domain, new DeviceListCall { Command = DeviceListCommand.List });
        return ((ReadOnlySpan<DeviceEntry>)call.Entries)[..(int)Math.Min(call.Count, DevicePage.MaxDevices)].ToArray();
    }

    public void Dispose()
    {
        _disposed = true;
        while (_idle.TryTake(out var handle)) handle.Dispose();
    }

    private static XenControlHandle OpenHandle()
    {
        var abi = NativeLibraries.Require(XenControl.GetAbiVersion);
        if (abi != XenControl.AbiVersion) throw new LvmException(ErrorIds.XenLibraryMismatch, $"liblightvm-xen speaks version {abi} of its interface, and version {XenControl.AbiVersion} is needed");
        var result = XenControl.Open(out var handle);
        if (result >= 0) return handle;
        var id = -result is ErrnoText.EACCES or ErrnoText.EPERM ? ErrorIds.XenNotPrivileged : ErrorIds.XenNotRunning;
        throw new LvmException(id, "the hypervisor cannot be opened") { Operation = "connect to Xen", Errno = -result };
    }

    private static unsafe NativeShape Marshalled(in DomainShape shape)
    {
        var native = new NativeShape
        {
            Type = shape.Type == GuestType.PVH ? 1u : 0u,
            AddressSize = (uint)shape.AddressSize,
            Vcpus = (uint)shape.MaxVcpus,
        };
        shape.Uuid.TryWriteBytes(new Span<byte>(native.Uuid, 16), bigEndian: true, out _);
        return native;
    }

    private static NativeShape ForImage(in DomainShape shape, long memoryKiB, in GuestPorts ports) => Marshalled(shape) with
    {
        MemoryMiB = (uint)(memoryKiB / 1024),
        StorePort = ports.StorePort,
        ConsolePort = ports.ConsolePort,
    };

    private static unsafe DomainInfo Describe(NativeDomain entry)
    {
        var flags = entry.Flags;
        ShutdownReason? reason = (flags & FlagShutdown) != 0 ? (ShutdownReason)(flags >> ShutdownShift & 0xff) : null;
        return new DomainInfo
        {
            Key = new DomainKey(entry.Id, new Guid(new ReadOnlySpan<byte>(entry.Uuid, 16), bigEndian: true)),
            Type = (flags & FlagHvm) == 0 ? GuestType.PV : entry.HasEmulatedDevices != 0 ? GuestType.HVM : GuestType.PVH,
            State = flags switch
            {
                _ when (flags & FlagDying) != 0 => DomainState.Dying,
                _ when reason == ShutdownReason.Crash => DomainState.Crashed,
                _ when reason is not null => DomainState.Shutdown,
                _ when (flags & FlagPaused) != 0 => DomainState.Paused,
                _ when (flags & FlagRunning) != 0 => DomainState.Running,
                _ when (flags & FlagBlocked) != 0 => DomainState.Blocked,
                _ => DomainState.Runnable,
            },
            ShutdownReason = reason,
            OnlineVcpus = (int)entry.OnlineVcpus,
            MaxVcpus = (int)entry.MaxVcpus,
            MemoryKiB = (long)entry.MemoryKiB,
            MaxMemoryKiB = entry.MaxMemoryKiB > long.MaxValue ? long.MaxValue : (long)entry.MaxMemoryKiB,
            CpuTime = TimeSpan.FromTicks((long)(entry.CpuTimeNs / 100)),
        };
    }

    private static int Check(in Lease lease, string operation, uint id, int result) =>
        result >= 0 ? result : throw lease.Failure(operation, result, id);

    private DeviceListCall CallDeviceList(string operation, uint domain, DeviceListCall call)
    {
        using var lease = Rent();
        call.Version = DeviceListCall.CurrentVersion;
        call.Domain = (ushort)domain;
        Check(lease, operation, domain, XenControl.CallDeviceList(lease.Handle, ref call));
        return call;
    }

    private void Run(string operation, uint id, Func<XenControlHandle, uint, int> call)
    {
        using var lease = Rent();
        Check(lease, operation, id, call(lease.Handle, id));
    }

    private int GetRunningVersion()
    {
        using var lease = Rent();
        var result = XenControl.GetHost(lease.Handle, out var host);
        // The version is asked for first and by an interface that never changes; what fails after it is the unstable rest.
        if (host.VersionMajor != 0) return (int)(host.VersionMajor * 100 + host.VersionMinor);
        throw lease.Failure("ask the hypervisor about itself", result);
    }

    private Lease Rent()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new Lease(this, _idle.TryTake(out var handle) ? handle : OpenHandle());
    }

    /// <summary>The use of one handle, from a clean log to its return.</summary>
    private readonly struct Lease : IDisposable
    {
        private readonly XenHypervisor _owner;

        public Lease(XenHypervisor owner, XenControlHandle handle)
        {
            _owner = owner;
            Handle = handle;
            XenControl.ClearLog(handle);
        }

        public XenControlHandle Handle { get; }

        /// <summary>What a failed call means: its errno decides, with what the caller adds to the general meaning.</summary>
        public LvmException Failure(string operation, int result, uint? id = null, (int Errno, string ErrorId)? notes = null)
        {
            var errno = -result;
            var errorId = notes is { } note && note.Errno == errno ? note.ErrorId : errno switch
            {
                ErrnoText.ESRCH when id is not null => ErrorIds.DomainGone,
                ErrnoText.EPERM or ErrnoText.EACCES => ErrorIds.XenNotPrivileged,
                _ => ErrorIds.HypervisorFailure,
            };
            var log = Marshal.PtrToStringUTF8(XenControl.GetLog(Handle));
            return new LvmException(errorId, id is null ? $"the hypervisor refused to {operation}" : $"the hypervisor refused to {operation} domain {id}")
            {
                Errno = result == XenControl.NoErrno ? null : errno,
                HypervisorLog = string.IsNullOrEmpty(log) ? null : log,
            };
        }

        public void Dispose()
        {
            if (_owner._disposed) Handle.Dispose();
            else _owner._idle.Add(Handle);
        }
    }

    /// <summary>What libxc calls while it saves. Exceptions must not cross it: they are kept for its caller.</summary>
    private sealed class SaveCalls(ISaveControl control, CancellationToken cancellation)
    {
        private const int Abort = -1;

        public ExceptionDispatchInfo? Failure { get; private set; }

        [UnmanagedCallersOnly]
        public static int Suspend(IntPtr data) => Of(data).Guarded(calls =>
        {
            calls.Suspend();
            return 0;
        });

        [UnmanagedCallersOnly]
        public static int NextRound(IntPtr data, uint round, ulong sent, long dirty) => Of(data).Guarded(calls =>
            (int)calls.Decide(new SaveProgress((int)round, (long)sent, dirty < 0 ? null : dirty)));

        private static SaveCalls Of(IntPtr data) => (SaveCalls)GCHandle.FromIntPtr(data).Target!;

        private int Guarded(Func<ISaveControl, int> call)
        {
            try
            {
                if (cancellation.IsCancellationRequested) throw new LvmException(ErrorIds.OperationCancelled, "it was cancelled while its memory was being saved");
                return call(control);
            }
            catch (Exception error)
            {
                Failure = ExceptionDispatchInfo.Capture(error);
                return Abort;
            }
        }
    }

    private sealed class XenDomainImage(Lease lease, XenImageHandle image, uint id) : IDomainImage
    {
        // libxenguest keeps pointers into both until the image is freed.
        private MemoryHandle _kernel;
        private MemoryHandle _ramdisk;
        private bool _freed;

        public IReadOnlyList<FrameRun> Frames
        {
            get
            {
                var runs = new FrameRun[XenControl.GetFrames(image, [], 0)];
                _ = XenControl.GetFrames(image, runs, (uint)runs.Length);
                return runs;
            }
        }

        public unsafe void Parse(ReadOnlyMemory<byte> kernel, ReadOnlyMemory<byte> ramdisk, string commandLine)
        {
            _kernel = kernel.Pin();
            _ramdisk = ramdisk.Pin();
            var result = XenControl.ParseImage(image, _kernel.Pointer, (nuint)kernel.Length, _ramdisk.Pointer, (nuint)ramdisk.Length, commandLine);
            Check("read the kernel of", result, ErrorIds.KernelInvalid);
        }

        public void Build() => Check("load the kernel of", XenControl.BuildImage(image), ErrorIds.MemoryTooSmall);

        public GuestRings Boot()
        {
            var result = XenControl.BootImage(image, out var store, out var console);
            Check("set up the first vCPU of", result, ErrorIds.MemoryTooSmall);
            return new GuestRings(store, console);
        }

        public void SeedGrants() => Check("seed the grant table of", XenControl.SeedGrants(image), ErrorIds.HypervisorFailure);

        public void Dispose()
        {
            if (_freed) return;
            _freed = true;
            image.Dispose();
            _kernel.Dispose();
            _ramdisk.Dispose();
            lease.Dispose();
        }

        /// <summary>libxenguest mostly fails without an errno; which step failed says what it means.</summary>
        private void Check(string operation, int result, string meaning)
        {
            if (result >= 0) return;
            throw lease.Failure(operation, result, id, -result is ErrnoText.ESRCH or ErrnoText.EPERM or ErrnoText.EACCES ? null : (-result, meaning));
        }
    }
}
