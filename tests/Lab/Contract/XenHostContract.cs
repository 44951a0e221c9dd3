using LightVM.Contract;
using LightVM.Xen;

[assembly: CollectionBehavior(DisableTestParallelization = true)] // one Xen, and tests that count what is left on it

namespace LightVM.Lab;

/// <summary>The contract, kept by a real Xen.</summary>
public sealed class XenHostContract(XenContractHost host) : HostContract(host), IClassFixture<XenContractHost>;

public sealed class XenContractHost() : ContractHost(XenHypervisor.Open(), XenstoreDirectory.Open(), XenstoreDeviceBus.Open())
{
    public override string Kernel => Dom0.TinyKernel;

    public override bool UnpacksKernels => true;

    /// <summary>Asked of Xen's own tools: domains, the control domain's event channels, the store's nodes.</summary>
    public override string DescribeTraces()
    {
        var domains = Dom0.Output("xl", "list").Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(line => line[..line.IndexOf(' ')]);
        var channels = Dom0.Output("lsevtchn", "0").Split('\n', StringSplitOptions.RemoveEmptyEntries).Length;
        var nodes = Dom0.Output("xenstore-ls", "-f").Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(node => node.Split(" = ")[0])
            // What belongs to no domain: the roots that the first domain ever brings, and the tools' own corner.
            .Where(node => node is not ("/vm" or "/libxl") && !node.StartsWith("/tool", StringComparison.Ordinal));
        return $"domains: {string.Join(", ", domains)}\nevent channels of dom0: {channels}\nstore nodes:\n{string.Join('\n', nodes)}";
    }
}
