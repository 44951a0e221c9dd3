namespace LightVM.Host.Noxs;

/// <summary>
/// This side of a ring (xen/io/ring.h): the guest's page, in which requests and responses share slots. Indexes run freely; what the guest
/// writes is read once, and checked. Requests are answered in their order, so that the shared index of responses tells where a daemon goes on
/// that comes after this one: from there on all requests are in the ring as they were.
/// </summary>
internal unsafe struct BackRing
{
    /// <summary>Slots of a ring of one page, with requests of net (12 and 8 bytes).</summary>
    public const int NetSlots = 256;

    private const int HeaderSize = 64;

    private readonly uint* _page; // req_prod, req_event, rsp_prod, rsp_event
    private readonly int _slotSize;
    private readonly uint _slots;
    private uint _next;
    private uint _answered;
    private uint _pushed;

    /// <param name="page">The guest's page.</param>
    /// <param name="slotSize">Bytes of the larger of request and response.</param>
    /// <param name="slots">A power of two.</param>
    public BackRing(IntPtr page, int slotSize, int slots)
    {
        _page = (uint*)page;
        _slotSize = slotSize;
        _slots = (uint)slots;
        _next = _answered = _pushed = Volatile.Read(ref _page[2]);
    }

    /// <summary>Requests that wait; more than there are slots where the guest's index is none.</summary>
    public readonly uint Waiting => Volatile.Read(ref _page[0]) - _next;

    public readonly uint Slots => _slots;

    /// <summary>Which request is the next, and which the first that is not answered; they run on beyond the ring.</summary>
    public readonly uint Next => _next;

    public readonly uint Answered => _answered;

    /// <summary>Requests that were taken, and are not answered.</summary>
    public readonly uint UnderWay => _next - _answered;

    /// <summary>Where the next request is, which the guest may still change: it is to be copied.</summary>
    public readonly byte* Request(uint ahead) => Slot(_next + ahead);

    /// <summary>Goes on behind requests.</summary>
    public void Take(uint count) => _next += count;

    /// <summary>Where the next response goes.</summary>
    public byte* NextResponse() => Slot(_answered++);

    /// <summary>Shows the guest all responses; whoever calls this pushes later.</summary>
    public readonly void Show() => Volatile.Write(ref _page[2], _answered); // after the responses

    /// <summary>Shows the guest all responses. Whether it wants to be notified.</summary>
    public bool Push()
    {
        var before = _pushed;
        Show();
        _pushed = _answered;
        Interlocked.MemoryBarrier();
        return _answered - Volatile.Read(ref _page[3]) < _answered - before;
    }

    /// <summary>Asks to be notified of the next request, and gives how many are there by now.</summary>
    /// <param name="seen">Requests that are there, and of no use without more.</param>
    public readonly uint AskForMore(uint seen = 0)
    {
        Volatile.Write(ref _page[1], _next + seen + 1);
        Interlocked.MemoryBarrier();
        return Waiting;
    }

    private readonly byte* Slot(uint index) => (byte*)_page + HeaderSize + (index & (_slots - 1)) * (uint)_slotSize;
}
