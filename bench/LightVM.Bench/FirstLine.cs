using System.Diagnostics;
using System.Text.RegularExpressions;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Bench;

/// <summary>
/// When a guest has written something to its console. Whoever waits for it waits already when the guest is asked for: one thread for each domain that it may become.
/// </summary>
internal sealed class FirstLine : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly CancellationTokenSource _enough = new();
    private readonly Dictionary<DomainKey, Task<long>> _waiting;

    /// <param name="domains">Those that are there, and not started yet.</param>
    public FirstLine(LvmHost host, IEnumerable<DomainKey> domains, Regex line)
    {
        _waiting = domains.ToDictionary(domain => domain, domain => Task.Factory.StartNew(() => TimeOf(host, domain, line, _enough.Token), TaskCreationOptions.LongRunning));
    }

    /// <summary>For a domain that was just created.</summary>
    /// <param name="begin">Since when it is counted: a time of <see cref="Stopwatch"/>.</param>
    /// <param name="sample">Takes the milliseconds.</param>
    public static void Await(LvmHost host, Domain domain, Regex line, long begin, Action<double> sample) =>
        sample(Stopwatch.GetElapsedTime(begin, TimeOf(host, domain.Key, line, CancellationToken.None)).TotalMilliseconds);

    /// <summary>For one of those that are waited for.</summary>
    public void Await(DomainKey domain, long begin, Action<double> sample) =>
        sample(Stopwatch.GetElapsedTime(begin, _waiting[domain].GetAwaiter().GetResult()).TotalMilliseconds);

    public void Dispose()
    {
        _enough.Cancel();
        foreach (var task in _waiting.Values) Task.WaitAny(task); // whatever became of it
        _enough.Dispose();
    }

    private static long TimeOf(LvmHost host, DomainKey domain, Regex line, CancellationToken cancellation)
    {
        host.Consoles.WaitForLine(domain, line, Patience, cancellation);
        return Stopwatch.GetTimestamp();
    }
}
