using LightVM.Images;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Host.Output;

/// <summary>
/// Standard output for what must not be lost: .NET's own stream of it takes a reader that has gone for one that has read all. A flush has what went to a file on its disk.
/// </summary>
internal sealed class StandardOutput(SafeFileHandle file) : Stream
{
    public static StandardOutput Open() => new(new SafeFileHandle(1, ownsHandle: false));

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override void Write(ReadOnlySpan<byte> buffer) => Pipe.Write(file, buffer);

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush() => Libc.SynchronizeIfItCan((int)file.DangerousGetHandle());

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) file.Dispose();
        base.Dispose(disposing);
    }
}
