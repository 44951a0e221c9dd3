using System.Diagnostics;
using System.Text.RegularExpressions;
using LightVM.Domains;
using LightVM.Hosts;

namespace LightVM.Bench;

/// <summary>When a guest has written something to its console.</summary>
internal static class FirstLine
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <param name="begin">Since when it is counted: a time of <see cref="Stopwatch"/>.</param>
    /// <param name="sample">Takes the milliseconds.</param>
    public static void Await(LvmHost host, Domain domain, Regex line, long begin, Action<double> sample)
    {
        host.Consoles.WaitForLine(domain.Key, line, Patience);
        sample(Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
    }
}
