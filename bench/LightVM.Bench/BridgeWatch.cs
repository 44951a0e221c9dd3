using System.Collections.Concurrent;
using System.Diagnostics;

namespace LightVM.Bench;

/// <summary>When guests' interfaces come onto their bridges, as the kernel tells it to bench/baseline/joined.</summary>
internal sealed class BridgeWatch : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _joined;
    private readonly BlockingCollection<string> _lines = [];

    public BridgeWatch(string joined)
    {
        _joined = Child.Start(joined);
        _joined.OutputDataReceived += (_, read) =>
        {
            if (read.Data is { } line) _lines.Add(line);
        };
        _joined.BeginOutputReadLine();
        Take(); // ready
    }

    /// <summary>When an interface has come onto its bridge, in milliseconds of the clock that <see cref="Now"/> reads; waits for it.</summary>
    public double When(string name)
    {
        while (true)
        {
            if (Take().Split(' ') is [var joined, var time] && joined == name) return Child.Number(time);
        }
    }

    /// <summary>Milliseconds, of CLOCK_MONOTONIC.</summary>
    public static double Now() => Milliseconds(Stopwatch.GetTimestamp());

    public static double Milliseconds(long timestamp) => timestamp * 1000.0 / Stopwatch.Frequency;

    public void Dispose()
    {
        _joined.Kill();
        _joined.WaitForExit();
        _joined.Dispose();
        _lines.Dispose();
    }

    private string Take() => _lines.TryTake(out var line, Patience) ? line : throw new InvalidOperationException("no interface has come onto a bridge");
}
