using System.Net.Sockets;
using System.Security.Authentication;
using LightVM.Errors;

namespace LightVM.Migration;

/// <summary>
/// The stream of a <see cref="MigrationLink"/>: deadlines for every read and write, cutting from any thread, and an error of the
/// catalogue for whatever goes wrong. A connection on which a deadline has passed is cut: nobody knows how far the peer has come.
/// </summary>
internal abstract class LinkStream : Stream
{
    /// <summary>How long a peer may take to end a connection that has ended here.</summary>
    protected static readonly TimeSpan ClosingTime = TimeSpan.FromSeconds(5);

    private readonly Deadline _reading;
    private readonly Deadline _writing;
    private int _end;

    /// <param name="peer">Who is at the other end, for messages.</param>
    protected LinkStream(string peer)
    {
        Peer = peer;
        _reading = new Deadline(() => End(Ending.ReadTimedOut));
        _writing = new Deadline(() => End(Ending.WriteTimedOut));
    }

    private enum Ending
    {
        None,
        Cancelled,
        ReadTimedOut,
        WriteTimedOut,
        Disposed,
    }

    public sealed override bool CanRead => true;

    public sealed override bool CanWrite => true;

    public sealed override bool CanSeek => false;

    public sealed override bool CanTimeout => true;

    /// <summary>How long the peer may take to send something, in milliseconds.</summary>
    public sealed override int ReadTimeout { get => _reading.Milliseconds; set => _reading.Milliseconds = value; }

    /// <summary>How long the peer may take to accept something, in milliseconds.</summary>
    public sealed override int WriteTimeout { get => _writing.Milliseconds; set => _writing.Milliseconds = value; }

    public sealed override long Length => throw new NotSupportedException();

    public sealed override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Whether nothing has come that could be read, as far as can be told without reading.</summary>
    public virtual bool IsDry => false;

    protected string Peer { get; }

    /// <summary>Cuts the connection, and wakes whoever reads or writes.</summary>
    public void Abort() => End(Ending.Cancelled);

    /// <summary>Says that nothing more will be written.</summary>
    public void CloseWriting()
    {
        _writing.Begin();
        try
        {
            CloseWritingCore();
        }
        catch (Exception error) when (IsEnd(error))
        {
            throw Explain(error);
        }
        finally
        {
            _writing.Stop();
        }
    }

    public sealed override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty) return 0;
        _reading.Begin();
        try
        {
            return ReadCore(buffer);
        }
        catch (Exception error) when (IsEnd(error))
        {
            throw Explain(error);
        }
        finally
        {
            _reading.Stop();
        }
    }

    public sealed override void Write(ReadOnlySpan<byte> buffer)
    {
        _writing.Begin();
        try
        {
            WriteCore(buffer);
        }
        catch (Exception error) when (IsEnd(error))
        {
            throw Explain(error);
        }
        finally
        {
            _writing.Stop();
        }
    }

    public sealed override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.IsEmpty) return 0;
        using var aborting = cancellationToken.Register(Abort);
        _reading.Begin();
        try
        {
            return await ReadCoreAsync(buffer);
        }
        catch (Exception error) when (IsEnd(error))
        {
            throw Explain(error);
        }
        finally
        {
            _reading.Stop();
        }
    }

    public sealed override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        using var aborting = cancellationToken.Register(Abort);
        _writing.Begin();
        try
        {
            await WriteCoreAsync(buffer);
        }
        catch (Exception error) when (IsEnd(error))
        {
            throw Explain(error);
        }
        finally
        {
            _writing.Stop();
        }
    }

    public sealed override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public sealed override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public sealed override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public sealed override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Nothing is kept back here.</summary>
    public sealed override void Flush()
    {
    }

    public sealed override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public sealed override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public sealed override void SetLength(long value) => throw new NotSupportedException();

    protected abstract int ReadCore(Span<byte> buffer);

    protected abstract ValueTask<int> ReadCoreAsync(Memory<byte> buffer);

    protected abstract void WriteCore(ReadOnlySpan<byte> buffer);

    protected abstract ValueTask WriteCoreAsync(ReadOnlyMemory<byte> buffer);

    protected abstract void CloseWritingCore();

    /// <summary>Ends the connection at once: all reads and writes end with an exception. From any thread, at any time.</summary>
    protected abstract void Cut();

    /// <summary>Ends a connection that was not cut as it should: what was written still reaches the peer.</summary>
    protected abstract void CloseGently();

    /// <summary>Frees what the connection needed, however it ended.</summary>
    protected abstract void Release();

    /// <summary>The error for a connection that ended of its own accord.</summary>
    protected virtual LvmException Lost(Exception error) =>
        new(ErrorIds.ConnectionLost, $"the connection to {Peer} was lost: {Reason(error)}", error);

    /// <summary>What the system said.</summary>
    protected static string Reason(Exception error)
    {
        while (error.InnerException is { } inner) error = inner;
        return error.Message.TrimEnd('.');
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _reading.Dispose();
            _writing.Dispose();
            if (Interlocked.CompareExchange(ref _end, (int)Ending.Disposed, (int)Ending.None) == (int)Ending.None)
            {
                // A peer that takes nothing does not keep us.
                using var patience = new Timer(_ => Cut(), null, ClosingTime, Timeout.InfiniteTimeSpan);
                CloseGently();
            }

            Release();
        }

        base.Dispose(disposing);
    }

    private static bool IsEnd(Exception error) =>
        error is IOException or SocketException or ObjectDisposedException or OperationCanceledException or AuthenticationException;

    private void End(Ending why)
    {
        if (Interlocked.CompareExchange(ref _end, (int)why, (int)Ending.None) == (int)Ending.None) Cut();
    }

    private Exception Explain(Exception error) => (Ending)Volatile.Read(ref _end) switch
    {
        Ending.Cancelled => new LvmException(ErrorIds.OperationCancelled, $"the connection to {Peer} was given up", error),
        Ending.ReadTimedOut => new LvmException(ErrorIds.ConnectionTimeout, $"{Peer} has sent nothing for {_reading.Milliseconds / 1000.0:0.#} s", error),
        Ending.WriteTimedOut => new LvmException(ErrorIds.ConnectionTimeout, $"{Peer} has accepted nothing for {_writing.Milliseconds / 1000.0:0.#} s", error),
        Ending.Disposed => new ObjectDisposedException(nameof(LinkStream), error),
        _ => Lost(error),
    };

    /// <summary>
    /// Does something when what was begun has not been stopped in time. The timer is left to itself in between: to set it for each read and
    /// write would have the runtime's own thread wake for many of them.
    /// </summary>
    private sealed class Deadline : IDisposable
    {
        private readonly Action _passed;
        private readonly Timer _timer;
        private long _at = long.MaxValue;
        private int _milliseconds = Timeout.Infinite;

        // When the timer comes next: never later than what was begun passes.
        private long _next = long.MaxValue;

        public Deadline(Action passed)
        {
            _passed = passed;
            _timer = new Timer(_ => Look());
        }

        public int Milliseconds
        {
            get => _milliseconds;
            set
            {
                if (value is not Timeout.Infinite) ArgumentOutOfRangeException.ThrowIfNegativeOrZero(value);
                _milliseconds = value;
            }
        }

        public void Begin()
        {
            if (_milliseconds == Timeout.Infinite) return;
            var at = Environment.TickCount64 + _milliseconds;
            Interlocked.Exchange(ref _at, at);
            if (Volatile.Read(ref _next) <= at) return;
            lock (_timer)
            {
                if (_next > at) Await(at, _milliseconds);
            }
        }

        public void Stop() => Volatile.Write(ref _at, long.MaxValue);

        public void Dispose() => _timer.Dispose();

        private void Look()
        {
            lock (_timer)
            {
                // Whoever begins after this sets the timer anew; who has begun before is seen here.
                Interlocked.Exchange(ref _next, long.MaxValue);
                var at = Interlocked.Read(ref _at);
                if (at == long.MaxValue) return;
                var left = at - Environment.TickCount64;
                if (left > 0)
                {
                    Await(at, left);
                    return;
                }
            }

            _passed();
        }

        private void Await(long at, long milliseconds)
        {
            Volatile.Write(ref _next, at);
            try
            {
                // A little later, for the two clocks need not agree.
                _timer.Change(milliseconds + 20, Timeout.Infinite);
            }
            catch (ObjectDisposedException)
            {
                // It is over.
            }
        }
    }
}
