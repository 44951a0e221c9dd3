using LightVM.Errors;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Images;

/// <summary>An image in a file, gone through from end to end, with everything that was found and what is wrong with it.</summary>
internal sealed class ImageInspection
{
    private readonly SafeFileHandle _file;
    private readonly long _length;
    private readonly List<ImagePart> _tail = [];

    private ImageInspection(SafeFileHandle file)
    {
        _file = file;
        _length = RandomAccess.GetLength(file);
    }

    public ImageHead Head { get; } = new();

    public MigrationStream Stream { get; } = new();

    /// <summary>Why it cannot be restored; null when it can.</summary>
    public ImageRefusal? Refusal { get; private set; }

    public static ImageInspection Of(SafeFileHandle file, CancellationToken cancellation)
    {
        var inspection = new ImageInspection(file);
        try
        {
            inspection.Inspect(cancellation);
        }
        catch (ImageRefusal refusal)
        {
            inspection.Refusal = refusal;
        }

        return inspection;
    }

    public DomainImage Describe(string path) => Head.Describe(path, _length, Stream, Head.Parts.Concat(_tail), Refusal);

    private void Inspect(CancellationToken cancellation)
    {
        Head.Read(new ImageSource.OfFile(_file));
        if (Head.Format == ImageFormat.LightVM) InspectOwn(cancellation);
        else InspectForeign(cancellation);
        Head.Match(Stream);
    }

    /// <summary>The trailer first: with it, what is wrong with the rest can be said in terms of parts.</summary>
    private void InspectOwn(CancellationToken cancellation)
    {
        var trailerOffset = _length - ImageLayout.TrailerSize;
        var trailer = new byte[ImageLayout.TrailerSize];
        if (trailerOffset < Head.StreamOffset || RandomAccess.Read(_file, trailer, trailerOffset) < trailer.Length || !ImageLayout.IsTrailer(trailer))
        {
            _tail.Add(new ImagePart("stream", Head.StreamOffset, Math.Max(0, _length - Head.StreamOffset), null, null));
            throw ImageRefusal.Invalid("it has no trailer: it was cut off, or never completed");
        }

        var isWhole = ImageLayout.IsWholeTrailer(trailer);
        var expected = ImageLayout.Entry(trailer, Head.Checksums.Count);
        var (checksum, refusal, length) = StreamScan.Checksum(_file, Head.StreamOffset, trailerOffset, Stream, cancellation);
        _tail.Add(new ImagePart("stream", Head.StreamOffset, length, ImageLayout.Text(isWhole ? expected.Checksum : checksum), isWhole ? expected.Checksum == checksum : null));
        _tail.Add(new ImagePart("trailer", trailerOffset, trailer.Length, ImageLayout.Text(ImageLayout.ChecksumOf(trailer)), isWhole));
        if (!isWhole) throw ImageRefusal.Differs("trailer");
        if (expected.Checksum != checksum) throw ImageRefusal.Differs("stream");
        if (refusal is not null) throw ImageRefusal.Invalid(refusal.Problem);
        Finish();
        if (Stream.Length != length) throw ImageRefusal.Invalid("there is something between its stream and its trailer");
        // The table as it has to be, byte for byte.
        if (!trailer.AsSpan().SequenceEqual(ImageLayout.Trailer([.. Head.Checksums, new PartChecksum(Head.StreamOffset, length, checksum)]))) throw ImageRefusal.Invalid("its table of parts is not that of this file");
    }

    private void InspectForeign(CancellationToken cancellation)
    {
        try
        {
            StreamScan.Walk(_file, Head.StreamOffset, Stream, cancellation);
        }
        catch (LvmException refusal)
        {
            throw ImageRefusal.Invalid(refusal.Problem);
        }
        finally
        {
            _tail.Add(new ImagePart("stream", Head.StreamOffset, Stream.Length, null, Stream.IsComplete));
        }

        var source = new ImageSource.OfFile(_file);
        source.MoveTo(Head.StreamOffset + Stream.Length);
        if (Head.Format == ImageFormat.Xl)
        {
            XlLayout.ReadEnd(source);
            _tail.Add(new ImagePart("trailer", Head.StreamOffset + Stream.Length, source.Position - Head.StreamOffset - Stream.Length, null, null));
        }

        if (source.Position != _length) throw ImageRefusal.Invalid($"it has {_length - source.Position} bytes after its end");
    }

    private void Finish()
    {
        try
        {
            Stream.Finish();
        }
        catch (LvmException refusal)
        {
            throw ImageRefusal.Invalid(refusal.Problem);
        }
    }
}
