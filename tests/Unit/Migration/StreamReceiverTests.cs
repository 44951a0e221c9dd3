using System.Buffers.Binary;
using FsCheck;
using FsCheck.Fluent;
using LightVM.Images;
using LightVM.Migration;

namespace LightVM.Unit.Migration;

public sealed class StreamReceiverTests
{
    /// <summary>The two headers of a stream of an HVM guest, by docs/specs/libxc-migration-stream of Xen.</summary>
    private static readonly byte[] Head =
    [
        .. Enumerable.Repeat((byte)0xff, 8), .. "XENF"u8, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0,
        2, 0, 0, 0, 12, 0, 0, 0, 4, 0, 0, 0, 17, 0, 0, 0,
    ];

    /// <summary>
    /// Whatever lies in the pipe: when the mark is answered, whoever reads the stream, record after record as libxc does, has begun to read
    /// what is behind it, and that is what it has to pass over.
    /// </summary>
    [Fact]
    public void A_mark_is_answered_when_everything_before_it_was_worked_off() => Prop.ForAll(
        Gen.Choose(0, 400_000).NonEmptyListOf().ToArbitrary(),
        sizes =>
        {
            var (here, there) = MemoryLink.Pair();
            using var near = here;
            using var far = there;
            var source = new MoveChannel(here);
            using var receiver = new StreamReceiver(new MoveChannel(there), uint.MaxValue);
            var (worked, foreign) = (0, 0);
            var reader = Task.Factory.StartNew(() =>
            {
                try
                {
                    Pipe.Read(receiver.Handle, new byte[Head.Length]); // written in one go with what follows
                    for (byte[] head; (head = Read(receiver, 8)).Length == 8;)
                    {
                        var type = BinaryPrimitives.ReadUInt32LittleEndian(head);
                        Assert.Equal(0x80000000, type & 0x80000000);
                        var length = BinaryPrimitives.ReadInt32LittleEndian(head.AsSpan(4));
                        Assert.Equal((length + 7) / 8 * 8, Read(receiver, (length + 7) / 8 * 8).Length);
                        if (type == Record) Volatile.Write(ref worked, worked + 1);
                        else foreign++;
                    }
                }
                catch (ObjectDisposedException)
                {
                    // It is over.
                }
            }, TaskCreationOptions.LongRunning);
            source.SendData((byte[])[.. new byte[MoveChannel.HeadSize], .. Head]);
            foreach (var size in sizes) source.SendData((byte[])[.. new byte[MoveChannel.HeadSize], .. RecordOf(size)]);

            source.Send(new Mark());
            var (answer, length) = source.ReceiveHead();

            Assert.Equal(sizes.Count, Volatile.Read(ref worked));
            Assert.Equal(MoveFrame.Marked, answer);
            source.ReceiveBody(answer, length, Marked.Read);
            here.CloseWriting();
            Assert.True(reader.Wait(TwoHosts.Patience));
            Assert.Equal((sizes.Count, 1), (worked, foreign));
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Before_anything_was_sent_a_mark_is_answered_at_once()
    {
        var (here, there) = MemoryLink.Pair();
        using var near = here;
        using var far = there;
        var source = new MoveChannel(here);
        using var receiver = new StreamReceiver(new MoveChannel(there), uint.MaxValue);
        source.Send(new Mark());
        Assert.Equal(MoveFrame.Marked, source.ReceiveHead().Type);
    }

    private const uint Record = 0x80000001;

    private static byte[] RecordOf(int size)
    {
        var record = new byte[8 + (size + 7) / 8 * 8];
        BinaryPrimitives.WriteUInt32LittleEndian(record, Record);
        BinaryPrimitives.WriteInt32LittleEndian(record.AsSpan(4), size);
        return record;
    }

    private static byte[] Read(StreamReceiver receiver, int length)
    {
        var bytes = new byte[length];
        var at = 0;
        for (int count; at < length && (count = Pipe.Read(receiver.Handle, bytes.AsSpan(at))) > 0;) at += count;
        return bytes[..at];
    }
}
