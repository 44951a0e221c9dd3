using LightVM.Errors;

namespace LightVM.Migration;

/// <summary>
/// Listens to the target while the stream goes there: that it has come to a mark, that it has all, or that it has given up, which may be at
/// any time. On a thread of its own, of which one word is awaited at a time.
/// </summary>
internal sealed class TargetWords : IDisposable
{
    private readonly MoveChannel _channel;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task<Running> _running;
    private TaskCompletionSource? _mark;

    public TargetWords(MoveChannel channel)
    {
        _channel = channel;
        // As long as the stream takes: whoever waits says how long.
        channel.Link.Stream.ReadTimeout = Timeout.Infinite;
        _running = Task.Factory.StartNew(Listen, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Calls when the target has said something, or can say nothing more, although it has not got all yet.</summary>
    public void WhenHeard(Action heard) => _ready.Task.ContinueWith(_ =>
    {
        try
        {
            heard();
        }
        catch (ObjectDisposedException)
        {
            // It has got all.
        }
    }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);

    /// <summary>Whether the target has said something, or can say nothing more.</summary>
    public bool HasSpoken => _ready.Task.IsCompleted;

    /// <summary>Why the target has given up; null where it has not.</summary>
    public LvmException? TryHear() => _ready.Task is { IsFaulted: true, Exception.InnerException: LvmException error } ? error : null;

    /// <summary>Has a mark sent, and waits until the target has worked off everything before it. Errors: as those of <see cref="Await"/>.</summary>
    public void AwaitMark(Action send, TimeSpan patience, CancellationToken cancellation)
    {
        var mark = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _mark, mark);
        send();
        var first = Task.WhenAny(mark.Task, _ready.Task);
        Wait(first, patience, "not worked off what it was sent", cancellation);
        if (first.Result == mark.Task) return;
        Wait(_ready.Task, TimeSpan.Zero, "", cancellation);
        throw _channel.Invalid("it says that it has all before it can");
    }

    /// <summary>Waits until the target has all. Errors: what it says, those of the link, ConnectionTimeout, OperationCancelled.</summary>
    public void Await(TimeSpan patience, CancellationToken cancellation) => Wait(_ready.Task, patience, "not said that it has all", cancellation);

    /// <summary>Waits for the word that the guest runs. Errors: as those of <see cref="Await"/>.</summary>
    public Running AwaitRunning(TimeSpan patience)
    {
        Wait(_running, patience, "not said whether the guest runs there", CancellationToken.None);
        return _running.Result;
    }

    /// <summary>Cuts the link where the target still might say something.</summary>
    public void Dispose()
    {
        if (!_running.IsCompleted) _channel.Link.Abort();
        ((IAsyncResult)_running).AsyncWaitHandle.WaitOne();
    }

    private Running Listen()
    {
        try
        {
            ReceiveReady();
        }
        catch (Exception error)
        {
            _ready.SetException(error);
            throw;
        }

        _ready.SetResult();
        return _channel.Receive(Running.Read);
    }

    private void ReceiveReady()
    {
        while (true)
        {
            var (type, length) = _channel.ReceiveHead();
            switch (type)
            {
                case MoveFrame.Ready:
                    _channel.ReceiveBody(type, length, _ => new Ready());
                    return;
                case MoveFrame.Marked when Interlocked.Exchange(ref _mark, null) is { } mark:
                    _channel.ReceiveBody(type, length, Marked.Read);
                    mark.SetResult();
                    break;
                default:
                    throw _channel.Unexpected(type, length);
            }
        }
    }

    private void Wait(Task word, TimeSpan patience, string what, CancellationToken cancellation)
    {
        try
        {
            if (word.Wait((int)patience.TotalMilliseconds, cancellation)) return;
            throw new LvmException(ErrorIds.ConnectionTimeout, $"{_channel.Link.PeerName} has {what} within {patience.TotalSeconds:0.#} s");
        }
        catch (OperationCanceledException)
        {
            throw new LvmException(ErrorIds.OperationCancelled, "it was cancelled; the guest goes on here");
        }
        catch (AggregateException error) when (error.InnerException is LvmException said)
        {
            throw said;
        }
    }
}
