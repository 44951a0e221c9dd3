using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Hosts;

namespace LightVM.Lab;

/// <summary>What tests of devices on a real Xen share. Each ends with a look at what is left: nothing but what was there.</summary>
public abstract class DeviceTests : IDisposable
{
    protected const string Bridge = "xenbr0";
    protected const string OtherBridge = "xenbr1";
    protected const int Xvda = 51712;
    protected const int Xvdb = 51728;

    private const string Prefix = "dev-";

    private readonly string _before;
    private readonly Stack<Action> _undo = new();

    protected DeviceTests(XenContractHost contract)
    {
        Contract = contract;
        _before = contract.DescribeTraces();
    }

    protected XenContractHost Contract { get; }

    protected LvmHost Host => Contract.Host;

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public virtual void Dispose()
    {
        foreach (var domain in Host.ListDomains().Where(domain => domain.Name.StartsWith(Prefix, StringComparison.Ordinal) && domain.State != Hypervisor.DomainState.Dying)) Host.DestroyDomain(domain.Key);
        while (_undo.TryPop(out var undo)) undo();
        AssertNothingLeft();
        GC.SuppressFinalize(this);
    }

    protected void AssertNothingLeft()
    {
        var now = "";
        GuestTests.AssertEventually(
            () => (now = Contract.DescribeTraces()) == _before,
            () => $"left behind; before:\n{_before}\nafter:\n{now}\nthe daemon:\n{DeviceDaemonProcess.Log}");
    }

    /// <summary>Does something at the test's end, before it is looked at what is left.</summary>
    protected void AtEnd(Action action) => _undo.Push(action);

    protected static NetworkConfig Vif(string? bridge = Bridge) => new(null, null, bridge);

    protected static DiskConfig FileDisk(string image, string vdev = "xvda", DiskAccess access = DiskAccess.ReadWrite) => new(image, DiskType.File, vdev, access);

    /// <summary>An empty image, gone after the test.</summary>
    protected string Image(string name, int mebibytes = 8)
    {
        var path = Path.Combine(Path.GetTempPath(), $"lightvm-{name}");
        using (var file = File.Create(path)) file.SetLength((long)mebibytes << 20);
        AtEnd(() => File.Delete(path));
        return path;
    }

    /// <summary>A guest that needs nothing, and has no drivers.</summary>
    protected Domain CreateTiny(string name, Action<DomainConfigDraft>? change = null)
    {
        var draft = new DomainConfigDraft { Name = Prefix + name, Kernel = Dom0.TinyKernel, MemoryMiB = 4, VcpuCount = 1, OnPoweroff = LifecycleAction.Preserve };
        change?.Invoke(draft);
        return Host.CreateDomain(DomainConfig.From(draft), Cancellation);
    }
}
