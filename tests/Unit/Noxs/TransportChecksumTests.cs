using System.Buffers.Binary;
using FsCheck;
using FsCheck.Fluent;
using LightVM.Host.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>Checksums that guests leave to others: where they go, as who fills them in has to find it.</summary>
public sealed class TransportChecksumTests
{
    private const int Tcp = 6;
    private const int Udp = 17;

    [Theory]
    [InlineData(4, Tcp, 0)]
    [InlineData(4, Tcp, 12)] // with options
    [InlineData(4, Udp, 0)]
    [InlineData(6, Tcp, 0)]
    [InlineData(6, Udp, 0)]
    public void Whoever_sums_up_from_there_gets_what_the_receiver_expects(int version, int protocol, int options)
    {
        var random = new Random(version * 100 + protocol + options);
        for (var round = 0; round < 200; round++)
        {
            var (frame, transport) = Frame(version, protocol, options, random.Next(0, 400), random.Next(0, 20), random);
            Assert.True(TransportChecksum.TryPrepare(frame, out var start, out var offset));
            Assert.Equal((transport.Start.Value, protocol == Tcp ? 16 : 6), (start, offset));

            // As a card does: the sum of all from the start, with what is in the checksum's place, complemented.
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(start + offset), (ushort)~Sum(frame[transport], 0));
            var addresses = version == 4 ? frame[26..34] : frame[22..54];
            var (begin, end) = (transport.Start.Value, transport.End.Value);
            Assert.Equal(0xffffu, Sum(frame[transport], Sum(addresses, (uint)(protocol + end - begin))));
        }
    }

    [Fact]
    public void What_has_no_such_checksum_is_told()
    {
        var random = new Random(1);
        Assert.False(Changed(frame => frame[12] = 0x81)); // a tag of a VLAN
        Assert.False(Changed(frame => frame[23] = 1)); // ICMP
        Assert.False(Changed(frame => frame[14] = 0x65)); // another version
        Assert.False(Changed(frame => frame[14] = 0x44)); // a header that is too short
        Assert.False(Changed(frame => frame[20] = 0x20)); // a fragment, and more of them
        Assert.False(Changed(frame => frame[21] = 1)); // the rest of one
        Assert.False(Changed(frame => frame[16] = 0x20)); // longer than what there is
        Assert.False(Changed(frame => BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(16), 39))); // half a TCP header
        Assert.True(Changed(_ => { }));

        bool Changed(Action<byte[]> change)
        {
            var (frame, _) = Frame(4, Tcp, 0, 100, 0, random);
            change(frame);
            return TransportChecksum.TryPrepare(frame, out _, out _);
        }
    }

    [Fact]
    public void Whatever_comes_nothing_is_touched_but_the_checksum() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(5000),
        Prop.ForAll<byte[], byte, bool>((bytes, version, isIp4) =>
        {
            byte[] frame = [.. new byte[12], .. isIp4 ? (byte[])[0x08, 0x00] : [0x86, 0xdd], version, .. bytes];
            if (frame.Length > 23) frame[isIp4 ? 23 : 20] = version % 2 == 0 ? (byte)Tcp : (byte)Udp;
            var before = frame.ToArray();
            if (TransportChecksum.TryPrepare(frame, out var start, out var offset)) before.AsSpan(start + offset, 2).CopyTo(frame.AsSpan(start + offset));
            return frame.SequenceEqual(before);
        }));

    private static (byte[] Frame, Range Transport) Frame(int version, int protocol, int options, int data, int padding, Random random)
    {
        var header = version == 4 ? 20 + options : 40;
        var length = (protocol == Tcp ? 20 : 8) + data;
        var frame = new byte[14 + header + length + padding];
        random.NextBytes(frame);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), (ushort)(version == 4 ? 0x0800 : 0x86dd));
        if (version == 4)
        {
            frame[14] = (byte)(0x40 | header / 4);
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(16), (ushort)(header + length));
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(20), 0x4000); // not to be fragmented
            frame[23] = (byte)protocol;
        }
        else
        {
            frame[14] = 0x60;
            BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(18), (ushort)length);
            frame[20] = (byte)protocol;
        }

        return (frame, (14 + header)..(14 + header + length));
    }

    private static uint Sum(ReadOnlySpan<byte> bytes, uint sum)
    {
        for (var i = 0; i + 1 < bytes.Length; i += 2) sum += BinaryPrimitives.ReadUInt16BigEndian(bytes[i..]);
        if (bytes.Length % 2 == 1) sum += (uint)(bytes[^1] << 8);
        while (sum > ushort.MaxValue) sum = (sum & ushort.MaxValue) + (sum >> 16);
        return sum;
    }
}
