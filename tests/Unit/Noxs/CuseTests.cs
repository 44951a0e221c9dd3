using System.Buffers.Binary;
using System.Text;
using LightVM.Errors;
using LightVM.Host.Noxs;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>The kernel's protocol for devices in userland (linux/fuse.h), byte by byte.</summary>
public sealed class CuseTests : IDisposable
{
    private const int Header = 40;
    private readonly Handler _handler = new();
    private readonly CuseDevice _device;
    private readonly byte[] _answer = new byte[32768];

    public CuseTests()
    {
        _device = new CuseDevice("xen/some", _handler, -1);
    }

    public void Dispose() => _device.Dispose();

    [Fact]
    public void The_device_is_made_under_its_name_with_unrestricted_ioctls()
    {
        var answer = Ask(4096, Words(7, 38, 0, 0));
        Assert.Equal(0, Error(answer));
        Assert.Equal(7u, Word(answer, 16));
        Assert.Equal(36u, Word(answer, 20)); // no newer than what is known here
        Assert.Equal(1u, Word(answer, 28));
        Assert.Equal("DEVNAME=xen/some\0", Encoding.ASCII.GetString(answer[(16 + 72)..]));

        Assert.NotEqual(0, Error(Ask(4096, Words(8, 0, 0, 0))));
        Assert.NotEqual(0, Error(Ask(4096, Words(7, 10, 0, 0))));
    }

    [Fact]
    public void Who_may_not_is_told_when_he_opens_it()
    {
        Assert.Equal(0, Error(Ask(14, new byte[8], process: 1)));
        Assert.Equal(-ErrnoText.EPERM, Error(Ask(14, new byte[8], process: 2)));
    }

    [Fact]
    public void A_call_is_asked_for_its_argument_and_then_done()
    {
        var asked = Ask(39, Ioctl(NoxsCalls.Destroy, 0x7ffc_1234_5678, 0, 0, []));
        Assert.Equal(0, Error(asked));
        Assert.Equal((4u, 1u, 1u), (Word(asked, 20), Word(asked, 24), Word(asked, 28))); // once more, with one piece each way
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal(0x7ffc_1234_5678ul, BinaryPrimitives.ReadUInt64LittleEndian(asked.AsSpan(32 + i * 16)));
            Assert.Equal(12ul, BinaryPrimitives.ReadUInt64LittleEndian(asked.AsSpan(40 + i * 16)));
        }

        Assert.Null(_handler.Last);
        var done = Ask(39, Ioctl(NoxsCalls.Destroy, 0x7ffc_1234_5678, 12, 12, Enumerable.Range(1, 12).Select(i => (byte)i).ToArray()));
        Assert.Equal(NoxsCalls.Destroy, _handler.Last);
        Assert.Equal(0, Error(done));
        Assert.Equal(0u, Word(done, 20));
        Assert.Equal(Enumerable.Range(2, 12).Select(i => (byte)i), done[32..]); // the handler adds one to each byte

        _handler.Errno = ErrnoText.EEXIST;
        Assert.Equal(-ErrnoText.EEXIST, Error(Ask(39, Ioctl(NoxsCalls.Destroy, 1, 12, 12, new byte[12]))));
        Assert.Equal(-ErrnoText.ENOTTY, Error(Ask(39, Ioctl(0x5401, 1, 0, 0, []))));
    }

    [Fact]
    public void What_has_no_answer_gets_none()
    {
        Assert.Empty(Ask(36, new byte[8]));
        Assert.Empty(Ask(2, new byte[8]));
        Assert.Equal(16, Ask(18, new byte[24]).Length);
        Assert.Equal(-ErrnoText.ENOSYS, Error(Ask(15, new byte[40])));
    }

    [Fact]
    public void Whatever_comes_is_answered_or_left()
    {
        var random = new Random(1);
        uint[] opcodes = [4096, 14, 15, 18, 25, 36, 39, 39, 39, 40, 99999];
        uint[] calls = [NoxsCalls.Create, NoxsCalls.Destroy, NoxsCalls.List, NoxsCalls.Query, NoxsCalls.GuestClose, NoxsCalls.TellOfPage, NoxsCalls.AskToLetGo, 0, uint.MaxValue];
        for (var i = 0; i < 20000; i++)
        {
            var body = new byte[random.Next(200)];
            random.NextBytes(body);
            if (body.Length >= 32 && random.Next(2) == 0)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(12), calls[random.Next(calls.Length)]);
                BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(24), (uint)random.Next(200));
                BinaryPrimitives.WriteUInt32LittleEndian(body.AsSpan(28), (uint)random.Next(200));
            }

            var answer = Ask(opcodes[random.Next(opcodes.Length)], body);
            if (answer.Length > 0) Assert.Equal(answer.Length, BinaryPrimitives.ReadInt32LittleEndian(answer));
        }
    }

    [Fact]
    public void Every_call_survives_every_argument()
    {
        using var machine = new MemoryMachine();
        var random = new Random(2);
        uint[] calls = [NoxsCalls.Create, NoxsCalls.Destroy, NoxsCalls.List, NoxsCalls.Query, NoxsCalls.GuestClose, NoxsCalls.TellOfPage, NoxsCalls.AskToLetGo];
        uint[] values = [0, 1, 2, 3, 4, 7, 8, 31, 32, 255, 256, 0x7fef, 0x7ff0, 0xffff, 0x70000, 0x80000, uint.MaxValue];
        for (var i = 0; i < 20000; i++)
        {
            var call = calls[random.Next(calls.Length)];
            var argument = new byte[NoxsCalls.SizeOf(call)];
            for (var at = 0; at + 4 <= argument.Length; at += 4) BinaryPrimitives.WriteUInt32LittleEndian(argument.AsSpan(at), values[random.Next(values.Length)]);
            Assert.InRange(machine.Service.Call(call, argument, process: 1), 0, 200);
        }

        machine.Service.DropEnded(() => _ => false);
        machine.AssertEmpty();
    }

    private static byte[] Words(params uint[] words) => words.SelectMany(BitConverter.GetBytes).ToArray();

    private static byte[] Ioctl(uint call, ulong argument, uint sent, uint wanted, byte[] data) =>
        [.. BitConverter.GetBytes(0ul), .. BitConverter.GetBytes(2u), .. BitConverter.GetBytes(call), .. BitConverter.GetBytes(argument), .. BitConverter.GetBytes(sent), .. BitConverter.GetBytes(wanted), .. data];

    private static int Error(byte[] answer) => BinaryPrimitives.ReadInt32LittleEndian(answer.AsSpan(4));

    private static uint Word(byte[] answer, int at) => BinaryPrimitives.ReadUInt32LittleEndian(answer.AsSpan(at));

    private byte[] Ask(uint opcode, byte[] body, int process = 1)
    {
        var request = new byte[Header + body.Length];
        BinaryPrimitives.WriteInt32LittleEndian(request, request.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(request.AsSpan(4), opcode);
        BinaryPrimitives.WriteUInt64LittleEndian(request.AsSpan(8), 0x1122334455667788);
        BinaryPrimitives.WriteInt32LittleEndian(request.AsSpan(32), process);
        body.CopyTo(request, Header);
        var length = _device.Answer(request, _answer);
        if (length > 0) Assert.Equal(0x1122334455667788ul, BinaryPrimitives.ReadUInt64LittleEndian(_answer.AsSpan(8)));
        return _answer[..length];
    }

    private sealed class Handler : ICallHandler
    {
        public uint? Last { get; private set; }

        public int Errno { get; set; }

        public int Open(uint user, int process) => process == 1 ? 0 : ErrnoText.EPERM;

        public int Call(uint call, Span<byte> argument, int process)
        {
            Last = call;
            foreach (ref var each in argument) each++;
            return Errno;
        }
    }
}
