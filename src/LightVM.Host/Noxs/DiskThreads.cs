using LightVM.Linux;

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
/// Threads that wait for disks, as many as were needed at once. Threads, and no requests that the kernel keeps by itself: when a daemon is
/// killed, its process is not gone before its last write is, and the next daemon cannot be overtaken by it.
/// </summary>
internal sealed unsafe class DiskThreads : IDiskThreads
{
    /// <summary>At once. One guest has a few of them at most.</summary>
    private const int Most = 64;

    private const int OneEach = 1; // EFD_SEMAPHORE

    private readonly object _lock = new();
    private readonly Queue<IDiskWork> _waiting = [];

    /// <summary>What idle threads read from. Who is woken by a monitor finds it taken by whoever woke him, and sleeps again.</summary>
    private readonly int _wake = Libc.EventFile(0, OneEach | Libc.OpenCloseOnExec);

    private int _threads;
    private int _idle;

    public void Add(IDiskWork work)
    {
        var isMore = false;
        lock (_lock)
        {
            _waiting.Enqueue(work);
            if (_waiting.Count > _idle && _threads < Most)
            {
                _threads++;
                isMore = true;
            }
        }

        if (isMore)
        {
            new Thread(Run, maxStackSize: 256 * 1024) { IsBackground = true, Name = "disk" }.Start();
        }
        else
        {
            ulong one = 1;
            _ = Libc.Write(_wake, (byte*)&one, sizeof(ulong));
        }
    }

    private void Run()
    {
        while (true) Next().Do();
    }

    private IDiskWork Next()
    {
        while (true)
        {
            lock (_lock)
            {
                if (_waiting.TryDequeue(out var work)) return work;
                _idle++;
            }

            ulong one;
            _ = Libc.Read(_wake, (byte*)&one, sizeof(ulong));
            lock (_lock) _idle--;
        }
    }
}
