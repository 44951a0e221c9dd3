using System.Runtime.InteropServices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>
/// Room for frames on their way, one behind the other, and what is known of them and of their slots in a ring: one object for all interfaces of a
/// worker, of which one at a time is at work.
/// </summary>
internal sealed unsafe class NetFrames : IDisposable
{
    /// <summary>Slots at once: enough that system calls do not count, and few enough that others have their turn.</summary>
    public const int Slots = 64;

    /// <summary>Slots with parts of one frame (XEN_NETIF_NR_SLOTS_MIN).</summary>
    public const int MostParts = 18;

    /// <summary>Bytes in front of each frame, which are a tap's.</summary>
    public const int Room = 64;

    private const int Size = Slots * (DevicePage.Size + Room);

    private readonly byte* _memory = (byte*)NativeMemory.AlignedAlloc(Size, Room);
    private readonly GrantCopy[] _copies = new GrantCopy[Slots + MostParts];
    private readonly Frame[] _frames = new Frame[Slots];
    private int _frameCount;
    private int _copyCount;
    private int _used;

    /// <summary>What the slots are answered with: the guest's names of them, and how it went. As copies, with room for a frame that turns out to be for the next time.</summary>
    public (ushort Id, short Result)[] Answers { get; } = new (ushort, short)[Slots + MostParts + 1];

    /// <summary>Slots that all frames have taken.</summary>
    public int SlotCount { get; private set; }

    public ReadOnlySpan<Frame> Frames => _frames.AsSpan(0, _frameCount);

    /// <summary>Of all frames, in their order.</summary>
    public Span<GrantCopy> Copies => _copies.AsSpan(0, _copyCount);

    /// <summary>Where the next frame goes.</summary>
    public byte* Next => _memory + _used + Room;

    public void Clear() => SlotCount = _frameCount = _copyCount = _used = 0;

    /// <summary>Whether there is room for one more; there always is for one.</summary>
    public bool HasRoom(int length, int slots) => _used + Room + length <= Size && SlotCount + slots <= Slots;

    /// <summary>One more part of the next frame, of which nothing is kept before <see cref="Add"/>.</summary>
    public ref GrantCopy Part(int number) => ref _copies[_copyCount + number];

    /// <summary>The next frame is there, with its parts and its slots.</summary>
    public void Add(int length, in Unfinished left, int parts, int slots)
    {
        _frames[_frameCount++] = new Frame(_used + Room, length, left, _copyCount, parts, SlotCount, slots);
        _copyCount += parts;
        SlotCount += slots;
        _used += (Room + length + Room - 1) / Room * Room;
    }

    public byte* Start(in Frame frame) => _memory + frame.Offset;

    /// <summary>The copy of a frame's first part that could not be made; negative where all were.</summary>
    public int Failed(in Frame frame)
    {
        for (var i = frame.FirstCopy; i < frame.FirstCopy + frame.Copies; i++)
        {
            if (_copies[i].Status != 0) return i;
        }

        return -1;
    }

    public void Dispose() => NativeMemory.AlignedFree(_memory);

    /// <summary>A frame, its copies, and its slots.</summary>
    public readonly record struct Frame(int Offset, int Length, Unfinished Left, int FirstCopy, int Copies, int FirstSlot, int Slots);
}
