using System.Diagnostics;
using System.Reflection;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Bench;

/// <summary>How long a listing takes, and how much of it is the hypervisor's part.</summary>
internal static class Listing
{
    public static void Measure(LvmHost host, int others, int samples, Results results)
    {
        using var hypervisor = OpenHypervisor();
        for (var i = -5; i < samples; i++)
        {
            var begin = Stopwatch.GetTimestamp();
            host.ListDomains();
            var list = Stopwatch.GetElapsedTime(begin);
            begin = Stopwatch.GetTimestamp();
            hypervisor.ListDomains();
            var hypercall = Stopwatch.GetElapsedTime(begin);
            if (i < 0) continue;
            results.Sample("list", others, list.TotalMilliseconds);
            results.Sample("list-hypercall", others, hypercall.TotalMilliseconds);
        }
    }

    /// <summary>The host's lower half by itself, which nobody but a benchmark has a use for: it is not public.</summary>
    private static IHypervisor OpenHypervisor() =>
        (IHypervisor)typeof(LvmHost).Assembly.GetType("LightVM.Xen.XenHypervisor", throwOnError: true)!
            .GetMethod("Open", BindingFlags.Public | BindingFlags.Static)!
            .Invoke(null, null)!;
}
