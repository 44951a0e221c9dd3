using System.Buffers.Binary;

namespace LightVM.Host.Noxs;

/// <summary>The checksum of a frame's TCP or UDP, which a guest has left to others: where it goes, and what of it has to be there already.</summary>
internal static class TransportChecksum
{
    private const int EthernetHeader = 14;
    private const int Ip4Header = 20;
    private const int Ip6Header = 40;
    private const ushort Ip4Type = 0x0800;
    private const ushort Ip6Type = 0x86dd;
    private const byte Tcp = 6;
    private const byte Udp = 17;

    /// <summary>
    /// Writes the sum of the pseudo header to the checksum's place, as the host's network wants it (linux/virtio_net.h). False for a frame of which the checksum is none that can be
    /// left to others: no TCP or UDP directly in IP, a fragment, one that is cut off.
    /// </summary>
    /// <param name="start">Where the sum begins.</param>
    /// <param name="offset">Where, from there, it goes.</param>
    public static bool TryPrepare(Span<byte> frame, out ushort start, out ushort offset)
    {
        (start, offset) = (0, 0);
        if (frame.Length < EthernetHeader) return false;
        int length;
        byte protocol;
        Span<byte> addresses;
        switch (BinaryPrimitives.ReadUInt16BigEndian(frame[12..]))
        {
            case Ip4Type when frame.Length >= EthernetHeader + Ip4Header:
                var ip4 = frame[EthernetHeader..];
                var header = (ip4[0] & 15) * 4;
                var isFragment = (BinaryPrimitives.ReadUInt16BigEndian(ip4[6..]) & 0x3fff) != 0;
                if (ip4[0] >> 4 != 4 || header < Ip4Header || isFragment) return false;
                (start, length, protocol) = ((ushort)(EthernetHeader + header), BinaryPrimitives.ReadUInt16BigEndian(ip4[2..]) - header, ip4[9]);
                addresses = ip4[12..20];
                break;
            case Ip6Type when frame.Length >= EthernetHeader + Ip6Header:
                var ip6 = frame[EthernetHeader..];
                if (ip6[0] >> 4 != 6) return false;
                (start, length, protocol) = (EthernetHeader + Ip6Header, BinaryPrimitives.ReadUInt16BigEndian(ip6[4..]), ip6[6]);
                addresses = ip6[8..40];
                break;
            default:
                return false;
        }

        int least;
        switch (protocol)
        {
            case Tcp:
                (offset, least) = (16, 20);
                break;
            case Udp:
                (offset, least) = (6, 8);
                break;
            default:
                return false;
        }

        if (length < least || start + length > frame.Length) return false;
        var sum = (uint)(protocol + length);
        for (var i = 0; i < addresses.Length; i += 2) sum += BinaryPrimitives.ReadUInt16BigEndian(addresses[i..]);
        while (sum > ushort.MaxValue) sum = (sum & ushort.MaxValue) + (sum >> 16);
        BinaryPrimitives.WriteUInt16BigEndian(frame[(start + offset)..], (ushort)sum);
        return true;
    }
}
