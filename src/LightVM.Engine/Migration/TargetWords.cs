using System.Diagnostics;
using LightVM.Errors;
using LightVM.Linux;

namespace LightVM.Migration;

/// <summary>
/// Listens to the target while the stream goes there: that it has come to a mark, that it has all, or that it has given up, which may be at
/// any time. On a thread of its own, of which one word is awaited at a time. The last words are spoken on it as well: the guest stands still
/// for as long as it would take to wake another.
/// </summary>
internal sealed class TargetWords : IDisposable
{
    // Whether the target has been told that the guest may run: once it was, nobody takes that back, and the other way round.
    private const int Waiting = 0;
    private const int Told = 1;
    private const int Withdrawn = 2;

    private readonly MoveChannel _channel;
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Task<HandedOver> _over;
    private readonly TaskCompletionSource<Action?> _go = new();
    private TaskCompletionSource? _mark;
    private int _state = Waiting;

    public TargetWords(MoveChannel channel)
    {
        _channel = channel;
        // As long as the stream takes: whoever waits says how long.
        channel.Link.Stream.ReadTimeout = Timeout.Infinite;
        _over = Task.Factory.StartNew(Listen, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
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

    /// <summary>Has a mark sent, and waits until the target has worked off everything before it. Errors: what the target says, those of the link, ConnectionTimeout, OperationCancelled.</summary>
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

    /// <summary>Whether the target was told to let the guest run, or may have been.</summary>
    public bool IsTold => Volatile.Read(ref _state) == Told;

    /// <summary>
    /// Has the target told to let the guest run, as soon as it has all, and waits for the word that it does. Errors: what the target says,
    /// those of the link, of telling it, ConnectionTimeout, OperationCancelled; then it was told (<see cref="IsTold"/>) or never will be.
    /// </summary>
    /// <param name="go">Tells it, on another thread; once at most.</param>
    /// <param name="isTold">Called on this thread when it has been told, after which nothing stops it.</param>
    /// <param name="patience">For its having all.</param>
    /// <param name="runningPatience">For its word after it was told.</param>
    public HandedOver HandOver(Action go, Action isTold, TimeSpan patience, TimeSpan runningPatience, CancellationToken cancellation)
    {
        var told = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _go.SetResult(() =>
        {
            _channel.Link.Stream.ReadTimeout = (int)runningPatience.TotalMilliseconds;
            go();
            told.SetResult();
        });
        try
        {
            Wait(Task.WhenAny(told.Task, _over), patience, "not said that it has all", cancellation);
        }
        catch (LvmException) when (Interlocked.CompareExchange(ref _state, Withdrawn, Waiting) == Told)
        {
            // It was told just then.
        }

        if (told.Task.IsCompleted) isTold();
        Wait(_over, Timeout.InfiniteTimeSpan, "", CancellationToken.None); // once it was told the link has its deadlines
        return _over.Result;
    }

    /// <summary>Cuts the link where the target still might say something.</summary>
    public void Dispose()
    {
        _go.TrySetResult(null);
        if (!_over.IsCompleted) _channel.Link.Abort();
        ((IAsyncResult)_over).AsyncWaitHandle.WaitOne();
    }

    private HandedOver Listen()
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

        if (!_go.Task.IsCompleted) _ready.SetResult(); // it was quick, or speaks before it can
        var go = _go.Task.GetAwaiter().GetResult();
        CrashPoint.Reach(MoveCrashPoints.SourceReady);
        if (go is null || Interlocked.CompareExchange(ref _state, Told, Waiting) != Waiting) throw new LvmException(ErrorIds.OperationCancelled, "it was taken back");
        var told = Stopwatch.GetTimestamp();
        go();
        return new HandedOver(_channel.Receive(Running.Read), told, Stopwatch.GetTimestamp());
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

/// <summary>That the guest runs at the target.</summary>
/// <param name="Told">When the target was told to let it: a time of <see cref="Stopwatch"/>.</param>
/// <param name="Heard">When it was heard that it does.</param>
internal sealed record HandedOver(Running Running, long Told, long Heard);
