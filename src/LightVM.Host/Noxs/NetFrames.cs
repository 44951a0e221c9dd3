using System.Runtime.InteropServices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>Room for frames on their way, one page each: one object for all interfaces of a worker, of which one at a time is at work.</summary>
internal sealed unsafe class NetFrames : IDisposable
{
    /// <summary>Frames at once: enough that system calls do not count, and few enough that others have their turn.</summary>
    public const int Count = 64;

    /// <summary>Bytes in front of each frame, which are a tap's.</summary>
    public const int Room = 64;

    private const int Stride = DevicePage.Size + Room;

    private readonly byte* _pages = (byte*)NativeMemory.AlignedAlloc(Count * Stride, Room);

    public GrantCopy[] Copies { get; } = new GrantCopy[Count];

    public ushort[] Ids { get; } = new ushort[Count];

    public short[] Results { get; } = new short[Count];

    /// <summary>Which copy a frame is; negative for none.</summary>
    public int[] CopyOf { get; } = new int[Count];

    /// <summary>Whether the checksum of a frame's TCP or UDP is left to others.</summary>
    public bool[] IsBlank { get; } = new bool[Count];

    public byte* this[int frame] => _pages + frame * Stride + Room;

    public void Dispose() => NativeMemory.AlignedFree(_pages);
}
