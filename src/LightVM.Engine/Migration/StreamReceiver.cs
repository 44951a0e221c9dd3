using System.Buffers.Binary;
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

    /// <summary>Bytes of a record before its contents: type, length.</summary>
    private const int HeaderSize = 8;

    /// <summary>A record that whoever does not know it has to pass over, and nobody knows.</summary>
    private const uint Padding = 0x80000000 | 'L' << 16 | 'V' << 8 | 'M';

    private readonly MoveChannel _channel;
    private readonly MigrationStream _stream;
    private readonly XxHash64 _hash = new();
    private readonly SafeFileHandle _sink;
    private readonly byte[] _gathered = new byte[BufferSize];
    private readonly Thread _pump;
    private int _gatheredLength;
    private volatile LvmException? _problem;
    private volatile bool _isUnwanted;

    /// <param name="highestPfn">The highest page that the guest may have.</param>
    /// <param name="isBare">Whether the stream comes without frames, as Chaos sends it.</param>
    public StreamReceiver(MoveChannel channel, uint highestPfn, bool isBare = false)
    {
        _channel = channel;
        _stream = new MigrationStream(highestPfn);
        (Handle, _sink) = Pipe.Open();
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
        while (true)
        {
            // libxc has something to do until more comes.
            if (_gatheredLength > 0 && _channel.IsDry) HandOn();
            var (type, length) = _channel.ReceiveHead();
            switch (type)
            {
                case MoveFrame.Data:
                    TakeData(length);
                    CrashPoint.Reach(MoveCrashPoints.TargetReceiving);
                    break;
                case MoveFrame.Run:
                    TakeRun(_channel.ReceiveRun(length));
                    break;
                case MoveFrame.Mark:
                    _channel.ReceiveBody(type, length, Mark.Read);
                    HandOn();
                    if (WorkOff()) _channel.Send(new Marked());
                    break;
                case MoveFrame.End:
                    var end = _channel.ReceiveBody(type, length, StreamEnd.Read);
                    HandOn();
                    CheckEnd(end);
                    return;
                default:
                    throw _channel.Unexpected(type, length);
            }
        }
    }

    /// <summary>A stream whose end nobody announces: it is where the stream itself says.</summary>
    private void TakeBare()
    {
        while (!_stream.IsComplete && !_isUnwanted)
        {
            var count = _channel.Read(Room);
            if (count == 0) break;
            _gatheredLength += count;
            HandOn();
        }

        if (!_isUnwanted) _stream.Finish();
    }

    private Span<byte> Room => _gathered.AsSpan(_gatheredLength);

    private void TakeData(int length)
    {
        while (length > 0)
        {
            var bytes = Room[..Math.Min(length, Room.Length)];
            _channel.ReadExactly(bytes);
            length -= bytes.Length;
            Take(bytes.Length);
        }
    }

    private void TakeRun(StreamRun run)
    {
        for (var done = 0; done < run.Count && !_isUnwanted;)
        {
            if (Room.Length < StreamRun.WordSize) HandOn(); // the peer may send what is no multiple of it
            var length = run.Expand(done, Room);
            done += length / StreamRun.WordSize;
            Take(length);
        }
    }

    private void Take(int length)
    {
        _gatheredLength += length;
        if (Room.IsEmpty) HandOn();
    }

    /// <summary>Looks at what was gathered, and gives it to libxc.</summary>
    private void HandOn()
    {
        var bytes = _gathered.AsSpan(0, _gatheredLength);
        _gatheredLength = 0;
        if (_isUnwanted) return;
        if (_stream.Feed(bytes) < bytes.Length) throw _channel.Invalid("there is something behind the stream's end");
        _hash.Append(bytes);
        Give(bytes);
    }

    /// <summary>
    /// Waits until libxc has done all that it was given: it is given as much as the pipe can hold of what it passes over, and has begun to read
    /// of that when the pipe has taken all.
    /// </summary>
    /// <returns>False when it is done with the stream.</returns>
    private bool WorkOff()
    {
        if (_isUnwanted || _stream.Length == 0) return !_isUnwanted;
        if (!_stream.IsBetweenRecords) throw _channel.Invalid("it marks what is not between two records");
        var padding = new byte[HeaderSize + Pipe.Capacity(_sink) + Environment.SystemPageSize];
        BinaryPrimitives.WriteUInt32LittleEndian(padding, Padding);
        BinaryPrimitives.WriteInt32LittleEndian(padding.AsSpan(sizeof(uint)), padding.Length - HeaderSize);
        Give(padding);
        return !_isUnwanted;
    }

    private void Give(ReadOnlySpan<byte> bytes)
    {
        try
        {
            Pipe.Write(_sink, bytes);
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
