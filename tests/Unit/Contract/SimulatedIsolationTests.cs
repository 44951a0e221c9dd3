using LightVM.Configuration;
using LightVM.Hosts;

namespace LightVM.Unit.Contract;

/// <summary>The simulated host is for people without Xen: not one of Xen's libraries may be needed for it.</summary>
public sealed class SimulatedIsolationTests
{
    [Fact]
    public void The_simulated_host_loads_no_library_of_Xen()
    {
        using var contract = new SimulatedContractHost(new Simulation.SimulatedMachine(new Simulation.SimulatedHostOptions()));
        var host = contract.Host;
        var domain = host.CreateDomain(DomainConfig.From(new DomainConfigDraft { Name = "isolated", Kernel = contract.Kernel, MemoryMiB = 4, VcpuCount = 1 }), TestContext.Current.CancellationToken);
        host.PauseDomain(domain.Key);
        host.UnpauseDomain(domain.Key);
        host.RenameDomain(domain.Key, "renamed");
        Assert.Equal(2, host.ListDomains().Count);
        host.DestroyDomain(domain.Key);

        // What is mapped into this very process, by the kernel's own word. Other tests of this assembly load none either:
        // those that look for Xen's libraries do it in a process of their own.
        var mapped = File.ReadAllLines("/proc/self/maps");
        Assert.DoesNotContain(mapped, line => line.Contains("libxen", StringComparison.Ordinal) || line.Contains("liblightvm", StringComparison.Ordinal));
    }
}
