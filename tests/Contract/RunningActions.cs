using System.Collections.Concurrent;
using LightVM.Hosts;

namespace LightVM.Contract;

/// <summary>What the device daemon does about the ends of guests, in this process.</summary>
internal sealed class RunningActions : IDisposable
{
    private readonly CancellationTokenSource _end = new();
    private readonly Task _running;

    public RunningActions(LvmHost host)
    {
        var actions = new LifecycleActions(host, Log.Enqueue);
        _running = Task.Factory.StartNew(() => actions.Run(_end.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public ConcurrentQueue<string> Log { get; } = [];

    public void Dispose()
    {
        _end.Cancel();
        _running.GetAwaiter().GetResult();
        _end.Dispose();
    }
}
