namespace LightVM.Linux;

/// <summary>
/// Until it is disposed, the calling thread does not take the processor from whoever wakes it (SCHED_BATCH). For talks with somebody who says much in small pieces: each of them would
/// wake this thread in the midst of the next, where they share a processor, and two changes of tasks cost more than a piece. A thread that is not scheduled as threads usually are is left so.
/// </summary>
internal readonly ref struct UnhurriedThread : IDisposable
{
    private readonly bool _wasUsual;

    private UnhurriedThread(bool wasUsual) => _wasUsual = wasUsual;

    public static UnhurriedThread Begin() => new(Libc.GetScheduler(0) == Libc.UsualScheduling && Libc.SetScheduler(0, Libc.BatchScheduling, 0) == 0);

    public void Dispose()
    {
        if (_wasUsual) _ = Libc.SetScheduler(0, Libc.UsualScheduling, 0);
    }
}
