using System.Runtime.CompilerServices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>
/// Frames from a guest: its transmit ring (xen/io/netif.h) to a tap. A frame has one slot or several, of which the first tells the length of all; a slot behind
/// the first tells what it is to be cut into. Frames go on whole: as long as the guest has not written all slots of one, nothing is done with it.
/// </summary>
internal sealed unsafe class VifTransmit(IGuestAccess access, ushort domain, NetFrames frames)
{
    private const int SlotSize = 12;

    private const ushort ChecksumBlank = 1;
    private const ushort MoreData = 4;
    private const ushort ExtraInfo = 8;

    private const byte CutExtra = 1; // the type of an extra slot: XEN_NETIF_EXTRA_TYPE_GSO

    private const short Okay = 0;
    private const short Error = -1;
    private const short NoAnswer = 1; // XEN_NETIF_RSP_NULL

    /// <summary>How often it may send what <see cref="NetFrames"/> has room for before the others have their turn.</summary>
    private const int MostBatches = 4;

    /// <summary>Bytes of an Ethernet header.</summary>
    private const int ShortestFrame = 14;

    private BackRing _ring;

    /// <summary>Requests that an earlier daemon may have begun to answer: the references in them need not be there any more. All else of a request an answer leaves alone.</summary>
    private uint _doubtful;

    /// <summary>What the guest did that it may not.</summary>
    public string? Violation { get; private set; }

    /// <summary>Begins with a ring; false where it is none.</summary>
    /// <param name="isAdopted">An earlier daemon had it.</param>
    public bool Begin(IntPtr page, bool isAdopted)
    {
        _ring = new BackRing(page, SlotSize, BackRing.NetSlots);
        _doubtful = isAdopted ? BackRing.NetSlots : 0u;
        Violation = null;
        return _ring.Waiting <= _ring.Slots;
    }

    /// <summary>Sends what waits. Whether there may be more, for another turn.</summary>
    /// <param name="isAwaited">Whether the guest wants to be notified.</param>
    public bool Send(ITap tap, out bool isAwaited)
    {
        isAwaited = false;
        for (var batch = 0; batch < MostBatches; batch++)
        {
            var waiting = _ring.Waiting;
            if (waiting > _ring.Slots)
            {
                Violation = "its transmit ring has more requests than it has room for";
                return false;
            }

            if (!Gather(waiting)) return false;
            if (frames.SlotCount == 0)
            {
                // Nothing, or less than a frame.
                if (_ring.AskForMore(waiting) == waiting) return false;
                continue;
            }

            if (!Deliver(tap)) return false;
            isAwaited |= Answer();
        }

        return true;
    }

    /// <summary>Looks at the slots of as many whole frames as there is room for.</summary>
    private bool Gather(uint waiting)
    {
        frames.Clear();
        while (frames.SlotCount < waiting && TryRead((uint)frames.SlotCount, waiting))
        {
        }

        return Violation is null;
    }

    /// <summary>Looks at a frame's slots; false where some are missing, where there is no room, and where they are none.</summary>
    private bool TryRead(uint at, uint waiting)
    {
        var end = at;
        var first = RequestAt(end);
        var isAnswered = at < _doubtful && (first.Grant == Word(first.Id, Okay) || first.Grant == Word(first.Id, Error));
        var result = isAnswered ? Okay : Error;
        var left = new Unfinished((first.Flags & ChecksumBlank) != 0);
        frames.Answers[end++] = (first.Id, result);
        if ((first.Flags & ExtraInfo) != 0)
        {
            if (end == waiting) return false;
            var extra = Volatile.Read(ref Unsafe.AsRef<ulong>(_ring.Request(end)));
            if (!isAnswered && !TryReadExtra(extra, ref left)) return false;
            frames.Answers[end++] = (0, NoAnswer);
        }

        // Where it begins is known when the sizes of all others are: the first has that of the frame.
        int parts = 1, rest = 0;
        for (var flags = first.Flags; (flags & MoreData) != 0; parts++)
        {
            if (parts == NetFrames.MostParts) return Refuse($"it sends a frame of more than {NetFrames.MostParts} parts");
            if (end == waiting) return false;
            var part = RequestAt(end);
            flags = part.Flags;
            if ((flags & ExtraInfo) != 0 || part.Offset + part.Size > DevicePage.Size) return Refuse($"it sends what was not offered (a part with flags {flags}, offset {part.Offset}, size {part.Size})");
            rest += part.Size;
            if (rest > first.Size) return Refuse($"it sends a frame of {first.Size} bytes with parts that are larger");
            frames.Part(parts) = CopyOf(part, part.Size);
            frames.Answers[end++] = (part.Id, result);
        }

        var begin = first.Size - rest;
        if (first.Offset + begin > DevicePage.Size) return Refuse($"it sends what was not offered (flags {first.Flags}, offset {first.Offset}, size {begin})");
        var slots = (int)(end - at);
        if (!frames.HasRoom(first.Size, slots)) return false;
        if (isAnswered || first.Size < ShortestFrame)
        {
            // It has been sent; or half a header, which is no frame.
            frames.Add(0, left, 0, slots);
            return true;
        }

        frames.Part(0) = CopyOf(first, begin);
        var destination = (ulong)frames.Next;
        for (var i = 0; i < parts; i++)
        {
            ref var part = ref frames.Part(i);
            part.Destination = destination;
            destination += part.Length;
        }

        frames.Add(first.Size, left, parts, slots);
        return true;
    }

    private bool TryReadExtra(ulong extra, ref Unfinished left)
    {
        byte type = (byte)extra, flags = (byte)(extra >> 8), kind = (byte)(extra >> 32);
        var size = (ushort)(extra >> 16);
        if (type != CutExtra || flags != 0) return Refuse($"it sends what was not offered (extra slot of type {type}, flags {flags})");
        if (size == 0 || (Segmentation)kind is not (Segmentation.Tcp4 or Segmentation.Tcp6)) return Refuse($"it sends a frame to be cut in a way that there is not (type {kind}, size {size})");
        left = left with { Segmentation = (Segmentation)kind, SegmentSize = size };
        return true;
    }

    private bool Deliver(ITap tap)
    {
        if (frames.Copies.Length > 0) access.Copy(frames.Copies);
        foreach (ref readonly var frame in frames.Frames)
        {
            if (frame.Copies == 0) continue;
            var failed = frames.Failed(frame);
            if (failed < 0)
            {
                tap.Write(frames.Start(frame), frame.Length, frame.Left);
                foreach (ref var answer in frames.Answers.AsSpan(frame.FirstSlot, frame.Slots))
                {
                    if (answer.Result == Error) answer.Result = Okay;
                }
            }
            else if (frame.FirstSlot >= _doubtful)
            {
                ref readonly var copy = ref frames.Copies[failed];
                return Refuse($"reference {(uint)copy.Source}, from which it sends, cannot be read (status {copy.Status})");
            }
        }

        return true;
    }

    private bool Answer()
    {
        foreach (var (id, result) in frames.Answers.AsSpan(0, frames.SlotCount))
        {
            var response = _ring.NextResponse();
            // An answer is there or not, so that the next daemon can tell. It leaves alone what tells where a frame ends, of an extra slot as well.
            if (result == NoAnswer) *(short*)(response + 2) = result;
            else Volatile.Write(ref Unsafe.AsRef<uint>(response), Word(id, result));
        }

        var count = (uint)frames.SlotCount;
        _ring.Take(count);
        _doubtful -= Math.Min(_doubtful, count);
        return _ring.Push();
    }

    private bool Refuse(string why)
    {
        Violation = why;
        return false;
    }

    /// <summary>Once, all of it: the guest may change it while it is looked at.</summary>
    private Request RequestAt(uint ahead)
    {
        var slot = _ring.Request(ahead);
        ulong first = Volatile.Read(ref Unsafe.AsRef<ulong>(slot));
        uint rest = Volatile.Read(ref Unsafe.AsRef<uint>(slot + 8));
        return new Request((uint)first, (ushort)(first >> 32), (ushort)(first >> 48), (ushort)rest, (ushort)(rest >> 16));
    }

    private GrantCopy CopyOf(in Request request, int length) => new()
    {
        Source = GrantCopy.GuestPlace(domain, request.Grant, request.Offset),
        Length = (ushort)length,
        Flags = GrantCopy.FromGuest,
    };

    /// <summary>How an answer begins, where in a request the reference is.</summary>
    private static uint Word(ushort id, short result) => id | ((uint)(ushort)result << 16);

    private readonly record struct Request(uint Grant, ushort Offset, ushort Flags, ushort Id, ushort Size);
}
