using Microsoft.Win32.SafeHandles;

namespace LightVM.Images;

/// <summary>Where the bytes of an image come from, one after the other.</summary>
internal abstract class ImageSource
{
    private ReadOnlyMemory<byte> _unread;

    /// <summary>Bytes that were taken so far.</summary>
    public long Position { get; private set; }

    /// <summary>Some bytes, at least one; 0 at the end.</summary>
    public int Read(Span<byte> buffer)
    {
        int count;
        if (!_unread.IsEmpty)
        {
            count = Math.Min(_unread.Length, buffer.Length);
            _unread.Span[..count].CopyTo(buffer);
            _unread = _unread[count..];
        }
        else
        {
            count = ReadMore(buffer, Position);
        }

        Position += count;
        return count;
    }

    /// <summary>So many bytes, or fewer where it ends before that.</summary>
    public byte[] ReadUpTo(int count)
    {
        var bytes = new byte[count];
        var length = 0;
        for (int more; length < count && (more = Read(bytes.AsSpan(length))) > 0;) length += more;
        return length == count ? bytes : bytes[..length];
    }

    /// <summary>So many bytes.</summary>
    /// <param name="count">How many; never what an image claims without a limit.</param>
    /// <param name="part">The part that they are of, for the refusal where it ends before that.</param>
    public byte[] ReadPart(int count, string part)
    {
        var bytes = ReadUpTo(count);
        return bytes.Length == count ? bytes : throw ImageRefusal.CutOff(part);
    }

    /// <summary>Passes over bytes.</summary>
    public void Skip(long count, string part)
    {
        var buffer = new byte[(int)Math.Min(count, 16 << 10)];
        while (count > 0)
        {
            var more = Read(buffer.AsSpan(0, (int)Math.Min(count, buffer.Length)));
            if (more == 0) throw ImageRefusal.CutOff(part);
            count -= more;
        }
    }

    /// <summary>Puts bytes back that were read last.</summary>
    public void Unread(ReadOnlySpan<byte> bytes)
    {
        _unread = (byte[])[.. bytes, .. _unread.Span];
        Position -= bytes.Length;
    }

    /// <summary>Goes on from another place; of a file only.</summary>
    public void MoveTo(long position) => (Position, _unread) = (position, default);

    protected abstract int ReadMore(Span<byte> buffer, long position);

    public sealed class OfFile(SafeFileHandle file) : ImageSource
    {
        protected override int ReadMore(Span<byte> buffer, long position) => RandomAccess.Read(file, buffer, position);
    }

    public sealed class OfStream(Stream stream) : ImageSource
    {
        protected override int ReadMore(Span<byte> buffer, long position) => stream.Read(buffer);
    }
}
