using System.Diagnostics;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Linux;

namespace LightVM.Host.Noxs;

/// <summary>
/// What takes its time and need not be done at once, by one thread: a moment later, when whoever creates a domain is done with it; at once where somebody
/// waits for it. What is asked for a domain is done in the order in which it was asked for.
/// </summary>
internal sealed class LateWork(DaemonLog log) : IDaemonTask, IDisposable
{
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(50);

    private readonly object _lock = new();
    private readonly LinkedList<Item> _items = [];
    private readonly TimerFile _timer = new();

    public string Name => "interfaces";

    /// <summary>Has it done a moment later.</summary>
    public void Add(ushort domain, Action work)
    {
        lock (_lock)
        {
            _items.AddLast(new Item(domain, work, Stopwatch.GetTimestamp() + (long)(Moment.TotalSeconds * Stopwatch.Frequency)));
            if (_items.Count == 1) _timer.Set(Moment); // of several the first sees to the others
        }
    }

    /// <summary>Has all of a domain's done now.</summary>
    public void Hurry(ushort domain)
    {
        lock (_lock)
        {
            if (_items.All(item => item.Domain != domain)) return;
            foreach (var item in _items.Where(item => item.Domain == domain)) item.Due = 0;
            _timer.Set(TimeSpan.Zero);
        }
    }

    public void Run(CancellationToken cancellation)
    {
        using var readiness = new Readiness(cancellation);
        while (true)
        {
            readiness.Await(_timer.File);
            _timer.Clear();
            while (Next() is { } work)
            {
                try
                {
                    work();
                }
                catch (Exception error) when (error is IOException or UnauthorizedAccessException or LvmException)
                {
                    log.Error(error.Message);
                }
            }
        }
    }

    public void Dispose() => _timer.Dispose();

    /// <summary>What is due, the first of it; null where nothing is, and the timer is set to when something will be.</summary>
    private Action? Next()
    {
        lock (_lock)
        {
            if (_items.MinBy(item => item.Due) is not { } first) return null;
            var left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), first.Due);
            if (left > TimeSpan.Zero)
            {
                _timer.Set(left);
                return null;
            }

            _items.Remove(first);
            return first.Work;
        }
    }

    private sealed class Item(ushort domain, Action work, long due)
    {
        public ushort Domain => domain;

        public Action Work => work;

        public long Due { get; set; } = due;
    }
}
