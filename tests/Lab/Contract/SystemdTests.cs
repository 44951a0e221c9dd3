using System.Globalization;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Pools;
using LightVM.Services;

namespace LightVM.Lab;

/// <summary>The daemons as systemd runs them, by the units that come along: a lab that was started with --init systemd.</summary>
public sealed class SystemdTests : IDisposable
{
    private const string Bridge = "xenbr0";

    private static readonly string[] Daemons = ["devd", "noxsd", "poold"];

    private readonly string _name = $"lvm-systemd-{Environment.ProcessId}";
    private readonly LvmHost? _host;

    public SystemdTests()
    {
        Assert.SkipUnless(Directory.Exists("/run/systemd/system"), "this dom0 has not been started by systemd");
        // As the README has it.
        Dom0.Output("install", "-D", "-t", "/usr/local/lib/lightvm", Dom0.Lightvm, Path.Combine(Dom0.Build, "bin", "liblightvm-xen.so"));
        Dom0.Output("install", ["-m", "644", "-t", "/etc/systemd/system", .. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "packaging", "systemd"))]);
        Dom0.Output("systemctl", "daemon-reload");
        _host = LvmHost.OpenXen();
        foreach (var daemon in Daemons) _host.Services.Start(daemon);
    }

    public void Dispose()
    {
        if (_host is null) return;
        foreach (var daemon in Daemons) _host.Services.Start(daemon); // one that a test has stopped has things, too
        foreach (var pool in _host.Pools.List().Where(pool => pool.Name == _name)) _host.Pools.Remove(pool.Name);
        foreach (var domain in _host.ListDomains().Where(domain => domain.Name.StartsWith(_name, StringComparison.Ordinal))) _host.DestroyDomain(domain.Key);
        foreach (var daemon in Daemons) _host.Services.Stop(daemon);
        Assert.All(Daemons, daemon => Assert.Equal(ServiceState.Stopped, _host.Services.Get(daemon).State));
        _host.Dispose();
    }

    [Fact]
    public void Services_are_started_and_stopped_by_it()
    {
        foreach (var daemon in Daemons)
        {
            var service = _host!.Services.Get(daemon);
            Assert.Equal((ServiceState.Running, MainProcess(daemon)), (service.State, service.ProcessId));
            _host.Services.Stop(daemon, TestContext.Current.CancellationToken);
            Assert.Equal("inactive", Property(daemon, "ActiveState"));
            Assert.Equal("success", Property(daemon, "Result"));
        }
    }

    [Fact]
    public void A_device_daemon_that_is_killed_comes_again_and_guests_keep_their_devices()
    {
        var first = Create("1", DeviceMethod.Xenstore, Bridge);
        KillAndAwait("devd");
        var second = Create("2", DeviceMethod.Xenstore, Bridge);

        foreach (var domain in new[] { first, second })
        {
            Assert.True(Directory.Exists($"/sys/class/net/vif{domain.Id}.0/brport"));
            _host!.DestroyDomain(domain.Key);
            AssertEventually(() => !Directory.Exists($"/sys/class/net/vif{domain.Id}.0"), "its interface is gone");
        }
    }

    [Fact]
    public void A_guest_without_a_store_goes_on_when_its_daemon_is_killed_or_restarted()
    {
        var image = Path.Combine(Path.GetTempPath(), $"{_name}.img");
        File.WriteAllBytes(image, new byte[1 << 20]);
        try
        {
            var domain = Create("1", DeviceMethod.Noxs, Bridge, new DiskConfig(image, DiskType.File, "xvda", DiskAccess.ReadWrite));
            AssertEventually(() => DiskOf(domain) == DeviceState.Connected, "its guest has its disk");
            KillAndAwait("noxsd");
            Assert.Equal(DeviceState.Connected, DiskOf(domain));
            var before = MainProcess("noxsd");
            Dom0.Output("systemctl", "restart", "lightvm-noxsd");
            Assert.NotEqual(before, MainProcess("noxsd"));
            Assert.Equal(DeviceState.Connected, DiskOf(domain));

            Assert.Null(_host!.Lifecycle.Stop(domain.Key, TimeSpan.FromMinutes(2), cancellation: TestContext.Current.CancellationToken));
            AssertEventually(() => !Directory.Exists($"/sys/class/net/vif{domain.Id}.0"), "its interface is gone");
        }
        finally
        {
            File.Delete(image);
        }
    }

    [Fact]
    public void A_pool_daemon_that_is_killed_comes_again_and_keeps_its_shells()
    {
        _host!.Pools.Add(new PoolDefinition { Name = _name, Flavour = PoolFlavour.Of(Config("x", DeviceMethod.Noxs, Bridge), ShellKind.Built), Minimum = 1, Maximum = 1 });
        AssertEventually(() => Pool() is { ReadyCount: 1, MakingCount: 0 }, "a shell is ready");
        var shell = _host.ListDomains(includeShells: true).Single(domain => domain.IsShell).Key;
        KillAndAwait("poold");
        AssertEventually(() => Pool()?.ReadyCount == 1, "the shell is known again");

        var made = _host.CreateDomain(Config("1", DeviceMethod.Noxs, Bridge), TestContext.Current.CancellationToken);
        Assert.Equal((shell.Id, CreationSource.Built), (made.Id, made.Creation!.Source));

        Pool? Pool() => _host.Pools.List().FirstOrDefault(pool => pool.Name == _name);
    }

    private DomainConfig Config(string name, DeviceMethod method, string? bridge, params DiskConfig[] disks) => DomainConfig.From(new DomainConfigDraft
    {
        Name = $"{_name}-{name}",
        Kernel = method == DeviceMethod.Noxs ? Path.Combine(Dom0.Build, "guests", "disk.elf") : Dom0.TinyKernel,
        MemoryMiB = 4,
        VcpuCount = 1,
        DeviceMethod = method,
        Vifs = bridge is null ? [] : [new NetworkConfig(null, null, bridge)],
        Vbds = disks,
    });

    private Domain Create(string name, DeviceMethod method, string? bridge, params DiskConfig[] disks) => _host!.CreateDomain(Config(name, method, bridge, disks), TestContext.Current.CancellationToken);

    /// <summary>Kills a daemon, and waits until systemd has started it again and it answers.</summary>
    private void KillAndAwait(string daemon)
    {
        var before = MainProcess(daemon);
        Dom0.Output("kill", "-9", before.ToString(CultureInfo.InvariantCulture));
        AssertEventually(() => MainProcess(daemon) is var now && now != 0 && now != before && _host!.Services.Get(daemon).State == ServiceState.Running, $"{daemon} is there again");
    }

    private DeviceState DiskOf(Domain domain) => _host!.Devices.ListDisks(domain).Single().State;

    private static int MainProcess(string daemon) => int.Parse(Property(daemon, "MainPID"), CultureInfo.InvariantCulture);

    private static string Property(string daemon, string name) => Dom0.Output("systemctl", "show", "--value", "-p", name, $"lightvm-{daemon}").Trim();

    private static void AssertEventually(Func<bool> condition, string what) => GuestTests.AssertEventually(condition, () => $"never: {what}");
}
