using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Linux;
using LightVM.Noxs;

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
    private readonly HashSet<string> _kept = KeptFiles();
    private readonly Stack<Action> _undo = new();
    private readonly List<DeviceDaemon> _daemons = [];
    private readonly RunningDeviceDaemon? _daemon;

    /// <param name="daemon">The one that runs all the time, where there is one.</param>
    protected DeviceTests(XenContractHost contract, RunningDeviceDaemon? daemon = null)
    {
        Contract = contract;
        _daemon = daemon;
        _before = contract.DescribeTraces();
    }

    protected XenContractHost Contract { get; }

    protected LvmHost Host => Contract.Host;

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>What device daemons wrote during this test.</summary>
    protected string DaemonLog => string.Join("\nthe next one:\n", _daemons.Select(daemon => daemon.Log).Prepend(_daemon?.Log ?? ""));

    public void Dispose()
    {
        try
        {
            CleanUp();
        }
        finally
        {
            foreach (var daemon in _daemons) daemon.Dispose();
            GC.SuppressFinalize(this);
        }
    }

    private void CleanUp()
    {
        foreach (var domain in Host.ListDomains().Where(domain => domain.Name.StartsWith(Prefix, StringComparison.Ordinal) && domain.State != Hypervisor.DomainState.Dying)) Host.DestroyDomain(domain.Key);
        while (_undo.TryPop(out var undo)) undo();
        AssertNothingLeft();
    }

    protected void AssertNothingLeft()
    {
        var now = "";
        GuestTests.AssertEventually(
            () => (now = Contract.DescribeTraces()) == _before && KeptFiles().IsSubsetOf(_kept),
            () => $"left behind; before:\n{_before}\nafter:\n{now}\nfiles: {string.Join(", ", KeptFiles().Except(_kept))}\nthe daemon:\n{DaemonLog}");
    }

    /// <summary>A device daemon for this test, until it has been looked at what is left.</summary>
    /// <param name="crashAt">A point at which it dies.</param>
    private protected DeviceDaemon StartDaemon(string? crashAt = null)
    {
        var daemon = crashAt is null ? DeviceDaemon.Start() : DeviceDaemon.StartToCrash(crashAt);
        _daemons.Add(daemon);
        return daemon;
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

    /// <summary>What this toolstack keeps of domains.</summary>
    private static HashSet<string> KeptFiles() => new DirectoryInfo(RunFolder.Path) is { Exists: true } folder
        ? folder.EnumerateDirectories().SelectMany(kind => kind.EnumerateFiles()).Where(file => file.Name != NoxsFiles.EndsName).Select(file => file.FullName).ToHashSet() // locks and the daemon's own are above them
        : [];

    /// <summary>A guest that needs nothing, and has no drivers.</summary>
    protected Domain CreateTiny(string name, Action<DomainConfigDraft>? change = null)
    {
        var draft = new DomainConfigDraft { Name = Prefix + name, Kernel = Dom0.TinyKernel, MemoryMiB = 4, VcpuCount = 1, OnPoweroff = LifecycleAction.Preserve };
        change?.Invoke(draft);
        return Host.CreateDomain(DomainConfig.From(draft), Cancellation);
    }
}
