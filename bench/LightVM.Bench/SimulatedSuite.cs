using System.Diagnostics;
using LightVM.Configuration;
using LightVM.Hosts;
using LightVM.Simulation;

namespace LightVM.Bench;

/// <summary>What the engine alone costs: the hypervisor is in memory.</summary>
internal static class SimulatedSuite
{
    private const int Domains = 1000;

    public static void Run(int samples, DirectoryInfo output)
    {
        var results = new Results();
        using var host = LvmHost.OpenSimulated();
        for (var i = 0; i < Domains; i++)
        {
            var config = DomainConfig.From(new DomainConfigDraft { Name = $"simulated-{i}", Kernel = SimulatedKernel.Path, MemoryMiB = 4, VcpuCount = 1 });
            var begin = Stopwatch.GetTimestamp();
            host.CreateDomain(config);
            results.Sample("simulated-create", i, Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
        }

        for (var i = -samples; i < samples; i++)
        {
            var begin = Stopwatch.GetTimestamp();
            if (host.ListDomains().Count != Domains + 1) throw new InvalidOperationException("the simulated host lost domains");
            if (i >= 0) results.Sample("simulated-list", Domains, Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
        }

        results.Figure("simulated-list-median-1000", results.Median("simulated-list", Domains), "ms", Bound.Below(5));
        results.Figure("simulated-list-p99-1000", results.Percentile("simulated-list", Domains, 99), "ms");
        results.Write(output, "simulated");
    }
}
