using System.Buffers.Binary;
using FsCheck;
using FsCheck.Fluent;
using LightVM.Migration;

namespace LightVM.Unit.Migration;

public sealed class StreamFramesTests
{
    /// <summary>Pieces as a stream has them: zeros, page frames in their order, anything else, and shifts between them.</summary>
    private static readonly Gen<byte[]> Part =
        from kind in Gen.Choose(0, 3)
        from words in Gen.Choose(1, 200)
        from seed in Gen.Choose(0, int.MaxValue)
        select kind switch
        {
            0 => new byte[words * 8],
            1 => Ascending((ulong)seed << 20, words),
            2 => Noise(seed, words * 8),
            _ => Noise(seed, words % 3 * 8),
        };

    [Fact]
    public void What_frames_stand_for_is_the_stream_however_it_is_cut() => Prop.ForAll(
        Gen.Zip(Part.NonEmptyListOf(), Gen.Choose(1, 900)).ToArbitrary(),
        input =>
        {
            byte[] stream = [.. input.Item1.SelectMany(part => part)];
            var (frames, wire) = Frames(stream, input.Item2 * 8);
            Assert.Equal(stream, frames);
            Assert.True(wire <= stream.Length);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Memory_without_anything_in_it_is_hardly_worth_a_word()
    {
        var (_, wire) = Frames(new byte[8 << 20], 256 << 10);
        Assert.Equal(8 * StreamRun.Size, wire);
    }

    [Fact]
    public void A_list_of_pages_is_as_short()
    {
        var (frames, wire) = Frames(Ascending(0xf000_0000_0000_0400, 1 << 20), 256 << 10);
        Assert.Equal(8 << 20, frames.Length);
        Assert.Equal(8 * StreamRun.Size, wire);
    }

    [Theory]
    [InlineData(0u, 0)]
    [InlineData(0u, -1)]
    [InlineData(0u, StreamRun.MaxCount + 1)]
    [InlineData(2u, 1)]
    [InlineData(uint.MaxValue, 1)]
    public void What_is_no_run_is_none(uint step, int count)
    {
        var bytes = new byte[StreamRun.Size];
        new StreamRun(7, step, count).Write(bytes);
        Assert.Null(StreamRun.Read(bytes));
    }

    private static (byte[] Stream, int Wire) Frames(byte[] stream, int cut)
    {
        var sink = new Sink();
        var frames = new StreamFrames(sink);
        for (var at = 0; at < stream.Length; at += cut)
        {
            var piece = stream[at..Math.Min(at + cut, stream.Length)];
            frames.Take((byte[])[.. new byte[MoveChannel.HeadSize], .. piece]);
        }

        frames.Flush();
        return (sink.Stream.ToArray(), sink.Wire);
    }

    private static byte[] Ascending(ulong first, int words)
    {
        var bytes = new byte[words * 8];
        for (var i = 0; i < words; i++) BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(i * 8), first + (ulong)i);
        return bytes;
    }

    private static byte[] Noise(int seed, int length)
    {
        var bytes = new byte[length];
        new System.Random(seed).NextBytes(bytes);
        return bytes;
    }

    private sealed class Sink : IStreamSink
    {
        public MemoryStream Stream { get; } = new();

        public int Wire { get; private set; }

        public void Data(Span<byte> frame)
        {
            Assert.NotEqual(MoveChannel.HeadSize, frame.Length);
            frame[..MoveChannel.HeadSize].Fill(0xee); // where a head is written
            Stream.Write(frame[MoveChannel.HeadSize..]);
            Wire += frame.Length - MoveChannel.HeadSize;
        }

        public void Run(StreamRun run)
        {
            var bytes = new byte[StreamRun.Size];
            run.Write(bytes);
            var read = StreamRun.Read(bytes)!.Value;
            Assert.Equal(run, read);
            var expanded = new byte[1000];
            for (var done = 0; done < read.Count;)
            {
                var length = read.Expand(done, expanded);
                Stream.Write(expanded.AsSpan(0, length));
                done += length / StreamRun.WordSize;
            }

            Wire += StreamRun.Size;
        }
    }
}
