namespace LightVM.Host.Noxs;

/// <summary>Something that may take long.</summary>
internal interface IDiskWork
{
    void Do();
}

/// <summary>Who does what may take long, without keeping a worker from its other guests.</summary>
internal interface IDiskThreads
{
    void Add(IDiskWork work);
}

/// <summary>
/// Threads that wait for disks, as many as are needed at once. Threads, and no requests that the kernel keeps by itself: when a daemon is
/// killed, its process is not gone before its last write is, and the next daemon cannot be overtaken by it.
/// </summary>
internal sealed class DiskThreads : IDiskThreads
{
    /// <summary>At once. One guest has a few of them at most.</summary>
    private const int Most = 64;

    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(10);

    private readonly object _lock = new();
    private readonly Queue<IDiskWork> _waiting = [];
    private int _threads;
    private int _idle;

    public void Add(IDiskWork work)
    {
        lock (_lock)
        {
            _waiting.Enqueue(work);
            if (_idle >= _waiting.Count || _threads == Most)
            {
                Monitor.Pulse(_lock);
                return;
            }

            _threads++;
        }

        new Thread(Run, maxStackSize: 256 * 1024) { IsBackground = true, Name = "disk" }.Start();
    }

    private void Run()
    {
        while (Next() is { } work) work.Do();
    }

    /// <summary>Null after a while without work, for which nobody need be there.</summary>
    private IDiskWork? Next()
    {
        lock (_lock)
        {
            while (_waiting.Count == 0)
            {
                _idle++;
                var isWoken = Monitor.Wait(_lock, Rest);
                _idle--;
                if (isWoken || _waiting.Count > 0) continue;
                _threads--;
                return null;
            }

            return _waiting.Dequeue();
        }
    }
}
