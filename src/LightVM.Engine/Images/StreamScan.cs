using System.Buffers;
using LightVM.Errors;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Images;

/// <summary>
/// Reads a libxc stream in a file. By read and not by mapping: a file that somebody shortens would take a mapping's reader with it, and
/// in a PV dom0 each page that is mapped costs the hypervisor's help.
/// </summary>
internal static class StreamScan
{
    /// <summary>Small enough for a processor's cache.</summary>
    internal const int BufferSize = 256 << 10;

    /// <summary>The checksum of a part of a file, all of which goes along a stream as well.</summary>
    /// <returns>The checksum; what the stream was refused for, if it was; and how many bytes were there.</returns>
    public static (ulong Checksum, LvmException? Refusal, long Length) Checksum(SafeFileHandle file, long from, long to, MigrationStream stream, CancellationToken cancellation)
    {
        var hash = new XxHash64();
        using var rented = new Rented();
        var buffer = rented.Bytes;
        LvmException? refusal = null;
        var at = from;
        while (at < to)
        {
            cancellation.ThrowIfCancellationRequested();
            var count = RandomAccess.Read(file, buffer.AsSpan(0, (int)Math.Min(buffer.Length, to - at)), at);
            if (count == 0) break;
            hash.Append(buffer.AsSpan(0, count));
            refusal ??= Feed(stream, buffer.AsSpan(0, count));
            at += count;
        }

        return (hash.Value, refusal, at - from);
    }

    /// <summary>Goes along a stream to its end. Errors: StreamInvalid.</summary>
    public static void Walk(SafeFileHandle file, long from, MigrationStream stream, CancellationToken cancellation)
    {
        using var rented = new Rented();
        var buffer = rented.Bytes;
        while (!stream.IsComplete)
        {
            cancellation.ThrowIfCancellationRequested();
            var count = RandomAccess.Read(file, buffer, from + stream.Length);
            if (count == 0) break;
            stream.Feed(buffer.AsSpan(0, count));
        }

        stream.Finish();
    }

    /// <summary>A buffer that was in use before, for in a PV dom0 each new page of memory costs the hypervisor's help.</summary>
    private readonly struct Rented() : IDisposable
    {
        public byte[] Bytes { get; } = ArrayPool<byte>.Shared.Rent(BufferSize);

        public void Dispose() => ArrayPool<byte>.Shared.Return(Bytes);
    }

    private static LvmException? Feed(MigrationStream stream, ReadOnlySpan<byte> bytes)
    {
        try
        {
            stream.Feed(bytes);
            return null;
        }
        catch (LvmException refusal)
        {
            return refusal;
        }
    }
}
