using System.Runtime.CompilerServices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>How giving frames to a guest went.</summary>
internal enum Receiving
{
    Done,

    /// <summary>The guest's ring has no room. Frames wait in the tap until it has.</summary>
    Full,

    /// <summary>The tap is gone.</summary>
    Lost,

    /// <summary>The guest did what it may not (<see cref="VifReceive.Violation"/>).</summary>
    Violated,
}

/// <summary>
/// Frames to a guest: a tap to its receive ring (xen/io/netif.h). A guest that said so gets frames larger than a page, in several slots, and larger than a wire
/// takes, of which a slot behind the first tells what they are to be cut into. A frame is read from the tap when the largest would have room, and not before:
/// none has to be kept anywhere.
/// </summary>
internal sealed unsafe class VifReceive(IGuestAccess access, ushort domain, NetFrames frames)
{
    private const int SlotSize = 8;

    private const ushort BlankAndValid = 1 | 2; // the checksum is not there, and need not be looked at
    private const ushort MoreData = 4;
    private const ushort ExtraInfo = 8;
    private const byte CutExtra = 1; // the type of an extra slot: XEN_NETIF_EXTRA_TYPE_GSO
    private const short Error = -1;

    /// <summary>References before this one are not the guest's to give (GNTTAB_NR_RESERVED_ENTRIES).</summary>
    private const uint FirstReference = 8;

    /// <summary>Parts of the largest frame that there is: 64 KiB and its header.</summary>
    private const int MostParts = 17;

    private BackRing _ring;
    private Offloads _taken;
    private int _parts;

    /// <summary>Requests that an earlier daemon may have begun to answer: answers take the place of their references.</summary>
    private uint _doubtful;

    /// <summary>What the guest did that it may not.</summary>
    public string? Violation { get; private set; }

    /// <summary>Whether the next frame has room.</summary>
    public bool HasRoom => _ring.Waiting >= SlotsNeeded;

    private int SlotsNeeded => _parts + ((_taken & (Offloads.Tcp4 | Offloads.Tcp6)) != 0 ? 1 : 0);

    /// <summary>Begins with a ring; false where it is none.</summary>
    /// <param name="taken">What the guest takes over of the work with a frame.</param>
    /// <param name="inParts">Whether it takes frames of several slots.</param>
    /// <param name="isAdopted">An earlier daemon had the ring.</param>
    public bool Begin(IntPtr page, Offloads taken, bool inParts, bool isAdopted)
    {
        _ring = new BackRing(page, SlotSize, BackRing.NetSlots);
        (_taken, _parts) = (taken, inParts ? MostParts : 1);
        _doubtful = isAdopted ? BackRing.NetSlots : 0u;
        Violation = null;
        return _ring.Waiting <= _ring.Slots;
    }

    /// <summary>Gives it what waits in the tap.</summary>
    /// <param name="isAwaited">Whether the guest wants to be notified.</param>
    public Receiving Receive(ITap tap, out bool isAwaited)
    {
        isAwaited = false;
        var needed = (uint)SlotsNeeded;
        var room = _ring.Waiting;
        if (room < needed && (room = _ring.AskForMore(needed - 1)) < needed) return Receiving.Full;
        if (room > _ring.Slots) return Refuse("its receive ring has more requests than it has room for");

        frames.Clear();
        var size = _parts * DevicePage.Size;
        for (var reads = 0; reads < NetFrames.Slots && frames.SlotCount + needed <= room && frames.HasRoom(size, (int)needed); reads++)
        {
            var length = tap.Read(frames.Next, size, out var left);
            if (length < 0) return Receiving.Lost;
            if (length == 0) break;
            // What fills the room need not be all of it: a guest gets no half frames. Nor any with work left that it does not do: it was another guest's that
            // such a frame has waited for.
            if (length < size && (left.Needs & ~_taken) == 0) Add(length, left);
        }

        if (frames.SlotCount == 0) return Receiving.Done;
        access.Copy(frames.Copies);
        foreach (ref readonly var frame in frames.Frames)
        {
            var failed = frames.Failed(frame);
            if (failed < 0 || frame.FirstSlot < _doubtful) continue;
            ref readonly var copy = ref frames.Copies[failed];
            return Refuse($"reference {(uint)copy.Destination}, into which it receives, cannot be written (status {copy.Status})");
        }

        foreach (ref readonly var frame in frames.Frames) Answer(frame);
        var count = (uint)frames.SlotCount;
        _ring.Take(count);
        _doubtful -= Math.Min(_doubtful, count);
        isAwaited = _ring.Push();
        return Receiving.Done;
    }

    /// <summary>Takes slots for the frame that was read.</summary>
    private void Add(int length, in Unfinished left)
    {
        var hasExtra = left.Segmentation != Segmentation.None;
        var parts = (length + DevicePage.Size - 1) / DevicePage.Size;
        int slot = frames.SlotCount, begin = 0;
        for (var i = 0; i < parts; i++)
        {
            var reference = ReferenceOf(slot++);
            if (i == 0 && hasExtra) ReferenceOf(slot++); // nothing is written into that one
            var size = Math.Min(length - begin, DevicePage.Size);
            frames.Part(i) = new GrantCopy
            {
                Source = (ulong)(frames.Next + begin),
                Destination = GrantCopy.GuestPlace(domain, reference, 0),
                Length = (ushort)size,
                Flags = GrantCopy.ToGuest,
            };
            begin += size;
        }

        frames.Add(length, left, parts, slot - frames.SlotCount);
    }

    /// <summary>Where a slot's page is; the slot's name is noted.</summary>
    private uint ReferenceOf(int slot)
    {
        ulong request = Volatile.Read(ref Unsafe.AsRef<ulong>(_ring.Request((uint)slot)));
        frames.Answers[slot] = ((ushort)request, 0);
        var reference = (uint)(request >> 32);
        // An answer that is taken for a request has no reference that could be a guest's, and an extra slot one that is something else's.
        return slot < _doubtful && reference < FirstReference ? uint.MaxValue : reference;
    }

    private void Answer(in NetFrames.Frame frame)
    {
        var slot = frame.FirstSlot;
        if (frames.Failed(frame) >= 0)
        {
            while (slot < frame.FirstSlot + frame.Slots) Answer(slot++, 0, Error);
            return;
        }

        var hasExtra = frame.Slots > frame.Copies;
        for (var i = 0; i < frame.Copies; i++)
        {
            var flags = i < frame.Copies - 1 ? MoreData : (ushort)0;
            if (i == 0 && frame.Left.IsBlank) flags |= BlankAndValid;
            if (i == 0 && hasExtra) flags |= ExtraInfo;
            Answer(slot++, flags, (short)frames.Copies[frame.FirstCopy + i].Length);
            if (i > 0 || !hasExtra) continue;
            slot++;
            *(ulong*)_ring.NextResponse() = CutExtra | ((ulong)frame.Left.SegmentSize << 16) | ((ulong)frame.Left.Segmentation << 32);
        }
    }

    private void Answer(int slot, ushort flags, short status)
    {
        var response = (ushort*)_ring.NextResponse();
        (response[0], response[1], response[2], response[3]) = (frames.Answers[slot].Id, 0, flags, (ushort)status);
    }

    private Receiving Refuse(string why)
    {
        Violation = why;
        return Receiving.Violated;
    }
}
