using System.Diagnostics;
using System.Text;
using LightVM.Consoles;

namespace LightVM.Simulation;

/// <summary>What a simulated guest has written, as much of it as Xen's console daemon would keep, and who waits for more.</summary>
internal sealed class SimulatedConsole
{
    private const int Limit = SpoolFile.DefaultLimit;

    private readonly object _lock = new();
    private readonly List<byte> _kept = [];
    private long _start; // the offset of what is kept
    private bool _hasEnded;

    /// <summary>The guest writes; its newlines go out as tiny sends them.</summary>
    public void Print(string text)
    {
        lock (_lock)
        {
            _kept.AddRange(Encoding.UTF8.GetBytes(text.Replace("\n", "\r\n", StringComparison.Ordinal)));
            if (_kept.Count > Limit)
            {
                var excess = _kept.Count - Limit;
                _kept.RemoveRange(0, excess);
                _start += excess;
            }

            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>The domain is gone.</summary>
    public void End()
    {
        lock (_lock)
        {
            _hasEnded = true;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>A reader's place in it.</summary>
    /// <param name="type">Takes what is typed.</param>
    public IGuestConsole Open(Action<byte[]> type) => new Reader(this, type);

    private sealed class Reader(SimulatedConsole console, Action<byte[]> type) : IGuestConsole
    {
        private long _offset;

        public TimeSpan Lag => TimeSpan.Zero;

        public int? Read(Span<byte> buffer, TimeSpan timeout, CancellationToken cancellation)
        {
            using var waking = cancellation.Register(Wake);
            var begin = Stopwatch.GetTimestamp();
            lock (console._lock)
            {
                while (true)
                {
                    cancellation.ThrowIfCancellationRequested();
                    _offset = Math.Max(_offset, console._start);
                    var count = Math.Min(buffer.Length, console._kept.Count - (int)(_offset - console._start));
                    if (count > 0)
                    {
                        console._kept.GetRange((int)(_offset - console._start), count).CopyTo(buffer);
                        _offset += count;
                        return count;
                    }

                    if (console._hasEnded) return 0;
                    if (!Waiting.Wait(console._lock, timeout, begin)) return null;
                }
            }
        }

        public void Write(ReadOnlySpan<byte> bytes, TimeSpan timeout, CancellationToken cancellation) => type(bytes.ToArray());

        public void Dispose()
        {
            // Nothing is held.
        }

        private void Wake()
        {
            lock (console._lock) Monitor.PulseAll(console._lock);
        }
    }
}
