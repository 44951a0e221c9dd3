using System.Diagnostics;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Xen;

namespace LightVM.Bench;

/// <summary>How long a listing takes, and how much of it is the hypervisor's part.</summary>
internal static class Listing
{
    public static void Measure(LvmHost host, int others, int samples, Results results)
    {
        using IHypervisor hypervisor = XenHypervisor.Open();
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
}
