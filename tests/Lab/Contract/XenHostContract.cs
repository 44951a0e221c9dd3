using LightVM.Contract;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Xen;

[assembly: CollectionBehavior(DisableTestParallelization = true)] // one Xen, and tests that count what is left on it

namespace LightVM.Lab;

/// <summary>The contract, kept by a real Xen.</summary>
public sealed class XenHostContract(XenContractHost host) : HostContract(host), IClassFixture<XenContractHost>;

/// <summary>The contract of devices, kept by a real Xen, netback and blkback, and the device daemon.</summary>
public sealed class XenDeviceContract(XenContractHost host, RunningDeviceDaemon daemon) : DeviceContract(host), IClassFixture<XenContractHost>, IClassFixture<RunningDeviceDaemon>
{
    public RunningDeviceDaemon Daemon { get; } = daemon;
}

/// <summary>The contract of domains' ends, kept by a real Xen.</summary>
public sealed class XenLifecycleContract(XenContractHost host) : LifecycleContract(host), IClassFixture<XenContractHost>;

/// <summary>The contract of saving and restoring, kept by a real Xen.</summary>
public sealed class XenSaveContract(XenContractHost host) : SaveContract(host), IClassFixture<XenContractHost>;

/// <summary>The contract of pools, kept by a real Xen.</summary>
public sealed class XenPoolContract(XenContractHost host) : PoolContract(host), IClassFixture<XenContractHost>
{
    protected override LvmHost OpenOther() => LvmHost.OpenXen();
}

/// <summary>The contract of devices without a store, kept by a real Xen and the noxs daemon, with a guest that has a network.</summary>
public sealed class XenNoxsDeviceContract : NoxsDeviceContract, IClassFixture<XenContractHost>, IClassFixture<RunningNoxsDaemon>
{
    private readonly XenContractHost _contract;
    private readonly string _before;

    public XenNoxsDeviceContract(XenContractHost contract, RunningNoxsDaemon daemon)
        : base(LvmHost.OpenXen(), new GuestImages([Path.Combine(Dom0.Build, "guests")]).Find("daytime"))
    {
        _contract = contract;
        _before = contract.DescribeTraces();
        Daemon = daemon;
    }

    public RunningNoxsDaemon Daemon { get; }

    protected override void Dispose(bool disposing)
    {
        base.Dispose(disposing);
        var now = "";
        GuestTests.AssertEventually(() => (now = _contract.DescribeTraces()) == _before, () => $"left behind; before:\n{_before}\nafter:\n{now}\nthe daemon:\n{Daemon.Log}");
    }
}

public sealed class XenContractHost : ContractHost
{
    public XenContractHost()
        : this(XenstoreDirectory.Open())
    {
    }

    private XenContractHost(XenstoreDirectory directory)
        : base(XenHypervisor.Open(), directory, directory.OpenDeviceBus())
    {
    }

    public override string Kernel => Dom0.TinyKernel;

    public override bool UnpacksKernels => true;

    /// <summary>Asked of Xen's own tools and the kernel: domains, the control domain's event channels, the store's nodes, loop devices, bridge ports, backends.</summary>
    public override string DescribeTraces()
    {
        var domains = Dom0.Output("xl", "list").Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(line => line[..line.IndexOf(' ')]);
        var channels = Dom0.Output("lsevtchn", "0").Split('\n', StringSplitOptions.RemoveEmptyEntries).Length;
        var nodes = Dom0.Output("xenstore-ls", "-f").Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(node => node.Split(" = ")[0])
            // What belongs to no domain: the roots that the first domain ever brings, and the tools' own corner.
            .Where(node => node is not ("/vm" or "/libxl") && !node.StartsWith("/tool", StringComparison.Ordinal));
        var loops = System.IO.Directory.GetDirectories("/sys/block", "loop*").Where(loop => System.IO.Directory.Exists($"{loop}/loop")).Select(Path.GetFileName);
        var ports = System.IO.Directory.GetDirectories("/sys/class/net").Where(port => System.IO.Directory.Exists($"{port}/brport")).Select(Path.GetFileName);
        var backends = System.IO.Directory.GetDirectories("/sys/bus/xen-backend/devices").Select(Path.GetFileName);
        return $"""
            domains: {string.Join(", ", domains)}
            event channels of dom0: {channels}
            loop devices: {string.Join(", ", loops)}
            bridge ports: {string.Join(", ", ports)}
            backends of the kernel: {string.Join(", ", backends)}
            store nodes:
            {string.Join('\n', nodes)}
            """;
    }
}
