using System.Net;
using FsCheck;
using FsCheck.Fluent;
using LightVM.Linux;

namespace LightVM.Unit.Linux;

/// <summary>What guests say of their addresses, and what they may say instead.</summary>
public sealed class ArpFrameTests
{
    private static readonly byte[] Mac = [0x00, 0x16, 0x3e, 0x01, 0x02, 0x03];

    [Theory]
    [InlineData(1)] // announced, or asking for another
    [InlineData(2)] // answering
    public void The_sender_of_a_request_or_an_answer_has_its_address(byte operation)
    {
        var frame = Frame();
        frame[21] = operation;

        Assert.Equal(IPAddress.Parse("10.0.0.5"), ArpFrame.ReadSender(frame, Mac));
        Assert.Equal(IPAddress.Parse("10.0.0.5"), ArpFrame.ReadSender([.. frame, .. new byte[18]], Mac)); // padded to 60 bytes
    }

    [Theory]
    [InlineData(6, 0x02)] // another's frame
    [InlineData(12, 0x86)] // not ARP
    [InlineData(15, 6)] // not over Ethernet
    [InlineData(17, 1)] // not for IPv4
    [InlineData(18, 8)]
    [InlineData(19, 16)]
    [InlineData(21, 3)] // reverse ARP
    [InlineData(22, 0x02)] // in another's name
    [InlineData(28, 0)] // a probe, or nobody
    [InlineData(28, 127)]
    [InlineData(28, 224)]
    [InlineData(28, 255)]
    public void A_frame_that_says_anything_else_says_nothing(int at, byte value)
    {
        var frame = Frame();
        frame[at] = value;

        Assert.Null(ArpFrame.ReadSender(frame, Mac));
    }

    [Fact]
    public void A_frame_that_is_cut_off_says_nothing_wherever_it_is_cut()
    {
        for (var length = 0; length < ArpFrame.Size; length++) Assert.Null(ArpFrame.ReadSender(Frame().AsSpan(0, length), Mac));
    }

    [Fact]
    public void Whatever_a_guest_sends_is_read_to_nothing_or_to_a_usable_address_of_its_own()
    {
        // Rubbish would be refused at its first byte: valid frames with a few bytes changed and cut get further.
        var frames = from changes in Gen.Choose(0, ArpFrame.Size - 1).Zip(Gen.Choose(0, 255)).ListOf(4)
                     from length in Gen.Choose(0, ArpFrame.Size + 20)
                     from few in Gen.Choose(0, 4)
                     select Changed(changes.Take(few), length);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(5000), Prop.ForAll(frames.ToArbitrary(), frame =>
        {
            if (ArpFrame.ReadSender(frame, Mac) is not { } address) return true;
            return ArpFrame.IsUsable(address) && frame.AsSpan(28, 4).SequenceEqual(address.GetAddressBytes()) && frame.AsSpan(22, 6).SequenceEqual(Mac);
        }));
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll<byte[]>(frame => ArpFrame.ReadSender(frame, Mac) is null));
    }

    [Fact]
    public void A_probe_asks_without_saying_who_asks()
    {
        byte[] own = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff];
        var probe = ArpFrame.Probe(own, IPAddress.Parse("10.0.0.5"));

        Assert.Equal("FFFFFFFFFFFFFEFFFFFFFFFF08060001080006040001FEFFFFFFFFFF000000000000000000000A000005", Convert.ToHexString(probe));
        Assert.Null(ArpFrame.ReadSender(probe, own));
    }

    /// <summary>10.0.0.5 asks for 10.0.0.1.</summary>
    private static byte[] Frame() => Convert.FromHexString("FFFFFFFFFFFF00163E010203080600010800060400010016 3E0102030A000005000000000000 0A000001".Replace(" ", "", StringComparison.Ordinal));

    private static byte[] Changed(IEnumerable<(int At, int Value)> changes, int length)
    {
        var frame = Frame();
        foreach (var (at, value) in changes) frame[at] = (byte)value;
        Array.Resize(ref frame, length);
        return frame;
    }
}
