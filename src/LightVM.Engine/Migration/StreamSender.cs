using LightVM.Errors;
using LightVM.Images;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Migration;

/// <summary>Takes what libxc writes into a pipe, and sends it in frames; on a thread of its own.</summary>
internal sealed class StreamSender : IStreamSink, IDisposable
{
    /// <summary>Small enough for a processor's cache.</summary>
    private const int FrameSize = 256 << 10;

    /// <summary>So much of the stream, however short it is said, goes out at once: the target has something to do meanwhile.</summary>
    private const int Portion = 512 << 10;

    /// <summary>The same while the guest stands still: a page, so that the target has them while libxc looks for what is no memory.</summary>
    private const int LastPortion = 4 << 10;

    /// <summary>How long one that is given up may take to notice before its connection is cut.</summary>
    private static readonly TimeSpan Parting = TimeSpan.FromSeconds(2);

    private readonly MoveChannel _channel;
    private readonly Bandwidth? _limit;
    private readonly Action _failed;
    private readonly bool _isBare;
    private readonly SafeFileHandle _source;
    private readonly WakeFile _mark = new();
    private readonly Thread _pump;
    private readonly ManualResetEventSlim _givenUp = new();
    private readonly MigrationStream _stream = new();
    private volatile bool _isWhole;
    private volatile bool _isInHurry;
    private volatile int _thread;
    private volatile LvmException? _problem;
    private long _length;
    private bool _isDisposed;

    /// <param name="bandwidth">Bytes a second; null for no limit.</param>
    /// <param name="failed">Called once when nothing can be sent any more: whoever writes should cease.</param>
    /// <param name="isBare">Whether the stream goes without frames and without an end that is announced, as Chaos sends it.</param>
    public StreamSender(MoveChannel channel, long? bandwidth, Action failed, bool isBare = false)
    {
        _isBare = isBare;
        _channel = channel;
        _limit = bandwidth is { } limit ? new Bandwidth(limit) : null;
        _failed = failed;
        (_source, Handle) = Pipe.Open();
        _pump = new Thread(Pump) { IsBackground = true, Name = "move sender" };
        _pump.Start();
    }

    /// <summary>Where libxc writes.</summary>
    public SafeFileHandle Handle { get; }

    /// <summary>Bytes of the stream that were sent so far.</summary>
    public long Length => Interlocked.Read(ref _length);

    /// <summary>Why nothing can be sent any more; null as long as it can.</summary>
    public LvmException? Problem => _problem;

    /// <summary>Has a <see cref="LightVM.Migration.Mark"/> sent behind all that was written so far. Whoever writes does not until it has been.</summary>
    public void Mark() => _mark.Wake();

    /// <summary>The guest is about to stand still: what is written from now on goes out as soon as it comes.</summary>
    public void Hurry()
    {
        _isInHurry = true;
        if (_thread is > 0 and var thread) _ = Libc.SetScheduler(thread, Libc.UsualScheduling, 0);
    }

    /// <summary>Says that all was written, waits until it was sent, and sends the stream's end. Errors: those of the link.</summary>
    public void Complete()
    {
        _isWhole = true;
        Handle.Dispose();
        _pump.Join(); // each of its writes has a deadline
        if (_problem is not null) throw _problem;
    }

    /// <summary>Sends no more. The link can be written to by others then, or is cut.</summary>
    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        Handle.Dispose();
        _givenUp.Set();
        if (!_pump.Join(Parting))
        {
            _channel.Link.Abort();
            _pump.Join();
        }

        _givenUp.Dispose();
        _mark.Dispose();
    }

    private void Pump()
    {
        // Where there is one processor, libxc would be interrupted for each record that it writes: a thousand times for a guest without memory.
        _ = Libc.SetScheduler(0, Libc.BatchScheduling, 0);
        _thread = Libc.ThreadNumber();
        try
        {
            var hash = new XxHash64();
            var frames = new StreamFrames(this);
            var buffer = new byte[MoveChannel.HeadSize + FrameSize];
            var (portion, isEnded) = (0, false);
            while (true)
            {
                if (IsMarked())
                {
                    frames.Flush();
                    _channel.Send(new Mark());
                    portion = 0;
                    continue;
                }

                var count = ReadWords(buffer.AsSpan(MoveChannel.HeadSize));
                if (count == 0) break;
                if (_isBare)
                {
                    if (Waits(count)) _channel.SendBare(buffer.AsSpan(MoveChannel.HeadSize, count));
                }
                else
                {
                    hash.Append(buffer.AsSpan(MoveChannel.HeadSize, count));
                    _stream.Feed(buffer.AsSpan(MoveChannel.HeadSize, count));
                    frames.Take(buffer.AsSpan(0, MoveChannel.HeadSize + count));
                }

                if (_givenUp.IsSet) return;
                Interlocked.Add(ref _length, count);
                if (_stream.IsComplete && !_isBare && !isEnded)
                {
                    // libxc has more to do, and nothing more to say.
                    SendEnd();
                }
                else if ((portion += count) >= (_isInHurry ? LastPortion : Portion))
                {
                    _channel.Flush();
                    portion = 0;
                }

                CrashPoint.Reach(MoveCrashPoints.SourceCopying);
            }

            if (_isWhole && !_isBare && !isEnded) SendEnd();

            void SendEnd()
            {
                isEnded = true;
                frames.Flush();
                _channel.Send(new StreamEnd(_length, hash.Value));
            }
        }
        catch (Exception error)
        {
            _problem = error as LvmException ?? new LvmException(ErrorIds.ConnectionLost, error.Message.TrimEnd('.'), error);
            _failed();
        }
        finally
        {
            // Whoever still writes learns of it.
            _source.Dispose();
        }
    }

    void IStreamSink.Data(Span<byte> frame)
    {
        if (Waits(frame.Length)) _channel.SendData(frame);
    }

    void IStreamSink.Run(StreamRun run)
    {
        if (Waits(MoveChannel.HeadSize + StreamRun.Size)) _channel.SendRun(run);
    }

    /// <summary>Waits as the limit wants it; false when it was given up.</summary>
    private bool Waits(int count) => !(_limit?.Take(count) is { Ticks: > 0 } delay && _givenUp.Wait(delay)) && !_givenUp.IsSet;

    /// <summary>Waits for something to send. True: there is nothing, and a mark was asked for.</summary>
    private bool IsMarked()
    {
        if (Pipe.AwaitReadable(_source, _mark)) return false;
        _mark.Clear();
        return true;
    }

    /// <summary>Reads some bytes: whole words, but at the end of all.</summary>
    private int ReadWords(Span<byte> buffer)
    {
        var count = Pipe.Read(_source, buffer);
        for (var more = count; more > 0 && count % StreamRun.WordSize != 0;) count += more = Pipe.Read(_source, buffer[count..(count + StreamRun.WordSize - count % StreamRun.WordSize)]);
        return count;
    }
}
