using System.Buffers.Binary;
using System.Runtime.InteropServices;
using FsCheck;
using FsCheck.Fluent;
using LightVM.Host.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>What a tap is told of a frame, and tells: struct virtio_net_hdr.</summary>
public sealed class NetHeaderTests
{
    [Theory]
    [InlineData(4, 20)]
    [InlineData(4, 32)] // with options
    [InlineData(6, 20)]
    public void A_frame_that_is_to_be_cut_is_told_how(int version, int tcp)
    {
        var frame = Frame(version, tcp, 5000);
        var kind = version == 4 ? Segmentation.Tcp4 : Segmentation.Tcp6;
        var start = version == 4 ? 34 : 54;
        Assert.True(NetHeader.TryMake(frame, new Unfinished(IsBlank: false, kind, 1448), out var header)); // its parts have checksums, whatever it says
        Assert.Equal(Header(1, version == 4 ? 1 : 4, start + tcp, 1448, start, 16), Bytes(header));
        Assert.Equal(new Unfinished(IsBlank: true, kind, 1448), header.Left);

        Assert.True(NetHeader.TryMake(frame, new Unfinished(IsBlank: true), out header));
        Assert.Equal(Header(1, 0, 0, 0, start, 16), Bytes(header));
        Assert.True(NetHeader.TryMake(frame, default, out header));
        Assert.Equal(new byte[10], Bytes(header));
    }

    [Fact]
    public void What_is_not_what_it_is_said_to_be_is_lost()
    {
        var cut = new Unfinished(IsBlank: true, Segmentation.Tcp4, 1460);
        Assert.True(Is(cut, _ => { }));
        Assert.False(Is(cut with { Segmentation = Segmentation.Tcp6 }, _ => { }));
        Assert.False(Is(cut with { SegmentSize = NetHeader.SmallestSegment - 1 }, _ => { }));
        Assert.False(Is(cut, frame => frame[23] = 17)); // UDP
        Assert.False(Is(cut, frame => frame[46] = 0x40)); // a header that is too short
        Assert.False(Is(cut, frame => frame[46] = 0xf0, data: 30)); // one that is longer than all
        Assert.False(Is(cut, frame => frame[20] = 0x20)); // a fragment

        static bool Is(Unfinished left, Action<byte[]> change, int data = 5000)
        {
            var frame = Frame(4, 20, data);
            change(frame);
            return NetHeader.TryMake(frame, left, out _);
        }
    }

    [Theory]
    [InlineData(0x81, Segmentation.Tcp4)] // with congestion told
    [InlineData(0x84, Segmentation.Tcp6)]
    [InlineData(0, Segmentation.None)]
    [InlineData(3, Segmentation.None)] // UDP: not asked for
    public void What_the_host_leaves_is_understood(byte type, object kind) =>
        Assert.Equal(new Unfinished(IsBlank: true, (Segmentation)kind, 1234), MemoryMarshal.Read<NetHeader>(Header(1, type, 54, 1234, 34, 16)).Left);

    [Fact]
    public void Whatever_a_guest_sends_nothing_but_its_checksum_is_touched() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(5000),
        Prop.ForAll<byte[], byte, ushort>((bytes, choice, size) =>
        {
            var frame = Frame(choice % 2 == 0 ? 4 : 6, 20, 60);
            for (var i = 0; i + 1 < bytes.Length; i += 2) frame[bytes[i] % frame.Length] = bytes[i + 1];
            frame = frame[..(choice % 3 == 0 ? bytes.Length % frame.Length : frame.Length)];
            var before = frame.ToArray();
            if (!NetHeader.TryMake(frame, new Unfinished(IsBlank: true, (Segmentation)(choice % 3), size), out var header)) return true; // it is lost
            var raw = Bytes(header);
            int start = BinaryPrimitives.ReadUInt16LittleEndian(raw.AsSpan(6)), offset = BinaryPrimitives.ReadUInt16LittleEndian(raw.AsSpan(8));
            Assert.InRange(BinaryPrimitives.ReadUInt16LittleEndian(raw.AsSpan(2)), 0, frame.Length);
            before.AsSpan(start + offset, 2).CopyTo(frame.AsSpan(start + offset));
            return frame.SequenceEqual(before);
        }));

    private static byte[] Bytes(NetHeader header) => MemoryMarshal.AsBytes(new ReadOnlySpan<NetHeader>(in header)).ToArray();

    private static byte[] Header(int flags, int type, int headers, int size, int start, int offset) =>
        [(byte)flags, (byte)type, (byte)headers, (byte)(headers >> 8), (byte)size, (byte)(size >> 8), (byte)start, (byte)(start >> 8), (byte)offset, (byte)(offset >> 8)];

    private static byte[] Frame(int version, int tcp, int data)
    {
        var start = version == 4 ? 34 : 54;
        var frame = new byte[start + tcp + data];
        new Random(data).NextBytes(frame);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(12), (ushort)(version == 4 ? 0x0800 : 0x86dd));
        frame[14] = (byte)(version == 4 ? 0x45 : 0x60);
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(version == 4 ? 16 : 18), (ushort)(tcp + data + (version == 4 ? 20 : 0)));
        if (version == 4) (frame[20], frame[21]) = (0, 0);
        frame[version == 4 ? 23 : 20] = 6;
        frame[start + 12] = (byte)(tcp / 4 << 4);
        return frame;
    }
}
