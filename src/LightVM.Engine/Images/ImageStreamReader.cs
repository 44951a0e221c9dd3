using LightVM.Configuration;
using LightVM.Errors;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Images;

/// <summary>An image that comes by a stream: a thread goes along it and hands to libxc, through a pipe, what was found to be sound.</summary>
internal sealed class ImageStreamReader : ImageReader
{
    private readonly ImageSource _source;
    private readonly string _name;
    private readonly ImageHead _head = new();
    private readonly XxHash64 _hash = new();
    private readonly SafeFileHandle _sink;
    private readonly Thread _pump;
    private readonly byte[] _start;
    private volatile LvmException? _problem;
    private volatile bool _isLeft;

    public ImageStreamReader(Stream source, string name)
    {
        (_source, _name) = (new ImageSource.OfStream(source), name);
        _head.Read(_source);
        // The stream's headers, so that the guest's type is known before anything is made.
        _start = _source.ReadPart(MigrationStream.HeaderSize, "stream");
        Feed(_start);
        _head.Match(Stream);
        Config = _head.Config!;
        (Handle, _sink) = Pipe.Open();
        _pump = new Thread(Pump) { IsBackground = true, Name = "image reader" };
        _pump.Start();
    }

    public override DomainImage Image => _head.Describe(_name, _source.Position, Stream, _head.Parts, _problem?.InnerException as ImageRefusal);

    public override DomainConfig Config { get; }

    public override MigrationStream Stream { get; } = new();

    public override SafeFileHandle Handle { get; }

    public override LvmException? Problem => _problem;

    public override void Complete()
    {
        _pump.Join();
        if (_isLeft) throw new LvmException(ErrorIds.OperationCancelled, $"'{_name}' was not read to its end");
        if (_problem is not null) throw _problem;
    }

    protected override void Dispose(bool disposing)
    {
        // The pump's next write ends it; a read in progress comes to its end first.
        if (disposing) Handle.Dispose();
    }

    private void Pump()
    {
        try
        {
            Pass(_start);
            var buffer = new byte[StreamScan.BufferSize];
            while (!Stream.IsComplete)
            {
                var count = _source.Read(buffer);
                if (count == 0) Finish();
                var own = Feed(buffer.AsSpan(0, count));
                Pass(buffer.AsSpan(0, own));
                _source.Unread(buffer.AsSpan(own, count - own));
            }

            // libxc has got all that it needs, and may begin with what takes it time.
            _sink.Dispose();
            if (_head.Format == ImageFormat.LightVM) CheckTrailer();
            else if (_head.Format == ImageFormat.Xl) XlLayout.ReadEnd(_source);
            _head.Match(Stream);
        }
        catch (ImageRefusal refusal)
        {
            _problem = refusal.Of(_name);
        }
        catch (Exception) when (_isLeft)
        {
            // libxc has ended before the stream did: it has said why.
        }
        catch (Exception error)
        {
            _problem = new LvmException(ErrorIds.ImageUnreadable, $"'{_name}' cannot be read: {error.Message.TrimEnd('.')}", error);
        }
        finally
        {
            _sink.Dispose();
        }
    }

    private void Pass(ReadOnlySpan<byte> bytes)
    {
        _hash.Append(bytes);
        try
        {
            Pipe.Write(_sink, bytes);
        }
        catch (IOException)
        {
            _isLeft = true;
            throw;
        }
    }

    private void CheckTrailer()
    {
        var trailer = _source.ReadPart(ImageLayout.TrailerSize, "trailer");
        if (!ImageLayout.IsTrailer(trailer)) throw ImageRefusal.Invalid("it has no trailer: it was cut off, or never completed");
        if (!ImageLayout.IsWholeTrailer(trailer)) throw ImageRefusal.Differs("trailer");
        if (ImageLayout.Entry(trailer, _head.Checksums.Count).Checksum != _hash.Value) throw ImageRefusal.Differs("stream");
        if (!trailer.AsSpan().SequenceEqual(ImageLayout.Trailer([.. _head.Checksums, new PartChecksum(_head.StreamOffset, Stream.Length, _hash.Value)]))) throw ImageRefusal.Invalid("its table of parts is not that of this image");
    }

    private int Feed(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return Stream.Feed(bytes);
        }
        catch (LvmException refusal)
        {
            throw ImageRefusal.Invalid(refusal.Problem);
        }
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
