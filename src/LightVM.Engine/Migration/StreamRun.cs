using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace LightVM.Migration;

/// <summary>
/// Words of 8 bytes of a stream of which each is the one before plus a step: pages of zeros (step 0), which most of a young guest's memory
/// consists of, and lists of page frames (step 1), of which a PVH guest has eight megabytes for the holes of its address space. A few
/// bytes in the place of up to a mebibyte that would have to be enciphered and carried.
/// </summary>
/// <param name="Count">How many words; 1 to <see cref="MaxCount"/>.</param>
internal readonly record struct StreamRun(ulong First, uint Step, int Count)
{
    public const int WordSize = sizeof(ulong);

    /// <summary>Bytes of a run on the wire: first word, step, count.</summary>
    public const int Size = 16;

    /// <summary>As much as a frame of data has.</summary>
    public const int MaxCount = MoveChannel.MaxData / WordSize;

    public int Length => Count * WordSize;

    /// <summary>What a piece of a stream is: a run, or null.</summary>
    public static StreamRun? Of(ReadOnlySpan<byte> piece)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(piece);
        if (words[0] == 0 && words[^1] == 0) return piece.IndexOfAnyExcept((byte)0) < 0 ? new StreamRun(0, 0, words.Length) : null;
        // Nearly all that is none shows at its ends.
        if (words[^1] != words[0] + (ulong)(words.Length - 1)) return null;
        for (var i = 1; i < words.Length; i++)
        {
            if (words[i] != words[0] + (ulong)i) return null;
        }

        return new StreamRun(words[0], 1, words.Length);
    }

    /// <summary>This with another behind it; null where that does not go on as this does, or it would be too long.</summary>
    public StreamRun? With(StreamRun next) =>
        next.Step == Step && next.First == First + (ulong)Step * (ulong)Count && Count + next.Count <= MaxCount ? this with { Count = Count + next.Count } : null;

    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, First);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], Step);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[12..], Count);
    }

    /// <summary>Null for what is none.</summary>
    public static StreamRun? Read(ReadOnlySpan<byte> bytes)
    {
        var run = new StreamRun(BinaryPrimitives.ReadUInt64LittleEndian(bytes), BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]));
        return run is { Step: 0 or 1, Count: > 0 and <= MaxCount } ? run : null;
    }

    /// <summary>The words from one on, as many as there is room for.</summary>
    /// <returns>Bytes.</returns>
    public int Expand(int from, Span<byte> into)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(into)[..Math.Min(Count - from, into.Length / WordSize)];
        if (Step == 0) words.Fill(First);
        else for (var i = 0; i < words.Length; i++) words[i] = First + (ulong)(from + i);
        return words.Length * WordSize;
    }
}
