using System.Buffers.Binary;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using LightVM.Configuration;
using LightVM.Host.Devices;

namespace LightVM.Unit.Host.Devices;

/// <summary>The bytes of Chaos' protocol, written out.</summary>
public sealed class ChaosProtocolTests
{
    [Fact]
    public void Requests_are_read_as_their_structs_lie_in_memory()
    {
        byte[] payload = [.. "file\0\0"u8, .. "w\0"u8, .. "/a.img\0"u8];
        byte[] header = [1, 0, 0, 0, 1, 0, 0, 0, (byte)payload.Length, 0, 0, 0];

        Assert.Equal(payload.Length, ChaosProtocol.ReadHeader(header));
        Assert.Equal(new ChaosRequest.Add(new DiskConfig("/a.img", DiskType.File, "", DiskAccess.ReadWrite)), ChaosProtocol.Read(header, payload));

        payload = [.. "phy\0\0\0"u8, 0xff, 0xff, 7, 0, 0, 0, 0x34, 0x12, 0, 0];
        Assert.Equal(new ChaosRequest.Remove(DiskType.Phy, 7, 0x1234), ChaosProtocol.Read(Header(2, payload.Length), payload));
        Assert.Equal(new ChaosRequest.Query(DiskType.Phy, 7, 0x1234), ChaosProtocol.Read(Header(3, payload.Length), payload));
    }

    [Fact]
    public void Responses_are_written_as_their_structs_lie_in_memory()
    {
        Assert.Equal([16, 0, 0, 0, 0, 0, 0, 0], ChaosProtocol.WriteResponse(16));
        Assert.Equal([0, 0, 0, 0, 8, 0, 0, 0, 7, 0, 0, 0, 3, 1, 0, 0], ChaosProtocol.WriteNumbers(7, 0x103));
        Assert.Equal([0, 0, 0, 0, 3, 0, 0, 0, (byte)'/', (byte)'a', 0], ChaosProtocol.WriteName("/a"));
    }

    [Theory]
    [InlineData(0, 1, 16, -22)]
    [InlineData(4, 1, 16, -22)]
    [InlineData(-1, 1, 16, -22)]
    [InlineData(1, 0, 16, -22)]
    [InlineData(1, 2, 16, -22)]
    [InlineData(1, 1, -1, -22)]
    [InlineData(1, 1, int.MinValue, -22)]
    [InlineData(1, 1, int.MaxValue, -90)]
    [InlineData(1, 1, ChaosProtocol.MaxPayload, ChaosProtocol.MaxPayload)]
    [InlineData(1, 1, ChaosProtocol.MaxPayload + 1, -90)]
    [InlineData(2, 1, 17, -90)]
    [InlineData(3, 1, 16, 16)]
    [InlineData(3, 1, 0, 0)]
    public void A_header_says_how_much_follows_or_what_is_wrong(int command, int device, int length, int result) =>
        Assert.Equal(result, ChaosProtocol.ReadHeader(Header(command, length, device)));

    [Theory]
    [InlineData("file\0\0w\0/a.img")] // no NUL
    [InlineData("file\0\0w\0\0")] // no name
    [InlineData("file\0\0w\0")]
    [InlineData("file\0\0x\0/a.img\0")]
    [InlineData("file\0\0\0\0/a.img\0")]
    [InlineData("tap\0\0\0w\0/a.img\0")]
    [InlineData("filefiw\0/a.img\0")]
    [InlineData("\0\0\0\0\0\0w\0/a.img\0")]
    [InlineData("file")]
    [InlineData("")]
    public void What_is_malformed_is_no_request(string payload) =>
        Assert.Null(ChaosProtocol.Read(Header(1, payload.Length), Encoding.ASCII.GetBytes(payload)));

    [Fact]
    public void A_name_that_is_no_text_is_no_request() =>
        Assert.Null(ChaosProtocol.Read(Header(1, 11), [.. "file\0\0w\0"u8, 0xff, 0xfe, 0]));

    [Fact]
    public void Negative_numbers_are_no_device() =>
        Assert.Null(ChaosProtocol.Read(Header(2, 16), [.. "file\0\0\0\0"u8, 7, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]));

    [Fact]
    public void Whatever_comes_is_read_or_refused() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(2000), Prop.ForAll((int command, byte[] payload, byte pick) =>
        {
            // Half of them begin well, so that what comes after is looked at, too.
            byte[] bytes = (pick & 1) == 0 ? payload : [.. "file\0\0w\0"u8, .. payload];
            var request = ChaosProtocol.Read(Header((command & 3) == 0 ? 1 : command & 3, bytes.Length), bytes);
            return request is null or not ChaosRequest.Add { Disk.Target: "" };
        }));

    private static byte[] Header(int command, int length, int device = 1)
    {
        var header = new byte[ChaosProtocol.RequestHeader];
        BinaryPrimitives.WriteInt32LittleEndian(header, command);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(4), device);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), length);
        return header;
    }
}
