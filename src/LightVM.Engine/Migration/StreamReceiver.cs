using System.Diagnostics;
using LightVM.Errors;
using LightVM.Images;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Migration;

/// <summary>
/// Takes the frames of a stream from a link, looks at each byte before libxc does, and hands it on through a pipe; on a thread of its own.
/// </summary>
internal sealed class StreamReceiver : IDisposable
{
    private const int BufferSize = 256 << 10;

    private readonly MoveChannel _channel;
    private readonly MigrationStream _stream;
    private readonly XxHash64 _hash = new();
    private readonly FileStream _sink;
    private readonly Thread _pump;
    private volatile LvmException? _problem;
    private volatile bool _isUnwanted;

    /// <param name="highestPfn">The highest page that the guest may have.</param>
    /// <param name="isBare">Whether the stream comes without frames, as Chaos sends it.</param>
    public StreamReceiver(MoveChannel channel, uint highestPfn, bool isBare = false)
    {
        _channel = channel;
        _stream = new MigrationStream(highestPfn);
        (Handle, var sink) = Pipe.Open();
        _sink = new FileStream(sink, FileAccess.Write, bufferSize: 0);
        _pump = new Thread(isBare ? () => Pump(TakeBare) : () => Pump(TakeFrames)) { IsBackground = true, Name = "move receiver" };
        _pump.Start();
    }

    /// <summary>Where libxc reads.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>What is wrong with the stream, or with the way that it came; null as long as nothing is.</summary>
    public LvmException? Problem => _problem;

    /// <summary>Bytes of the stream so far.</summary>
    public long Length => _stream.Length;

    /// <summary>Waits for the stream's end, which has to be where it was announced. Errors: StreamInvalid, MoveProtocolInvalid, those of the link, those of the peer.</summary>
    public void Complete()
    {
        _pump.Join(); // each of its reads has a deadline
        if (_problem is not null) throw _problem;
    }

    /// <summary>
    /// Takes in, and forgets, what still comes, until the peer has understood that it is not wanted, or the time is over: a connection
    /// that is closed with something unread is reset, and with it goes what the peer was told last.
    /// </summary>
    public void Drain(TimeSpan patience)
    {
        _isUnwanted = true;
        Handle.Dispose();
        var begin = Stopwatch.GetTimestamp();
        if (!_pump.Join(patience)) return;
        try
        {
            var buffer = new byte[BufferSize];
            _channel.Link.Stream.ReadTimeout = (int)patience.TotalMilliseconds;
            while (Stopwatch.GetElapsedTime(begin) < patience && _channel.Link.Stream.Read(buffer) > 0)
            {
            }
        }
        catch (LvmException)
        {
            // It has gone.
        }
    }

    public void Dispose()
    {
        Handle.Dispose();
        if (_pump.IsAlive) _channel.Link.Abort();
        _pump.Join();
    }

    private void Pump(Action take)
    {
        try
        {
            take();
        }
        catch (Exception error)
        {
            _problem = error as LvmException ?? new LvmException(ErrorIds.ConnectionLost, error.Message.TrimEnd('.'), error);
        }
        finally
        {
            _sink.Dispose();
        }
    }

    private void TakeFrames()
    {
        var buffer = new byte[BufferSize];
        while (true)
        {
            var (type, length) = _channel.ReceiveHead();
            if (type == MoveFrame.End)
            {
                CheckEnd(_channel.ReceiveBody(type, length, StreamEnd.Read));
                return;
            }

            if (type == MoveFrame.Run)
            {
                TakeRun(_channel.ReceiveRun(length), buffer);
                continue;
            }

            if (type != MoveFrame.Data) throw _channel.Unexpected(type, length);
            while (length > 0)
            {
                var bytes = buffer.AsSpan(0, Math.Min(length, BufferSize));
                _channel.ReadExactly(bytes);
                if (!_isUnwanted) Take(bytes);
                length -= bytes.Length;
            }

            CrashPoint.Reach(MoveCrashPoints.TargetReceiving);
        }
    }

    /// <summary>A stream whose end nobody announces: it is where the stream itself says.</summary>
    private void TakeBare()
    {
        var buffer = new byte[BufferSize];
        while (!_stream.IsComplete && !_isUnwanted)
        {
            var count = _channel.Link.Stream.Read(buffer);
            if (count == 0) break;
            Take(buffer.AsSpan(0, count));
        }

        if (!_isUnwanted) _stream.Finish();
    }

    private void TakeRun(StreamRun run, byte[] buffer)
    {
        for (var done = 0; done < run.Count && !_isUnwanted;)
        {
            var length = run.Expand(done, buffer);
            Take(buffer.AsSpan(0, length));
            done += length / StreamRun.WordSize;
        }
    }

    private void Take(ReadOnlySpan<byte> bytes)
    {
        if (_stream.Feed(bytes) < bytes.Length) throw _channel.Invalid("there is something behind the stream's end");
        _hash.Append(bytes);
        try
        {
            _sink.Write(bytes);
        }
        catch (IOException)
        {
            // Nobody reads any more; the peer will hear why.
            _isUnwanted = true;
        }
    }

    private void CheckEnd(StreamEnd end)
    {
        if (_isUnwanted) return;
        _stream.Finish();
        if (end.Length != _stream.Length || end.Checksum != _hash.Value)
            throw new LvmException(ErrorIds.StreamInvalid, $"what came ({_stream.Length} bytes) is not what was sent ({end.Length} bytes)");
    }
}
