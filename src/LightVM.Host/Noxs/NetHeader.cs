using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace LightVM.Host.Noxs;

/// <summary>What the senders of frames leave to others, where those who get the frames can do it. The numbers are those of TUNSETOFFLOAD (linux/if_tun.h).</summary>
[Flags]
internal enum Offloads : uint
{
    None,
    Checksums = 1,
    Tcp4 = 2,
    Tcp6 = 4,
}

/// <summary>What a frame is cut into that is larger than a wire takes (XEN_NETIF_GSO_TYPE_*).</summary>
internal enum Segmentation : byte
{
    None,
    Tcp4,
    Tcp6,
}

/// <summary>What is left to do with a frame.</summary>
/// <param name="IsBlank">Its TCP or UDP has no checksum.</param>
/// <param name="SegmentSize">How much of its data each frame has that it is cut into.</param>
internal readonly record struct Unfinished(bool IsBlank, Segmentation Segmentation = Segmentation.None, ushort SegmentSize = 0)
{
    /// <summary>What who gets it has to be able to do.</summary>
    public Offloads Needs => (IsBlank ? Offloads.Checksums : 0) | Segmentation switch
    {
        Segmentation.Tcp4 => Offloads.Tcp4,
        Segmentation.Tcp6 => Offloads.Tcp6,
        _ => 0,
    };
}

/// <summary>What stands before each frame at a tap: struct virtio_net_hdr (linux/virtio_net.h), which tells what is left to do with it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NetHeader
{
    /// <summary>A guest would have the host cut a frame into tens of thousands. Linux sends no smaller ones but to who wants options with each (TCP_MIN_SND_MSS).</summary>
    public const int SmallestSegment = 48;

    private const byte NeedsChecksum = 1;
    private const byte IsTcp4 = 1;
    private const byte IsTcp6 = 4;
    private const byte HasCongestion = 0x80;
    private const ushort Ip6Type = 0x86dd;
    private const int TcpChecksum = 16;
    private const int ShortestTcp = 20;

    private byte _flags;
    private byte _segmentation;
    private ushort _headers;
    private ushort _segmentSize;
    private ushort _checksumStart;
    private ushort _checksumOffset;

    /// <summary>What the host has left to do.</summary>
    public readonly Unfinished Left => new(
        (_flags & NeedsChecksum) != 0,
        (_segmentation & ~HasCongestion) switch
        {
            IsTcp4 => Segmentation.Tcp4,
            IsTcp6 => Segmentation.Tcp6,
            _ => Segmentation.None,
        },
        _segmentSize);

    /// <summary>Prepares a frame for the host. False for one of which what is left cannot be done, as it is not what it is said to be: it is as if it were lost.</summary>
    public static bool TryMake(Span<byte> frame, in Unfinished left, out NetHeader header)
    {
        header = default;
        var isCut = left.Segmentation != Segmentation.None;
        if (!left.IsBlank && !isCut) return true;
        // Who cuts a frame makes the checksums of its parts.
        if (!TransportChecksum.TryPrepare(frame, out var start, out var offset)) return false;
        (header._flags, header._checksumStart, header._checksumOffset) = (NeedsChecksum, start, offset);
        if (!isCut) return true;
        var is6 = BinaryPrimitives.ReadUInt16BigEndian(frame[12..]) == Ip6Type;
        var tcp = (frame[start + 12] >> 4) * 4;
        if (offset != TcpChecksum || is6 != (left.Segmentation == Segmentation.Tcp6) || tcp < ShortestTcp || start + tcp > frame.Length || left.SegmentSize < SmallestSegment) return false;
        (header._segmentation, header._segmentSize, header._headers) = (is6 ? IsTcp6 : IsTcp4, left.SegmentSize, (ushort)(start + tcp));
        return true;
    }
}
