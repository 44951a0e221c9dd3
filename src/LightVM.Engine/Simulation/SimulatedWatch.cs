using System.Diagnostics;
using LightVM.Hypervisor;

namespace LightVM.Simulation;

/// <summary>Waits for the machine's domains to change.</summary>
internal sealed class SimulatedWatch(SimulatedMachine machine) : IDomainWatch
{
    private long _seen = -1;

    public bool Wait(TimeSpan timeout, CancellationToken cancellation)
    {
        using var waking = cancellation.Register(() =>
        {
            lock (machine.Lock) Monitor.PulseAll(machine.Lock);
        });
        var begin = Stopwatch.GetTimestamp();
        lock (machine.Lock)
        {
            while (_seen == machine.Changes)
            {
                cancellation.ThrowIfCancellationRequested();
                var left = timeout == Timeout.InfiniteTimeSpan ? timeout : timeout - Stopwatch.GetElapsedTime(begin);
                if (left <= TimeSpan.Zero && left != Timeout.InfiniteTimeSpan) return false;
                Monitor.Wait(machine.Lock, left);
            }

            _seen = machine.Changes;
            return true;
        }
    }

    public void Dispose()
    {
        // It is nowhere registered.
    }
}
