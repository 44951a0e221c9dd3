using System.IO.Pipes;
using LightVM.Errors;
using LightVM.Host.Output;
using LightVM.Hypervisor;
using LightVM.Images;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Unit.Images;

/// <summary>Images that go to a stream and come from one.</summary>
public sealed class PipedImageTests : IDisposable
{
    private static readonly byte[] Large = StreamSample.Pv(3000).ToArray();

    private readonly ImageFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void What_goes_to_a_stream_is_what_would_be_in_a_file()
    {
        var output = new MemoryStream();
        var piped = Write(output, Large);
        var filed = _folder.Save("a.lvm", Large);

        Assert.Equal(File.ReadAllBytes(_folder["a.lvm"]), output.ToArray());
        Assert.Equal(filed with { Parts = [] }, piped with { Path = filed.Path, Parts = [] });
        Assert.Equal(filed.Parts, piped.Parts);
    }

    [Fact]
    public void It_comes_out_of_a_stream_as_it_went_in()
    {
        using var output = new AnonymousPipeServerStream(PipeDirection.Out);
        using var input = new AnonymousPipeClientStream(PipeDirection.In, output.ClientSafePipeHandle);
        var writing = new Thread(() => Write(output, Large));
        writing.Start();

        using var reader = ImageReader.FromStream(input);
        Assert.Equal((ImageFolder.Config, GuestType.PV, "4.17.4"), (reader.Config, reader.Stream.Type, reader.Image.XenVersion));
        Assert.Equal(Large, ImageFolder.ReadAsLibxc(reader.Handle, int.MaxValue));
        reader.Complete();

        writing.Join();
        Assert.Equal((3000 / 3 * 2, ImageState.Whole), (reader.Stream.PageCount, reader.Image.State));
    }

    [Fact]
    public void An_image_that_nobody_reads_from_standard_output_is_none()
    {
        var (read, write) = Pipe.Open();
        using var output = new StandardOutput(write);
        read.Dispose();

        using var writer = ImageWriter.ToStream(output, ImageFolder.Config, ImageFolder.Facts);
        Assert.Equal(ErrorIds.HostFileFailure, Assert.ThrowsAny<LvmException>(() => writer.Complete(TestContext.Current.CancellationToken)).ErrorId);
    }

    [Fact]
    public void What_went_to_standard_output_is_there()
    {
        using (var output = new StandardOutput(File.OpenHandle(_folder["out"], FileMode.Create, FileAccess.Write))) Write(output, Large);

        _folder.Save("a.lvm", Large);
        Assert.Equal(File.ReadAllBytes(_folder["a.lvm"]), File.ReadAllBytes(_folder["out"]));
    }

    [Fact]
    public void Several_images_may_come_one_after_the_other()
    {
        var output = new MemoryStream();
        Write(output, Large);
        output.Write("and then?"u8);
        output.Position = 0;

        // Bytes that come no more than one at a time show that nobody reads beyond the end.
        var source = new Bytewise(output);
        using var reader = ImageReader.FromStream(source);
        Assert.Equal(Large, ImageFolder.ReadAsLibxc(reader.Handle, int.MaxValue));
        reader.Complete();
        Assert.Equal('a', source.ReadByte());
    }

    [Fact]
    public void A_stream_that_takes_no_more_is_said_to_and_libxc_is_not_left_waiting()
    {
        using var writer = ImageWriter.ToStream(new Failing(new MemoryStream(), after: 100_000), ImageFolder.Config, ImageFolder.Facts);
        Assert.Throws<IOException>(() => ImageFolder.WriteAsLibxc(writer.Handle, Large));
        var error = Assert.ThrowsAny<LvmException>(() => writer.Complete(TestContext.Current.CancellationToken));
        Assert.Equal(ErrorIds.HostFileFailure, error.ErrorId);
        Assert.Contains("no more room", error.Problem, StringComparison.Ordinal);
        Assert.Same(error, writer.Problem);
    }

    [Fact]
    public void What_libxc_did_not_write_to_its_end_or_beyond_it_gets_no_trailer()
    {
        foreach (var wrong in new byte[][] { [], Large[..^8], [.. Large, 0], [.. Large[..100], .. Large[108..]] })
        {
            var output = new MemoryStream();
            using var writer = ImageWriter.ToStream(output, ImageFolder.Config, ImageFolder.Facts);
            // The pump may have gone before all is written.
            Record.Exception(() => ImageFolder.WriteAsLibxc(writer.Handle, wrong));
            Assert.Equal(ErrorIds.StreamInvalid, Assert.ThrowsAny<LvmException>(() => writer.Complete(TestContext.Current.CancellationToken)).ErrorId);
            Assert.False(output.Length >= 160 && ImageLayout.IsTrailer(output.ToArray().AsSpan()[^160..]));
        }
    }

    [Fact]
    public void A_writer_that_is_given_up_adds_no_trailer()
    {
        var output = new MemoryStream();
        using (var writer = ImageWriter.ToStream(output, ImageFolder.Config, ImageFolder.Facts)) ImageFolder.WriteAsLibxc(writer.Handle, Large);
        Assert.InRange(output.Length, 0, Large.Length + 1000);
    }

    /// <summary>Libxc never sees what is not sound: each piece is looked at first.</summary>
    [Fact]
    public void Damage_is_found_before_libxc_gets_to_it()
    {
        var output = new MemoryStream();
        Write(output, Large);
        var bytes = output.ToArray();
        // The record that follows the pages.
        var record = StreamSample.Pv(3000).Boundaries[5];
        var head = bytes.Length - Large.Length - 160;
        bytes[head + record] ^= 0x40;

        using var reader = ImageReader.FromStream(new MemoryStream(bytes));
        var read = ImageFolder.ReadAsLibxc(reader.Handle, int.MaxValue);

        Assert.True(Large.AsSpan(0, record).StartsWith(read), $"{read.Length} bytes of which {record} are sound");
        Assert.Equal(ErrorIds.ImageInvalid, Assert.ThrowsAny<LvmException>(reader.Complete).ErrorId);
        Assert.Contains($"at byte {record}", reader.Problem!.Problem, StringComparison.Ordinal);
        Assert.Equal(ImageState.Broken, reader.Image.State);
    }

    [Fact]
    public void A_source_that_fails_is_no_broken_image()
    {
        var output = new MemoryStream();
        Write(output, Large);
        output.Position = 0;
        using var reader = ImageReader.FromStream(new Failing(output, after: 100_000));
        ImageFolder.ReadAsLibxc(reader.Handle, int.MaxValue);
        Assert.Equal(ErrorIds.ImageUnreadable, Assert.ThrowsAny<LvmException>(reader.Complete).ErrorId);
        Assert.Equal(ErrorIds.ImageUnreadable, Assert.ThrowsAny<LvmException>(() => ImageReader.FromStream(new Failing(output, after: 0))).ErrorId);
    }

    [Fact]
    public void A_libxc_that_ends_early_is_no_broken_image()
    {
        var output = new MemoryStream();
        Write(output, Large);
        output.Position = 0;
        using var reader = ImageReader.FromStream(output);
        ImageFolder.ReadAsLibxc(reader.Handle, 100);
        reader.Handle.Dispose();
        Assert.Equal(ErrorIds.OperationCancelled, Assert.ThrowsAny<LvmException>(reader.Complete).ErrorId);
        Assert.Null(reader.Problem);
    }

    [Theory]
    [InlineData("")]
    [InlineData("no")]
    [InlineData("no image at all")]
    public void What_is_no_image_is_refused_before_anything_is_made_of_it(string text) =>
        Assert.Equal(ErrorIds.ImageInvalid, Assert.ThrowsAny<LvmException>(() => ImageReader.FromStream(new MemoryStream(System.Text.Encoding.ASCII.GetBytes(text)))).ErrorId);

    private static DomainImage Write(Stream output, byte[] stream)
    {
        using var writer = ImageWriter.ToStream(output, ImageFolder.Config, ImageFolder.Facts);
        ImageFolder.WriteAsLibxc(writer.Handle, stream);
        return writer.Complete();
    }

    /// <summary>A stream in which something goes wrong after so many bytes.</summary>
    private sealed class Failing(Stream stream, long after) : Wrapped(stream)
    {
        private long _left = after;

        public override int Read(Span<byte> buffer)
        {
            var count = Inner.Read(buffer);
            return (_left -= count) > 0 ? count : throw new IOException("the line is dead");
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if ((_left -= buffer.Length) < 0) throw new IOException("there is no more room");
            Inner.Write(buffer);
        }
    }

    private sealed class Bytewise(Stream stream) : Wrapped(stream)
    {
        public override int Read(Span<byte> buffer) => Inner.Read(buffer[..Math.Min(buffer.Length, 1)]);
    }

    private abstract class Wrapped(Stream stream) : Stream
    {
        protected Stream Inner => stream;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));
    }
}
