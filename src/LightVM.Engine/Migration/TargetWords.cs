using LightVM.Errors;

namespace LightVM.Migration;

/// <summary>
/// Listens to the target while the stream goes there: that it has come to a mark, that it has all, or that it has given up, which may be at
/// any time. On a thread of its own, of which one word is awaited at a time.
/// </summary>
internal sealed class TargetWords : IDisposable
{
    private readonly MoveChannel _channel;
    private Task _word;
    private TaskCompletionSource? _mark;

    public TargetWords(MoveChannel channel)
    {
        _channel = channel;
        // As long as the stream takes: whoever waits says how long.
        channel.Link.Stream.ReadTimeout = Timeout.Infinite;
        _word = Start(ReceiveReady);
    }

    /// <summary>Calls when the target has said something, or can say nothing more, although it has not got all yet.</summary>
    public void WhenHeard(Action heard) => _word.ContinueWith(_ =>
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
    public bool HasSpoken => _word.IsCompleted;

    /// <summary>Why the target has given up; null where it has not.</summary>
    public LvmException? TryHear() => _word is { IsFaulted: true, Exception.InnerException: LvmException error } ? error : null;

    /// <summary>Has a mark sent, and waits until the target has worked off everything before it. Errors: as those of <see cref="Await"/>.</summary>
    public void AwaitMark(Action send, TimeSpan patience, CancellationToken cancellation)
    {
        var mark = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Volatile.Write(ref _mark, mark);
        send();
        var first = Task.WhenAny(mark.Task, _word);
        Wait(first, patience, "not worked off what it was sent", cancellation);
        if (first.Result == mark.Task) return;
        Wait(_word, TimeSpan.Zero, "", cancellation);
        throw _channel.Invalid("it says that it has all before it can");
    }

    /// <summary>Waits until the target has all. Errors: what it says, those of the link, ConnectionTimeout, OperationCancelled.</summary>
    public void Await(TimeSpan patience, CancellationToken cancellation) => Wait(_word, patience, "not said that it has all", cancellation);

    /// <summary>Begins to listen for the word that the guest runs.</summary>
    public void BeginNext() => _word = Start(() => _channel.Receive(Running.Read));

    /// <summary>Waits for it. Errors: as those of <see cref="Await"/>.</summary>
    public Running AwaitRunning(TimeSpan patience)
    {
        var word = (Task<Running>)_word;
        Wait(word, patience, "not said whether the guest runs there", CancellationToken.None);
        return word.Result;
    }

    /// <summary>Cuts the link where the target still might say something.</summary>
    public void Dispose()
    {
        if (!_word.IsCompleted) _channel.Link.Abort();
        ((IAsyncResult)_word).AsyncWaitHandle.WaitOne();
    }

    private Ready ReceiveReady()
    {
        while (true)
        {
            var (type, length) = _channel.ReceiveHead();
            switch (type)
            {
                case MoveFrame.Ready:
                    return _channel.ReceiveBody(type, length, _ => new Ready());
                case MoveFrame.Marked when Interlocked.Exchange(ref _mark, null) is { } mark:
                    _channel.ReceiveBody(type, length, Marked.Read);
                    mark.SetResult();
                    break;
                default:
                    throw _channel.Unexpected(type, length);
            }
        }
    }

    private static Task<T> Start<T>(Func<T> read) => Task.Factory.StartNew(read, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

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
