using System.Collections.Concurrent;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Noxs;
using LightVM.Xen;

namespace LightVM.Lab;

/// <summary>/dev/xen/noxs_backend as the noxs daemon provides it, with domains that have no guest: what is made, kept over the daemon's death, and freed.</summary>
public sealed class NoxsDaemonTests : IDisposable
{
    private const string Bridge = "xenbr0";

    private readonly XenHypervisor _hypervisor = XenHypervisor.Open();
    private readonly NoxsBackend _backend = new();
    private readonly List<uint> _domains = [];
    private DeviceDaemon _daemon = Start();

    public void Dispose()
    {
        foreach (var domain in _domains) _hypervisor.Destroy(domain);
        _backend.Dispose();
        _daemon.Stop();
        _daemon.Dispose();
        _hypervisor.Dispose();
    }

    [Fact]
    public void The_device_does_all_calls()
    {
        var domain = NewDomain();
        var settings = VifSettings.Of("00:16:3e:00:00:01", null, Bridge);

        var sysctl = Create(CreateArgument.Sysctl(domain));
        var vif = Create(CreateArgument.Vif(domain, 2, settings));

        Assert.NotEqual((0u, 0u), (sysctl.Port, vif.Port));
        Assert.NotEqual(sysctl.Grant, vif.Grant);
        Assert.Equal([0u], _backend.List(DeviceType.Sysctl, domain));
        Assert.Equal([2u], _backend.List(DeviceType.Vif, domain));
        Assert.Equal(("00:16:3e:00:00:01", Bridge), (_backend.QueryVif(domain, 2).MacText(), _backend.QueryVif(domain, 2).BridgeText()));
        Assert.Equal(SideState.InitialisingWait, _backend.States(DeviceType.Vif, domain)[2]);
        _backend.RequestClose(domain, CloseRequest.PowerOff);
        Assert.True(_backend.WithdrawRequest(domain)); // nobody has seen it: there is no guest
        Assert.False(_backend.WithdrawRequest(domain));
        AssertEventually(() => Directory.Exists($"/sys/class/net/vif{domain}.2/brport"), "it is on its bridge");

        AssertFails(ErrorIds.DeviceIdTaken, () => Create(CreateArgument.Sysctl(domain)));
        AssertFails(ErrorIds.BridgeNotFound, () => Create(CreateArgument.Vif(domain, 3, VifSettings.Of("00:16:3e:00:00:01", null, "nobridge"))));
        AssertFails(ErrorIds.DomainGone, () => Create(CreateArgument.Sysctl(0x7fef)));
        AssertFails(ErrorIds.DeviceNotFound, () => _backend.Destroy(DeviceType.Vif, domain, 3));
        AssertFails(ErrorIds.DeviceNotFound, () => _backend.RequestClose((ushort)(domain + 1), CloseRequest.Suspend));

        _backend.Destroy(DeviceType.Vif, domain, 2);
        AssertEventually(() => !Directory.Exists($"/sys/class/net/vif{domain}.2"), "its interface is gone");
        _backend.Destroy(DeviceType.Sysctl, domain, 0);
        Assert.Empty(_backend.List(DeviceType.Sysctl, domain));
    }

    [Fact]
    public void Several_devices_come_and_go_in_one_call()
    {
        var channels = Channels();
        var domain = NewDomain();
        var settings = VifSettings.Of("00:16:3e:00:00:01", null, Bridge);
        CreateArgument[] devices = [CreateArgument.Sysctl(domain), CreateArgument.Vif(domain, 0, settings), CreateArgument.Vif(domain, 1, settings)];
        _backend.Create(devices);
        Assert.Equal(3, devices.Select(device => device.Port).Distinct().Count());
        Assert.Equal([0u, 1u], _backend.List(DeviceType.Vif, domain));

        // Which of them it was is told, and the others are not there.
        CreateArgument[] more = [CreateArgument.Vif(domain, 2, settings), CreateArgument.Vif(domain, 3, VifSettings.Of("00:16:3e:00:00:01", null, "nobridge"))];
        AssertFails(ErrorIds.BridgeNotFound, () => _backend.Create(more));
        Assert.Equal([0u, 1u], _backend.List(DeviceType.Vif, domain));

        _backend.DestroyAll(domain);
        _backend.DestroyAll(domain);
        Assert.Empty(_backend.List(DeviceType.Sysctl, domain));
        AssertEventually(() => !Directory.Exists($"/sys/class/net/vif{domain}.0") && !Directory.Exists($"/sys/class/net/vif{domain}.1"), "its interfaces are gone");
        AssertEventually(() => Channels() == channels, "its event channels are closed");
    }

    [Fact]
    public void Who_is_no_administrator_is_refused()
    {
        File.SetUnixFileMode(NoxsBackend.DefaultPath, (UnixFileMode)0x1b6); // so that it is not the node that refuses
        var (exitCode, output) = Dom0.Run("setpriv", "--reuid=1000", "--clear-groups", "sh", "-c", $"exec 3<>{NoxsBackend.DefaultPath}");
        Assert.NotEqual(0, exitCode);
        Assert.Contains("not permitted", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Devices_outlive_the_daemon_and_go_with_their_domain()
    {
        var channels = Channels();
        var (domain, gone) = (NewDomain(), NewDomain());
        var sysctl = Create(CreateArgument.Sysctl(domain));
        Create(CreateArgument.Vif(domain, 0, VifSettings.Of("00:16:3e:00:00:01", null, Bridge)));
        Create(CreateArgument.Sysctl(gone));
        AssertEventually(() => Directory.Exists($"/sys/class/net/vif{domain}.0/brport"), "it is on its bridge");

        _daemon.Kill();
        AssertFails(ErrorIds.NoxsUnavailable, () => _backend.List(DeviceType.Vif, domain));
        _hypervisor.Destroy(gone);
        _daemon.Dispose();
        _daemon = Start();

        AssertEventually(() => _daemon.Log.Contains("taken over 1 guests with 1 interfaces", StringComparison.Ordinal), "it says what it has taken over");
        Assert.Equal([0u], _backend.List(DeviceType.Vif, domain)); // by the same object, which opens the new device
        Assert.Empty(_backend.List(DeviceType.Sysctl, gone));
        _backend.Destroy(DeviceType.Sysctl, domain, 0);
        Assert.NotEqual(default, sysctl);

        _hypervisor.Destroy(domain);
        AssertEventually(() => _backend.List(DeviceType.Vif, domain).Count == 0 && !Directory.Exists($"/sys/class/net/vif{domain}.0"), "its interface is gone with it");
        AssertEventually(() => Channels() == channels, "the event channels are those of before");
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void Who_reads_a_console_reads_on_when_the_next_daemon_comes(GuestType type)
    {
        var cancellation = TestContext.Current.CancellationToken;
        using var host = LvmHost.OpenXen();
        var draft = new DomainConfigDraft { Name = $"lab-reader-{type}", Kernel = Dom0.TinyKernel, MemoryMiB = 4, VcpuCount = 1, Type = type, DeviceMethod = DeviceMethod.Noxs };
        var domain = host.CreateDomain(DomainConfig.From(draft), cancellation);
        var lines = new ConcurrentQueue<string>();
        var reader = new Thread(() =>
        {
            foreach (var line in host.Consoles.ReadLines(domain.Key, follow: true, cancellation: cancellation)) lines.Enqueue(line); // until the domain ends
        });
        reader.Start();
        try
        {
            Type("before");
            AssertEventually(() => lines.Contains("tiny: before"), "the guest answers");

            _daemon.Kill();
            _daemon.Dispose();
            _daemon = Start();
            Type("after");
            AssertEventually(() => lines.Contains("tiny: after"), "who reads since before the daemon's death reads what the guest writes now");
            Assert.Single(lines, "tiny: before");
            Assert.Single(lines, "tiny: after");
        }
        finally
        {
            host.DestroyDomain(domain.Key);
            Assert.True(reader.Join(TimeSpan.FromMinutes(1)), "the reader ends with the domain");
        }

        void Type(string word) => host.Consoles.Send(domain.Key, word + "\n", TimeSpan.FromSeconds(30), cancellation);
    }

    private static DeviceDaemon Start() => DeviceDaemon.StartOther("noxsd", new Dictionary<string, string>());

    private static int Channels() => Dom0.Output("lsevtchn", "0").Split('\n', StringSplitOptions.RemoveEmptyEntries).Length;

    private static void AssertEventually(Func<bool> condition, string what) => GuestTests.AssertEventually(condition, () => $"never: {what}");

    private static void AssertFails(string id, Action action) => Assert.Equal(id, Assert.Throws<LvmException>(action).ErrorId);

    private CreateArgument Create(CreateArgument device)
    {
        _backend.Create(new Span<CreateArgument>(ref device));
        return device;
    }

    private ushort NewDomain()
    {
        var domain = _hypervisor.CreateDomain(new DomainShape(Guid.NewGuid(), GuestType.PV, 64, 1));
        _domains.Add(domain);
        return (ushort)domain;
    }
}
