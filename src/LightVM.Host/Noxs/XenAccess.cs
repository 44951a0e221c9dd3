using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Linux;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>
/// Pages and ports by the devices of Linux: /dev/xen/gntalloc, gntdev and evtchn (include/uapi/xen). One object a worker: the ports are those
/// of its file of event channels. Its members are called under the worker's lock.
/// </summary>
internal sealed unsafe class XenAccess : IGuestAccess, IDisposable
{
    private const nuint AllocateGrant = 0x184705;
    private const nuint FreeGrant = 0x104706;
    private const nuint MapGrant = 0x184700;
    private const nuint UnmapGrant = 0x104701;
    private const nuint CopyGrants = 0x104708;
    private const nuint BindVirq = 0x044500;
    private const nuint BindInterdomain = 0x084501;
    private const nuint BindUnbound = 0x044502;
    private const nuint Unbind = 0x044503;
    private const nuint Send = 0x044504;
    private const ushort Writable = 1;
    private const int PageSize = DevicePage.Size;
    private const int EMFILE = 24;

    private readonly Dictionary<IntPtr, ulong> _mapped = [];
    private readonly int _grants;
    private readonly int _maps;

    /// <param name="grants">The file of granted pages, which all workers have in common.</param>
    /// <param name="ports">The file of event channels.</param>
    public XenAccess(int grants, int ports)
    {
        _grants = grants;
        PortFile = ports;
        _maps = Open("/dev/xen/gntdev", Libc.OpenCloseOnExec);
    }

    /// <summary>What to read for ports that had an event.</summary>
    public int PortFile { get; }

    /// <summary>Opens a file of granted pages; processes that are started from here have it as well.</summary>
    public static int OpenGrants() => Open("/dev/xen/gntalloc", 0);

    /// <inheritdoc cref="OpenGrants"/>
    public static int OpenPorts() => Open("/dev/xen/evtchn", Libc.OpenNonBlocking);

    /// <summary>A port that has an event when a domain ended (VIRQ_DOM_EXC), which only one process can have; an errno where another has.</summary>
    public static (uint Port, int Errno) BindDomainEvents(int ports)
    {
        uint virq = 3;
        var port = SystemCalls.Control(ports, BindVirq, &virq);
        return port >= 0 ? ((uint)port, 0) : (0, Marshal.GetLastPInvokeError());
    }

    public void Share(ushort domain, Span<SharedPage> pages)
    {
        Span<byte> bytes = stackalloc byte[sizeof(AllocateArgument) + Math.Max(0, pages.Length - 1) * sizeof(uint)];
        bytes.Clear();
        ref var argument = ref MemoryMarshal.AsRef<AllocateArgument>(bytes);
        (argument.Domain, argument.Flags, argument.Count) = (domain, Writable, (uint)pages.Length);
        int result;
        fixed (byte* first = bytes) result = SystemCalls.Control(_grants, AllocateGrant, first);
        if (result != 0)
        {
            var errno = Marshal.GetLastPInvokeError();
            throw new LvmException(errno == ErrnoText.ENOSPC ? ErrorIds.GrantsExhausted : ErrorIds.NoxsFailure, $"no page can be granted to domain {domain}") { Errno = errno };
        }

        // The driver goes through all that it has granted to find what is mapped.
        var address = SystemCalls.Map(0, (nuint)pages.Length * PageSize, SystemCalls.ProtectRead | SystemCalls.ProtectWrite, SystemCalls.MapShared, _grants, (long)argument.Index);
        if (address == SystemCalls.MapFailed)
        {
            var errno = Marshal.GetLastPInvokeError();
            Free(argument.Index, pages.Length);
            throw new LvmException(ErrorIds.NoxsFailure, $"pages granted to domain {domain} cannot be mapped") { Errno = errno };
        }

        new Span<byte>((void*)address, pages.Length * PageSize).Clear();
        var grants = MemoryMarshal.Cast<byte, uint>(bytes[(int)Marshal.OffsetOf<AllocateArgument>(nameof(AllocateArgument.Grant))..]);
        for (var i = 0; i < pages.Length; i++) pages[i] = new SharedPage(address + i * PageSize, argument.Index + (ulong)(i * PageSize), grants[i]);
    }

    /// <summary>A page that an earlier process allocated; null where it is not there any more.</summary>
    public SharedPage? Adopt(ulong index, uint grant)
    {
        var address = SystemCalls.Map(0, PageSize, SystemCalls.ProtectRead | SystemCalls.ProtectWrite, SystemCalls.MapShared, _grants, (long)index);
        return address == SystemCalls.MapFailed ? null : new SharedPage(address, index, grant);
    }

    public void Unshare(in SharedPage page)
    {
        _ = SystemCalls.Unmap(page.Address, PageSize); // of pages that were mapped at once, the driver keeps each until all are unmapped
        Free(page.Index, 1);
    }

    public IntPtr Map(ushort domain, uint grant)
    {
        var argument = new MapArgument { Count = 1, Domain = domain, Grant = grant };
        if (SystemCalls.Control(_maps, MapGrant, &argument) != 0) return 0;
        var address = SystemCalls.Map(0, PageSize, SystemCalls.ProtectRead | SystemCalls.ProtectWrite, SystemCalls.MapShared, _maps, (long)argument.Index);
        if (address == SystemCalls.MapFailed)
        {
            Forget(argument.Index);
            return 0;
        }

        _mapped.Add(address, argument.Index);
        return address;
    }

    public void Unmap(IntPtr page)
    {
        if (!_mapped.Remove(page, out var index)) return;
        _ = SystemCalls.Unmap(page, PageSize);
        Forget(index);
    }

    public void Copy(Span<GrantCopy> copies)
    {
        fixed (GrantCopy* first = copies)
        {
            var argument = new CopyArgument { Count = (uint)copies.Length, Copies = first };
            if (SystemCalls.Control(_maps, CopyGrants, &argument) == 0) return;
        }

        foreach (ref var copy in copies) copy.Status = short.MinValue; // not one of them was done
    }

    public uint OfferPort(ushort domain)
    {
        uint argument = domain;
        var port = SystemCalls.Control(PortFile, BindUnbound, &argument);
        if (port > 0) return (uint)port;
        var errno = Marshal.GetLastPInvokeError();
        throw new LvmException(errno is ErrnoText.ENOSPC or EMFILE ? ErrorIds.EventChannelsExhausted : ErrorIds.NoxsFailure, $"no event channel can be offered to domain {domain}") { Errno = errno };
    }

    public uint BindPort(ushort domain, uint port)
    {
        var argument = ((ulong)port << 32) | domain;
        var bound = SystemCalls.Control(PortFile, BindInterdomain, &argument);
        return bound > 0 ? (uint)bound : 0;
    }

    public void ClosePort(uint port)
    {
        if (port != 0) _ = SystemCalls.Control(PortFile, Unbind, &port);
    }

    public void Notify(uint port) => _ = SystemCalls.Control(PortFile, Send, &port);

    public void Dispose()
    {
        foreach (var page in _mapped.Keys.ToList()) Unmap(page);
        _ = Libc.Close(_maps);
        _ = Libc.Close(PortFile);
    }

    private static int Open(string path, int flags)
    {
        var file = Libc.Open(path, Libc.OpenReadWrite | flags);
        if (file >= 0) return file;
        throw new LvmException(ErrorIds.ServiceFailure, $"'{path}' cannot be opened; the kernel's module for it has to be loaded (modprobe xen-{Path.GetFileName(path)})") { Errno = Marshal.GetLastPInvokeError() };
    }

    private void Free(ulong index, int count)
    {
        var argument = new FreeArgument { Index = index, Count = (uint)count };
        _ = SystemCalls.Control(_grants, FreeGrant, &argument);
    }

    private void Forget(ulong index)
    {
        var argument = new FreeArgument { Index = index, Count = 1 };
        _ = SystemCalls.Control(_maps, UnmapGrant, &argument);
    }

    /// <summary>struct ioctl_gntalloc_alloc_gref. The references of further pages follow.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct AllocateArgument
    {
        public ushort Domain;
        public ushort Flags;
        public uint Count;
        public ulong Index;
        public uint Grant;
    }

    /// <summary>struct ioctl_gntalloc_dealloc_gref, and ioctl_gntdev_unmap_grant_ref.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct FreeArgument
    {
        public ulong Index;
        public uint Count;
    }

    /// <summary>struct ioctl_gntdev_map_grant_ref.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct MapArgument
    {
        public uint Count;
        public uint Padding;
        public ulong Index;
        public uint Domain;
        public uint Grant;
    }

    /// <summary>struct ioctl_gntdev_grant_copy.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct CopyArgument
    {
        public uint Count;
        public GrantCopy* Copies;
    }
}
