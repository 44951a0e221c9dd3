using LightVM.Configuration;
using LightVM.Errors;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Images;

/// <summary>An image that goes to a stream as it comes.</summary>
internal sealed class ImageStreamWriter : ImageWriter
{
    private readonly Stream _output;
    private readonly DomainConfig _config;
    private readonly ImageFacts _facts;
    private readonly byte[] _head;
    private readonly PartChecksum[] _parts;
    private readonly SafeFileHandle _source;
    private readonly MigrationStream _stream = new();
    private readonly XxHash64 _hash = new();
    private readonly Thread _pump;
    private volatile LvmException? _problem;
    private volatile bool _isGivenUp;

    public ImageStreamWriter(Stream output, DomainConfig config, ImageFacts facts)
    {
        (_output, _config, _facts) = (output, config, facts);
        _head = ImageLayout.Head(DomainConfigJson.Write(config), facts, out _parts);
        (_source, Handle) = Pipe.Open();
        _pump = new Thread(Pump) { IsBackground = true, Name = "image writer" };
        _pump.Start();
    }

    public override SafeFileHandle Handle { get; }

    public override LvmException? Problem => _problem;

    public override DomainImage Complete(CancellationToken cancellation)
    {
        // The pump's end of file.
        Handle.Dispose();
        using (cancellation.UnsafeRegister(_ => GiveUp(), null)) _pump.Join();
        if (_isGivenUp) throw new LvmException(ErrorIds.OperationCancelled, "the image was given up");
        if (_problem is not null) throw _problem;
        _stream.Finish();
        PartChecksum[] parts = [.. _parts, new PartChecksum(_head.Length, _stream.Length, _hash.Value)];
        var trailer = ImageLayout.Trailer(parts);
        try
        {
            _output.Write(trailer);
            _output.Flush();
        }
        catch (Exception error)
        {
            throw Failure(error);
        }

        return Describe("-", _config, _facts, parts, trailer);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) GiveUp();
    }

    /// <summary>Takes the pipe away from both who use it: a read or a write in progress still comes to its end.</summary>
    private void GiveUp()
    {
        _isGivenUp = true;
        Handle.Dispose();
        _source.Dispose();
    }

    private void Pump()
    {
        try
        {
            _output.Write(_head);
            var buffer = new byte[StreamScan.BufferSize];
            for (int count; (count = Pipe.Read(_source, buffer)) > 0;)
            {
                var bytes = buffer.AsSpan(0, count);
                if (_stream.Feed(bytes) is var own && own < count) throw TooMuch(count - own);
                _hash.Append(bytes);
                _output.Write(bytes);
            }
        }
        catch (LvmException error)
        {
            _problem = error;
        }
        catch (Exception error)
        {
            if (!_isGivenUp) _problem = Failure(error);
        }
        finally
        {
            // Whoever still writes learns of it.
            _source.Dispose();
        }
    }

    private static LvmException Failure(Exception error) => new(ErrorIds.HostFileFailure, $"the image cannot be written to its stream: {error.Message.TrimEnd('.')}", error);
}
