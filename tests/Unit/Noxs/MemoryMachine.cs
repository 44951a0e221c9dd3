using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Host.Noxs;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>Xen's pages and ports, a worker and a host in memory: what a backend does can be seen from the guests' side, and nothing is left out.</summary>
internal sealed unsafe class MemoryMachine : IGuestAccess, IWorker, INoxsHost, IConsoleOutput, IDiskThreads, IDisposable
{
    private readonly NetFrames _frames = new();
    private readonly DiskBuffers _buffers = new();
    private readonly Dictionary<IntPtr, (ushort Domain, uint Grant)> _mapped = [];
    private readonly Dictionary<uint, IEventTarget> _listeners = [];
    private readonly Dictionary<ulong, (int File, IEventTarget Target, bool Wanted)> _watches = [];
    private readonly List<IEventTarget> _again = [];
    private readonly List<IntPtr> _allocated = [];
    private readonly Queue<Action> _held = new();
    private uint _nextPort = 1;
    private ulong _nextWatch = 2;

    public MemoryMachine()
    {
        Log = new DaemonLog(Messages);
        Service = new NoxsService(this, Log);
    }

    public StringWriter Messages { get; } = new();

    public DaemonLog Log { get; }

    public NoxsService Service { get; }

    public HashSet<ushort> Domains { get; } = [7, 8];

    /// <summary>Pages that guests grant, by domain and reference.</summary>
    public Dictionary<(ushort Domain, uint Grant), IntPtr> Granted { get; } = [];

    /// <summary>Pages of the backend, by reference.</summary>
    public Dictionary<uint, SharedPage> Shared { get; } = [];

    /// <summary>Pages that can be shared at once.</summary>
    public int MostShared { get; set; } = int.MaxValue;

    /// <summary>Ports that can be offered yet.</summary>
    public int PortsLeft { get; set; } = int.MaxValue;

    /// <summary>Ports of the backend that are open.</summary>
    public HashSet<uint> Ports { get; } = [];

    /// <summary>Ports that guests offer, and those of the backend that were bound to them.</summary>
    public Dictionary<(ushort Domain, uint Port), uint> Offered { get; } = [];

    /// <summary>How often the backend has notified each of its ports.</summary>
    public Dictionary<uint, int> Notified { get; } = [];

    public Dictionary<string, MemoryTap> Taps { get; } = [];

    public Dictionary<ushort, MemoryStream> Written { get; } = [];

    public Dictionary<ushort, IReadOnlyList<DeviceRecord>> Notes { get; } = [];

    /// <summary>Whether there is no room for notes.</summary>
    public bool FailsNotes { get; set; }

    /// <summary>Whether what guests have written cannot be closed.</summary>
    public bool FailsConsoles { get; set; }

    public bool FailsInterfaces { get; set; }

    /// <summary>Whether interfaces wait to be made.</summary>
    public bool HoldsInterfaces { get; set; }

    /// <summary>Disks of the host, by the minor numbers of devices that do not exist otherwise.</summary>
    public Dictionary<uint, MemoryDisk> Disks { get; } = [];

    /// <summary>What disks have been asked to do.</summary>
    public Queue<IDiskWork> DiskWork { get; } = new();

    public int FreeBuffers => _buffers.Free;

    public int Mapped => _mapped.Count;

    public int Watches => _watches.Count;

    public IGuestAccess Access => this;

    public object Lock { get; } = new();

    public IConsoleOutput ConsoleOutput => this;

    public IntPtr NewPage()
    {
        var page = (IntPtr)NativeMemory.AlignedAlloc(DevicePage.Size, DevicePage.Size);
        new Span<byte>((void*)page, DevicePage.Size).Clear();
        _allocated.Add(page);
        return page;
    }

    /// <summary>A port of the backend has an event, which its device sees to.</summary>
    public void Fire(uint port)
    {
        if (_listeners.TryGetValue(port, out var target)) Serve(target, () => target.OnPort(port));
        TakeTurns();
    }

    /// <summary>A port of the backend has an event, and its device one turn.</summary>
    public void FireOnce(uint port) => _listeners[port].OnPort(port);

    /// <summary>The one file that is watched can be read; whether anybody wants to know.</summary>
    public bool Ready()
    {
        var watch = Assert.Single(_watches.Values);
        if (watch.Wanted) watch.Target.OnFile(false);
        return watch.Wanted;
    }

    /// <summary>What is left when the process of a backend has died: pages and ports, which another process keeps.</summary>
    public MemoryMachine Successor()
    {
        var next = new MemoryMachine { _nextPort = _nextPort };
        foreach (var (key, page) in Granted) next.Granted[key] = page;
        foreach (var (key, page) in Shared) next.Shared[key] = page;
        foreach (var (key, port) in Offered) next.Offered[key] = port;
        foreach (var (key, disk) in Disks) next.Disks[key] = disk.Again();
        next.Ports.UnionWith(Ports);
        return next;
    }

    /// <summary>Whatever can be read is told of, until nobody wants to know any more.</summary>
    public void Settle()
    {
        for (var rounds = 0; rounds < 1000; rounds++)
        {
            TakeTurns();
            while (DiskWork.TryDequeue(out var work)) work.Do();
            if (_again.Count > 0) continue;
            var ready = _watches.Values.Where(watch => watch.Wanted && Taps.Values.Any(tap => tap.File == watch.File && tap.ToGuest.Count > 0)).ToList();
            if (ready.Count == 0) return;
            foreach (var watch in ready) Serve(watch.Target, () => watch.Target.OnFile(false));
        }
    }

    /// <summary>Nothing is left of any device.</summary>
    public void AssertEmpty()
    {
        Assert.Empty(Shared);
        Assert.Empty(Ports);
        Assert.Empty(_mapped);
        Assert.Empty(_listeners);
        Assert.Empty(_watches);
        Assert.Empty(Taps);
        Assert.Empty(Notes);
        Assert.All(Disks.Values, disk => Assert.False(disk.IsOpen));
        Assert.Equal(4 * VbdDevice.Slots, FreeBuffers);
        if (!FailsConsoles) Assert.DoesNotContain("could not be freed", Messages.ToString(), StringComparison.Ordinal);
    }

    public void Share(ushort domain, Span<SharedPage> pages)
    {
        if (Shared.Count + pages.Length > MostShared) throw new LvmException(ErrorIds.GrantsExhausted, "no page is left");
        foreach (ref var page in pages)
        {
            var grant = (uint)Random.Shared.Next(100, int.MaxValue);
            page = Shared[grant] = new SharedPage(NewPage(), grant * 4096ul, grant);
        }
    }

    public void Unshare(in SharedPage page) => Assert.True(Shared.Remove(page.Grant));

    public IntPtr Map(ushort domain, uint grant)
    {
        if (!Granted.TryGetValue((domain, grant), out var page)) return 0;
        // The same page may be mapped several times, at addresses of their own; here they would be one.
        if (!_mapped.TryAdd(page, (domain, grant))) return 0;
        return page;
    }

    public void Unmap(IntPtr page) => Assert.True(_mapped.Remove(page));

    public void Copy(Span<GrantCopy> copies)
    {
        foreach (ref var copy in copies)
        {
            var place = copy.Flags == GrantCopy.FromGuest ? copy.Source : copy.Destination;
            int offset = (ushort)(place >> 32), length = copy.Length;
            Assert.True(offset + length <= DevicePage.Size);
            if (!Granted.TryGetValue(((ushort)(place >> 48), (uint)place), out var page))
            {
                copy.Status = -3;
                continue;
            }

            var guest = new Span<byte>((byte*)page + offset, length);
            if (copy.Flags == GrantCopy.FromGuest) guest.CopyTo(new Span<byte>((void*)copy.Destination, length));
            else new Span<byte>((void*)copy.Source, length).CopyTo(guest);
            copy.Status = 0;
        }
    }

    public uint OfferPort(ushort domain)
    {
        if (PortsLeft-- == 0) throw new LvmException(ErrorIds.EventChannelsExhausted, "no port is left");
        Ports.Add(_nextPort);
        return _nextPort++;
    }

    public uint BindPort(ushort domain, uint port)
    {
        if (!Offered.TryGetValue((domain, port), out var local) || local != 0) return 0;
        Ports.Add(_nextPort);
        return Offered[(domain, port)] = _nextPort++;
    }

    public void ClosePort(uint port)
    {
        Assert.True(Ports.Remove(port));
        foreach (var (offer, _) in Offered.Where(offer => offer.Value == port).ToList()) Offered[offer] = 0;
    }

    public void Notify(uint port)
    {
        Assert.Contains(port, Ports);
        Notified[port] = Notified.GetValueOrDefault(port) + 1;
    }

    public void Listen(uint port, IEventTarget target) => _listeners[port] = target;

    public void Ignore(uint port) => _listeners.Remove(port);

    public ulong Watch(int file, IEventTarget target)
    {
        _watches.Add(_nextWatch, (file, target, true));
        return _nextWatch++;
    }

    public void Want(int file, ulong watch, bool wanted) => _watches[watch] = _watches[watch] with { Wanted = wanted };

    public void Unwatch(int file, ulong watch) => _watches.Remove(watch);

    public void Again(IEventTarget target) => _again.Add(target);

    public bool Exists(ushort domain) => Domains.Contains(domain);

    public IWorker ChooseWorker() => this;

    public NetFrames FramesOf(IWorker worker) => _frames;

    public bool IsBridge(string name) => name == "xenbr0";

    public void MakeInterface(ushort domain, string name, string? bridge, Action<ITap> done, Action<LvmException> failed)
    {
        if (HoldsInterfaces) _held.Enqueue(Make);
        else Make();

        void Make()
        {
            if (FailsInterfaces) failed(new LvmException(ErrorIds.DeviceFailure, "no more interfaces"));
            else done(Taps[name] = new MemoryTap(1000 + Taps.Count));
        }
    }

    /// <summary>Makes the interfaces that were held back.</summary>
    public void MakeHeld()
    {
        HoldsInterfaces = false;
        while (_held.TryDequeue(out var make)) make();
    }

    public void RemoveInterface(ushort domain, string name) => Taps.Remove(name);

    public IDisk OpenDisk(in VbdSettings settings, int process) => Disks.TryGetValue(settings.Minor, out var disk)
        ? disk.Open(settings.Mode)
        : throw new LvmException(ErrorIds.DiskNotFound, "no such disk") { Errno = ErrnoText.ENODEV };

    public IDisk ReopenDisk(in VbdSettings settings, DiskIdentity identity, string path)
    {
        Assert.Equal($"/memory/{settings.Minor}", path);
        var disk = (MemoryDisk)OpenDisk(settings, 0);
        Assert.Equal(disk.Identity, identity);
        return disk;
    }

    public IDiskThreads DiskThreads => this;

    public DiskBuffers BuffersOf(IWorker worker) => _buffers;

    void IDiskThreads.Add(IDiskWork work) => DiskWork.Enqueue(work);

    public void Later(ushort domain, Action work) => work();

    public void Hurry(ushort domain)
    {
    }

    public string InputOf(ushort domain) => Path.Combine(Path.GetTempPath(), $"lightvm-input-{Environment.ProcessId}-{domain}");

    public void Note(ushort domain, IWorker worker, IReadOnlyList<DeviceRecord> devices)
    {
        if (devices.Count == 0) Notes.Remove(domain);
        else if (FailsNotes) throw new LvmException(ErrorIds.HostFileFailure, "no room") { Errno = ErrnoText.ENOSPC };
        else Notes[domain] = devices.Select(device => DeviceRecord.Read(device.Write())!).ToList();
    }

    void IConsoleOutput.Write(ushort domain, ReadOnlySpan<byte> bytes)
    {
        if (!Written.TryGetValue(domain, out var stream)) Written[domain] = stream = new MemoryStream();
        stream.Write(bytes);
    }

    void IConsoleOutput.Close(ushort domain)
    {
        if (FailsConsoles) throw new IOException("no console");
    }

    public void Dispose()
    {
        foreach (var page in _allocated) NativeMemory.AlignedFree((void*)page);
        _frames.Dispose();
        _buffers.Dispose();
        Log.Dispose();
    }

    private void TakeTurns()
    {
        for (var rounds = 0; _again.Count > 0 && rounds < 1000; rounds++)
        {
            var turn = _again.ToList();
            _again.Clear();
            foreach (var target in turn) Serve(target, target.OnTurn);
        }
    }

    private static void Serve(IEventTarget target, Action work)
    {
        _ = target;
        work(); // what is thrown is a failure of the test: a guest must not cause it
    }
}

/// <summary>The host's end of an interface: what the guest sent, and what waits for it.</summary>
internal sealed unsafe class MemoryTap(int file) : ITap
{
    public int File => file;

    public List<byte[]> FromGuest { get; } = [];

    public Queue<byte[]> ToGuest { get; } = new();

    public bool IsClosed { get; private set; }

    /// <summary>What may be left to do with frames for the guest, and what is.</summary>
    public Offloads MayLeave { get; private set; }

    public Unfinished Left { get; set; }

    /// <summary>What is left to do with the frames that were sent.</summary>
    public List<Unfinished> LeftByGuest { get; } = [];

    public void Leave(Offloads offloads) => MayLeave = offloads;

    public int Read(byte* buffer, int size, out Unfinished left)
    {
        left = Left;
        Assert.False(IsClosed);
        if (!ToGuest.TryDequeue(out var frame)) return 0;
        var length = Math.Min(frame.Length, size);
        frame.AsSpan(0, length).CopyTo(new Span<byte>(buffer, size));
        return length;
    }

    public void Write(byte* frame, int length, in Unfinished left)
    {
        Assert.False(IsClosed);
        LeftByGuest.Add(left);
        FromGuest.Add(new ReadOnlySpan<byte>(frame, length).ToArray());
    }

    public void Close() => IsClosed = true;
}

/// <summary>A disk in memory, which can fail and be away.</summary>
internal sealed unsafe class MemoryDisk(uint number, int sectors, uint sectorSize = 512, bool canDiscard = true) : IDisk
{
    private VbdMode _mode;

    public byte[] Content { get; private init; } = new byte[sectors * 512];

    public bool IsOpen { get; private set; }

    /// <summary>Sectors that cannot be read nor written.</summary>
    public HashSet<long> Bad { get; } = [];

    public List<(char What, long Offset, long Length)> Done { get; } = [];

    public DiskShape Shape => new((ulong)(Content.Length / 512), sectorSize, 4096, _mode == VbdMode.ReadOnly, canDiscard && _mode != VbdMode.ReadOnly ? 4096u : 0);

    public DiskIdentity Identity => DiskIdentity.OfDevice(9, number);

    public string Path => $"/memory/{number}";

    public MemoryDisk Open(VbdMode mode)
    {
        (IsOpen, _mode) = (true, mode);
        return this;
    }

    /// <summary>The same disk, which nobody has open.</summary>
    public MemoryDisk Again() => new(number, sectors, sectorSize, canDiscard) { Content = Content };

    public int Read(Span<SystemCalls.Piece> pieces, long offset) => Transfer('r', pieces, offset, isWrite: false);

    public int Write(Span<SystemCalls.Piece> pieces, long offset)
    {
        Assert.Equal(VbdMode.ReadWrite, _mode);
        return Transfer('w', pieces, offset, isWrite: true);
    }

    public int Flush()
    {
        Done.Add(('f', 0, 0));
        return 0;
    }

    public int Discard(long offset, long length)
    {
        Done.Add(('d', offset, length));
        Content.AsSpan((int)offset, (int)length).Clear();
        return 0;
    }

    public void Close() => IsOpen = false;

    private int Transfer(char what, Span<SystemCalls.Piece> pieces, long offset, bool isWrite)
    {
        Assert.True(IsOpen);
        var begin = offset;
        foreach (var piece in pieces)
        {
            if (Bad.Any(sector => sector * 512 >= offset && sector * 512 < offset + (long)piece.Length)) return LightVM.Linux.Libc.EIO;
            var here = Content.AsSpan((int)offset, (int)piece.Length);
            if (isWrite) new Span<byte>(piece.Start, (int)piece.Length).CopyTo(here);
            else here.CopyTo(new Span<byte>(piece.Start, (int)piece.Length));
            offset += (long)piece.Length;
        }

        Done.Add((what, begin, offset - begin));
        return 0;
    }
}
