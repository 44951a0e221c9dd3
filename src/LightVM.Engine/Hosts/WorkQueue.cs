using System.Diagnostics.CodeAnalysis;
using System.Runtime.ExceptionServices;
using LightVM.Errors;

namespace LightVM.Hosts;

/// <summary>What came of one item of a <see cref="WorkQueue{TItem, TResult}"/>.</summary>
/// <param name="Error">Why it failed; null when it did not.</param>
public sealed record WorkOutcome<TItem, TResult>(TItem Item, TResult? Result, LvmException? Error = null);

/// <summary>What all <see cref="WorkQueue{TItem, TResult}"/>s share.</summary>
public static class WorkQueue
{
    /// <summary>
    /// How many items are worked on at once where nobody says: as many as there are CPUs, and 4 at the most. xenstored does one thing at a time,
    /// and a third to a half of a creation is its.
    /// </summary>
    public static int DefaultWorkers { get; } = Math.Clamp(Environment.ProcessorCount, 1, 4);
}

/// <summary>
/// Works on several items at once, on threads of its own. What comes of them is taken by the thread that adds them, which is often the
/// only one that may tell of it; in the order in which they are done. With one worker there are no threads: whoever adds an item does it.
/// </summary>
public sealed class WorkQueue<TItem, TResult> : IDisposable
{
    private readonly object _lock = new();
    private readonly Queue<TItem> _waiting = new();
    private readonly Queue<WorkOutcome<TItem, TResult>> _done = new();
    private readonly List<Thread> _threads = [];
    private readonly Func<TItem, CancellationToken, TResult> _work;
    private readonly CancellationTokenSource _stopping;
    private readonly int _workers;
    private int _atWork;
    private bool _isComplete;
    private ExceptionDispatchInfo? _fault;

    /// <param name="workers">How many items are worked on at once.</param>
    /// <param name="work">Called on any thread. An <see cref="LvmException"/> is that item's outcome; any other ends the whole.</param>
    /// <param name="cancellation">Passed on to the work. Items whose turn comes after it are not begun: their outcome is OperationCancelled.</param>
    public WorkQueue(int workers, Func<TItem, CancellationToken, TResult> work, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        _workers = workers;
        _work = work;
        _stopping = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
    }

    /// <summary>Adds an item. Waits while as many wait already as are worked on, so that whoever brings them is told in time of what went wrong.</summary>
    public void Add(TItem item)
    {
        if (_workers == 1)
        {
            Finish(Do(item));
            return;
        }

        lock (_lock)
        {
            while (_waiting.Count >= _workers && _fault is null) Monitor.Wait(_lock);
            if (_fault is not null) return; // whoever takes the next outcome is told
            _waiting.Enqueue(item);
            if (_threads.Count < _workers && _threads.Count < _waiting.Count + _atWork) StartThread();
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Says that no more will be added.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            _isComplete = true;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Gives an outcome that is there; false when none is.</summary>
    public bool TryTake([NotNullWhen(true)] out WorkOutcome<TItem, TResult>? outcome)
    {
        lock (_lock)
        {
            _fault?.Throw();
            return _done.TryDequeue(out outcome);
        }
    }

    /// <summary>Waits for an outcome; false when all have been taken, and no more will be added.</summary>
    public bool Take([NotNullWhen(true)] out WorkOutcome<TItem, TResult>? outcome)
    {
        lock (_lock)
        {
            while (_done.Count == 0 && _fault is null && !(_isComplete && _waiting.Count == 0 && _atWork == 0)) Monitor.Wait(_lock);
            _fault?.Throw();
            return _done.TryDequeue(out outcome);
        }
    }

    /// <summary>Forgets the items that nobody works on yet.</summary>
    public void Discard()
    {
        lock (_lock)
        {
            _waiting.Clear();
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Forgets the items that nobody works on yet, cancels the work on the others, and waits for its end.</summary>
    /// <returns>The outcomes that nobody has taken.</returns>
    public IReadOnlyList<WorkOutcome<TItem, TResult>> Stop()
    {
        lock (_lock)
        {
            _waiting.Clear();
            _isComplete = true;
            Monitor.PulseAll(_lock);
        }

        _stopping.Cancel(); // without the lock: who is told of it may want it
        lock (_lock)
        {
            while (_atWork > 0) Monitor.Wait(_lock);
            var left = _done.ToArray();
            _done.Clear();
            return left;
        }
    }

    /// <summary>As <see cref="Stop"/>.</summary>
    public void Dispose()
    {
        Stop();
        foreach (var thread in _threads) thread.Join();
        _stopping.Dispose();
    }

    private void StartThread()
    {
        var thread = new Thread(Work) { IsBackground = true, Name = "LightVM worker" };
        _threads.Add(thread);
        thread.Start();
    }

    private void Work()
    {
        while (true)
        {
            TItem? item;
            lock (_lock)
            {
                while (_waiting.Count == 0 && !_isComplete) Monitor.Wait(_lock);
                if (!_waiting.TryDequeue(out item)) return;
                _atWork++;
                Monitor.PulseAll(_lock);
            }

            var outcome = Do(item);
            lock (_lock)
            {
                _atWork--;
                Finish(outcome);
            }
        }
    }

    private WorkOutcome<TItem, TResult>? Do(TItem item)
    {
        try
        {
            if (_stopping.IsCancellationRequested) throw new LvmException(ErrorIds.OperationCancelled, "it was cancelled before its turn came");
            return new WorkOutcome<TItem, TResult>(item, _work(item, _stopping.Token));
        }
        catch (LvmException error)
        {
            return new WorkOutcome<TItem, TResult>(item, default, error);
        }
        catch (Exception error)
        {
            lock (_lock) _fault ??= ExceptionDispatchInfo.Capture(error);
            return null;
        }
    }

    private void Finish(WorkOutcome<TItem, TResult>? outcome)
    {
        lock (_lock)
        {
            if (outcome is not null) _done.Enqueue(outcome);
            Monitor.PulseAll(_lock);
        }
    }
}
