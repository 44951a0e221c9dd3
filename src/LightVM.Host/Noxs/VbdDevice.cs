using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Linux;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>
/// A guest's disk: Xen's block ring (xen/io/blkif.h) to a file or a block device. Data is copied by the hypervisor, so that nothing of the guest's
/// is mapped but the ring. Disks are waited for by other threads; requests are answered in their order (<see cref="BackRing"/>), and those that were not, when
/// this daemon dies, are done once more by the next: to the guest, a write that was not answered may or may not have been done.
/// </summary>
internal sealed unsafe class VbdDevice : ControlledDevice
{
    /// <summary>Of a ring of one page.</summary>
    public const int Slots = 32;

    /// <summary>Threads that one disk has at once, so that one that hangs leaves some for the others.</summary>
    private const int MostRunning = 8;

    /// <summary>Requests that one thread does before it tells of them; read and written in one go, where they follow each other.</summary>
    private const int MostJoined = 8;

    /// <summary>How often it may take requests before others have their turn.</summary>
    private const int MostRounds = 4;

    private const uint ReadOnlyInfo = 4; // VDISK_READONLY of blkif.h

    /// <summary>How long a device that is removed waits for its disk.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly VbdSettings _settings;
    private readonly IDisk? _disk;
    private readonly IDiskThreads _threads;
    private readonly DiskBuffers _buffers;
    private readonly Queue<VbdRequest> _waiting = [];
    private VbdRequest[]? _requests; // null while it is not connected
    private IntPtr _ringPage;
    private BackRing _ring;
    private PortPair _ringPort;
    private int _running;
    private bool _isQuiet;
    private bool _isRemoved;

    /// <param name="disk">Becomes this one's. Null where an earlier daemon had one that is not there any more: the guest is told, when it looks.</param>
    public VbdDevice(IWorker worker, ushort domain, uint id, DaemonLog log, in SharedPage page, uint port, in VbdSettings settings, IDisk? disk, IDiskThreads threads, DiskBuffers buffers)
        : base(worker, domain, id, log, page, port)
    {
        _settings = settings;
        _disk = disk;
        _threads = threads;
        _buffers = buffers;
    }

    public override DeviceType Type => DeviceType.Vbd;

    public ref readonly VbdSettings Settings => ref _settings;

    private VbdPage* Page => (VbdPage*)Control;

    private Answering* Journal => (Answering*)((byte*)Control + DevicePage.Size - sizeof(Answering));

    /// <summary>Whether it keeps others from a use of what is behind it.</summary>
    public bool Excludes(DiskIdentity disk, VbdMode mode) => _disk?.Identity == disk && (mode == VbdMode.ReadWrite || _settings.Mode == VbdMode.ReadWrite);

    /// <summary>The port that an earlier daemon had bound.</summary>
    public void Adopt(PortPair ring) => _ringPort = ring;

    public override void OnPort(uint port)
    {
        base.OnPort(port);
        Serve();
    }

    public override void OnTurn() => Serve();

    public override DeviceRecord Record() => base.Record() with { First = _ringPort, Settings = VbdNote.Write(_settings, _disk) };

    public override void Remove()
    {
        _isRemoved = _isQuiet = true;
        for (var begin = Stopwatch.GetTimestamp(); _running > 0;)
        {
            var left = Patience - Stopwatch.GetElapsedTime(begin);
            if (left <= TimeSpan.Zero || !Monitor.Wait(Worker.Lock, left))
            {
                Log.Error($"{Name}: '{_disk?.Path}' has not answered for {Patience.TotalSeconds} s; the device is removed, and what it was writing may still be written");
                break;
            }
        }

        base.Remove();
        CloseWhenIdle();
    }

    protected override void Fill()
    {
        if (_disk is null) return;
        var disk = _disk.Shape;
        *Journal = default;
        Page->BackendFeatures = new VbdBackendFeatures { Bits = (byte)(VbdBackendFeatures.FlushCache | (disk.DiscardGranularity > 0 ? VbdBackendFeatures.Discard : 0)) };
        (Page->Major, Page->Minor, Page->Type, Page->Mode) = (_settings.Type == VbdType.Physical ? _settings.Major : 0, _settings.Type == VbdType.Physical ? _settings.Minor : 0, _settings.Type, _settings.Mode);
        Page->Info = disk.IsReadOnly ? ReadOnlyInfo : 0;
        Page->Sectors = disk.Sectors;
        Page->SectorSize = disk.SectorSize;
        Page->PhysicalSectorSize = disk.PhysicalSectorSize;
        Page->DiscardEnabled = disk.DiscardGranularity > 0 ? 1 : 0;
        Page->DiscardGranularity = (int)disk.DiscardGranularity;
        Page->MaxRings = 1;
    }

    protected override Connecting Connect()
    {
        if (_disk is null) return Refuse("what is behind it is not there any more");
        uint grant = Volatile.Read(ref *(uint*)((byte*)Page + VbdPage.RingsOffset + sizeof(uint))), port = Volatile.Read(ref Page->RingPort);
        if (Volatile.Read(ref Page->Rings) is < 0 or > 1 || Volatile.Read(ref Page->RingPageOrder) != 0) return Refuse("it has several rings, or a larger one, which were not offered");
        var protocol = Page->Protocol;
        if (!IsServed(protocol)) return Refuse("its ring is not one of x86-64");
        _ringPage = Access.Map(Domain, grant);
        if (_ringPage == 0) return Refuse($"its ring, reference {grant}, cannot be mapped");
        _ring = new BackRing(_ringPage, VbdRequest.RingSize, Slots);
        if (_ring.Waiting > Slots) return Refuse("its ring begins with more requests than it has room for");
        if (!Bind(ref _ringPort, port)) return Refuse($"its port {port} cannot be bound");
        var requests = new VbdRequest[Slots];
        for (var i = 0; i < Slots; i++) requests[i] = new VbdRequest();
        _requests = requests;
        _isQuiet = false;
        Changed?.Invoke();
        FinishAnswer();
        Worker.Again(this); // whatever waits in the ring
        return Connecting.Done;
    }

    protected override bool Quiesce()
    {
        _isQuiet = true;
        return _running == 0;
    }

    /// <summary>What runs goes on without the guest, and keeps its buffers until it is done.</summary>
    protected override void Disconnect()
    {
        var wasConnected = _requests is not null;
        _requests = null;
        while (_waiting.TryDequeue(out var request)) Free(request);
        Unbind(ref _ringPort);
        if (_ringPage != 0) Access.Unmap(_ringPage);
        _ringPage = 0;
        _ring = default;
        if (wasConnected && !_isRemoved) Changed?.Invoke();
    }

    private static bool IsServed(VbdPage.ProtocolName protocol)
    {
        ReadOnlySpan<byte> name = protocol;
        return name[0] == 0 || name.StartsWith("x86_64-abi\0"u8);
    }

    // --- from the guest ---

    private void Serve()
    {
        for (var rounds = 0; _requests is not null && !_isQuiet; rounds++)
        {
            if (rounds == MostRounds) // also of rounds in which there was nothing, as a guest may make them
            {
                Worker.Again(this);
                return;
            }

            var waiting = _ring.Waiting;
            if (waiting > Slots - _ring.UnderWay)
            {
                Violate("its ring has more requests than it has room for");
                return;
            }

            if (waiting == 0)
            {
                if (_ring.AskForMore() == 0) return;
                continue;
            }

            if (!TakeSome(waiting)) return;
        }
    }

    /// <summary>False where it has to wait, or has nothing to do with this guest any more.</summary>
    private bool TakeSome(uint count)
    {
        Span<byte> copy = stackalloc byte[VbdRequest.RingSize];
        var copies = 0;
        var (first, taken) = (_ring.Next, 0u);
        var hasRoom = true;
        string? violation = null;
        for (; taken < count && hasRoom && violation is null; taken++)
        {
            // Once, all of it: the guest may change it while it is looked at.
            new ReadOnlySpan<byte>(_ring.Request(taken), VbdRequest.RingSize).CopyTo(copy);
            var request = _requests![(first + taken) % Slots];
            violation = request.Read(copy, _disk!.Shape);
            if (violation is not null || request.IsDone || !request.HasData) continue;
            request.Buffer = _buffers.Take(this);
            if (request.Buffer == 0)
            {
                hasRoom = false;
                break;
            }

            if (request.Operation == DiskOperation.Write) copies += request.Copy(Domain, _buffers.Copies.AsSpan(copies));
        }

        if (copies > 0 && violation is null) violation = DoCopies(copies);
        _ring.Take(taken);
        for (var i = 0u; i < taken; i++)
        {
            var request = _requests![(first + i) % Slots];
            if (!request.IsDone) _waiting.Enqueue(request);
        }

        if (violation is not null)
        {
            Violate(violation);
            return false;
        }

        BeginWork();
        Answer();
        return hasRoom;
    }

    /// <summary>What the guest has granted wrongly; null for nothing.</summary>
    private string? DoCopies(int count)
    {
        var copies = _buffers.Copies.AsSpan(0, count);
        Access.Copy(copies);
        foreach (ref readonly var copy in copies)
        {
            if (copy.Status != 0) return $"reference {(uint)(copy.Flags == GrantCopy.FromGuest ? copy.Source : copy.Destination)} cannot be copied (status {copy.Status})";
        }

        return null;
    }

    private void BeginWork()
    {
        while (_running < MostRunning && _waiting.TryDequeue(out var first))
        {
            // What waits is shared out: to tell of several at once costs no more than to tell of one.
            var last = first;
            for (var share = Math.Min(MostJoined, 1 + _waiting.Count / MostRunning); share > 1 && _waiting.TryDequeue(out var next); share--) last = last.Joined = next;
            _running++;
            _threads.Add(new Work(this, first, _requests!));
        }
    }

    // --- to the guest ---

    /// <summary>Answers what is done, as far as all before it is.</summary>
    private void Answer()
    {
        var isAny = false;
        while (_ring.UnderWay > 0 && _requests![_ring.Answered % Slots] is { IsDone: true } request)
        {
            Journal->Id = request.Id;
            Journal->Operation = request.Operation;
            Journal->Status = request.Status;
            Volatile.Write(ref Journal->Index, _ring.Answered + 1);
            WriteAnswer(request.Id, request.Operation, request.Status);
            isAny = true;
        }

        if (isAny && _ring.Push()) Notify(_ringPort);
    }

    /// <summary>
    /// An earlier daemon may have died while it wrote a response, which is where the request was: what the ring has there is neither. The
    /// control page has what it was about to write.
    /// </summary>
    private void FinishAnswer()
    {
        var answer = *Journal;
        if (answer.Index != _ring.Answered + 1 || _ring.Waiting == 0) return;
        _ring.Take(1);
        WriteAnswer(answer.Id, answer.Operation, answer.Status);
        if (_ring.Push()) Notify(_ringPort);
    }

    private void WriteAnswer(ulong id, DiskOperation operation, short status)
    {
        var response = _ring.NextResponse(); // struct blkif_response of x86-64
        *(ulong*)response = id;
        *(DiskOperation*)(response + 8) = operation;
        *(short*)(response + 10) = status;
        _ring.Show();
    }

    private void Finish(VbdRequest first, VbdRequest[] requests)
    {
        lock (Worker.Lock)
        {
            _running--;
            try
            {
                if (ReferenceEquals(requests, _requests)) Deliver(first);
                for (var each = first; each is not null; each = each.Joined) Free(each);
                if (ReferenceEquals(requests, _requests)) Answer();
                if (!_isRemoved && _requests is not null) BeginWork();
                if (_isQuiet && !_isRemoved && _running == 0) Look();
            }
            catch (Exception error) // one guest's device must not be the end of the others'
            {
                OnFailure(error);
            }

            if (_isRemoved)
            {
                Monitor.PulseAll(Worker.Lock);
                CloseWhenIdle();
            }
        }
    }

    /// <summary>Gives the guest what was read, and settles what is to be answered.</summary>
    private void Deliver(VbdRequest first)
    {
        var copies = 0;
        for (var each = first; each is not null; each = each.Joined)
        {
            each.IsDone = true;
            if (each is { Operation: DiskOperation.Read, Status: VbdRequest.Okay }) copies += each.Copy(Domain, _buffers.Copies.AsSpan(copies));
        }

        if (copies > 0 && DoCopies(copies) is { } violation) Violate(violation);
    }

    private void Free(VbdRequest request)
    {
        if (request.Buffer != 0) _buffers.GiveBack(request.Buffer, Worker);
        request.Buffer = 0;
    }

    private void CloseWhenIdle()
    {
        if (_running == 0) _disk?.Close();
    }

    /// <summary>Does requests from one on, as far as they are one transfer; gives the next. On a thread of its own, without the worker's lock.</summary>
    private VbdRequest? Do(VbdRequest first)
    {
        Span<SystemCalls.Piece> pieces = stackalloc SystemCalls.Piece[MostJoined];
        var (count, last) = (0, first);
        pieces[count++] = PieceOf(first);
        while (first.HasData && last.Joined is { } next && next.Operation == first.Operation && next.Sector == last.Sector + last.Sectors)
        {
            last = next;
            pieces[count++] = PieceOf(last);
        }

        var end = last.Joined;
        var errno = Do(first, pieces[..count]);
        for (var each = first; each != end; each = each!.Joined)
        {
            // Of several that failed it is to be found which it was.
            Span<SystemCalls.Piece> one = [PieceOf(each!)];
            each!.Status = StatusOf(each, errno == 0 || count == 1 ? errno : Do(each, one));
        }

        return end;
    }

    private int Do(VbdRequest request, Span<SystemCalls.Piece> pieces)
    {
        var offset = (long)request.Sector * VbdRequest.SectorSize;
        return request.Operation switch
        {
            DiskOperation.Read => _disk!.Read(pieces, offset),
            DiskOperation.Write => _disk!.Write(pieces, offset),
            DiskOperation.Flush => _disk!.Flush(),
            _ => _disk!.Discard(offset, (long)request.Sectors * VbdRequest.SectorSize),
        };
    }

    private short StatusOf(VbdRequest request, int errno)
    {
        if (errno == 0) return VbdRequest.Okay;
        if (request.Operation == DiskOperation.Discard && errno == ErrnoText.EOPNOTSUPP) return VbdRequest.NotSupported;
        lock (Worker.Lock) Complain($"{request.Operation.ToString().ToLowerInvariant()} at sector {request.Sector} of '{_disk!.Path}' failed: {ErrnoText.Describe(errno)}");
        return VbdRequest.Error;
    }

    private static SystemCalls.Piece PieceOf(VbdRequest request) => new() { Start = (byte*)request.Buffer, Length = request.HasData ? (nuint)request.Length : 0 };

    /// <summary>Requests that one thread does.</summary>
    private sealed class Work(VbdDevice device, VbdRequest first, VbdRequest[] requests) : IDiskWork
    {
        public void Do()
        {
            for (var next = first; next is not null;) next = device.Do(next);
            device.Finish(first, requests);
        }
    }

    /// <summary>A response that is being written, at the end of the control page.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Answering
    {
        public ulong Id;
        public short Status;
        public DiskOperation Operation;

        /// <summary>The response's index and 1.</summary>
        public uint Index;
    }
}

/// <summary>What a daemon notes of a disk: the settings, and what it was.</summary>
internal static class VbdNote
{
    private const int IdentitySize = 16; // u32 major, u32 minor, u64 inode

    public static byte[] Write(in VbdSettings settings, IDisk? disk)
    {
        var path = Encoding.UTF8.GetBytes(disk?.Path ?? "");
        var note = new byte[Unsafe.SizeOf<VbdSettings>() + IdentitySize + path.Length];
        MemoryMarshal.Write(note, settings);
        if (disk is null) return note;
        var identity = note.AsSpan(Unsafe.SizeOf<VbdSettings>());
        MemoryMarshal.Write(identity, disk.Identity.Major);
        MemoryMarshal.Write(identity[4..], disk.Identity.Minor);
        MemoryMarshal.Write(identity[8..], disk.Identity.Inode);
        path.CopyTo(identity[IdentitySize..]);
        return note;
    }

    /// <summary>False where it is no such note.</summary>
    public static bool TryRead(ReadOnlySpan<byte> note, out VbdSettings settings, out DiskIdentity identity, out string path)
    {
        (settings, identity, path) = (default, default, "");
        if (note.Length < Unsafe.SizeOf<VbdSettings>() + IdentitySize) return false;
        settings = MemoryMarshal.Read<VbdSettings>(note);
        note = note[Unsafe.SizeOf<VbdSettings>()..];
        identity = new DiskIdentity(settings.Type == VbdType.Physical, MemoryMarshal.Read<uint>(note), MemoryMarshal.Read<uint>(note[4..]), MemoryMarshal.Read<ulong>(note[8..]));
        path = Encoding.UTF8.GetString(note[IdentitySize..]);
        return true;
    }
}
