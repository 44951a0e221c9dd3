using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace LightVM.Linux;

/// <summary>ARP over Ethernet (RFC 826), as far as guests' addresses take it. What is read comes from guests: nothing of it is believed unseen.</summary>
internal static class ArpFrame
{
    /// <summary>Bytes of a frame, without padding.</summary>
    public const int Size = 42;

    /// <summary>EtherType.</summary>
    public const ushort EtherType = 0x0806;

    private const int MacSize = 6;
    private const ushort Ethernet = 1;
    private const ushort IPv4 = 0x0800;
    private const ushort Request = 1;
    private const ushort Reply = 2;

    // Offsets: destination 0, source 6, EtherType 12, hardware 14, protocol 16, lengths 18, operation 20, sender 22 and 28, target 32 and 38.

    /// <summary>The address by which the interface with an address of hardware calls itself; null where the frame says none.</summary>
    /// <param name="mac">Six bytes.</param>
    public static IPAddress? ReadSender(ReadOnlySpan<byte> frame, ReadOnlySpan<byte> mac)
    {
        if (frame.Length < Size || mac.Length != MacSize) return null;
        var fits = U16(frame, 12) == EtherType && U16(frame, 14) == Ethernet && U16(frame, 16) == IPv4
            && frame[18] == MacSize && frame[19] == 4 && U16(frame, 20) is Request or Reply
            // Of the guest itself: others on the bridge are heard on its interface, too.
            && frame.Slice(6, MacSize).SequenceEqual(mac) && frame.Slice(22, MacSize).SequenceEqual(mac);
        if (!fits) return null;
        var address = new IPAddress(frame.Slice(28, 4));
        return IsUsable(address) ? address : null;
    }

    /// <summary>Asks whether anybody has an address, without saying who asks (RFC 5227, 2.1.1: an ARP probe): nobody learns anything wrong of it.</summary>
    /// <param name="sender">Six bytes: to whom the answer goes.</param>
    public static byte[] Probe(ReadOnlySpan<byte> sender, IPAddress address)
    {
        var frame = new byte[Size];
        frame.AsSpan(0, MacSize).Fill(0xff);
        sender.CopyTo(frame.AsSpan(6, MacSize));
        Write(frame, 12, EtherType);
        Write(frame, 14, Ethernet);
        Write(frame, 16, IPv4);
        frame[18] = MacSize;
        frame[19] = 4;
        Write(frame, 20, Request);
        sender.CopyTo(frame.AsSpan(22, MacSize));
        address.TryWriteBytes(frame.AsSpan(38, 4), out _);
        return frame;
    }

    /// <summary>Whether one machine can have an address: IPv4, and none of those for this host, for nobody or for many.</summary>
    public static bool IsUsable(IPAddress address)
    {
        if (address.AddressFamily != AddressFamily.InterNetwork) return false;
        Span<byte> bytes = stackalloc byte[4];
        address.TryWriteBytes(bytes, out _);
        return bytes[0] is not (0 or 127) and < 224;
    }

    private static ushort U16(ReadOnlySpan<byte> frame, int at) => BinaryPrimitives.ReadUInt16BigEndian(frame[at..]);

    private static void Write(byte[] frame, int at, ushort value) => BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(at), value);
}
