using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Pools;

namespace LightVM.Lab;

/// <summary>Guests without a store, by the noxs daemon: each boots, serves, ends and comes back, and leaves nothing.</summary>
public sealed class NoxsTests(XenContractHost contract, RunningNoxsDaemon noxs) : DeviceTests(contract), IClassFixture<XenContractHost>, IClassFixture<RunningNoxsDaemon>, IDisposable
{
    private const string Address = "192.168.77.40";
    private const int EchoPort = 7;
    private const string Pool = "noxs";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly LvmHost _host = LvmHost.OpenXen();

    public RunningNoxsDaemon Noxs { get; } = noxs;

    public static TheoryData<string, GuestType> Guests
    {
        get
        {
            var data = new TheoryData<string, GuestType>();
            foreach (var guest in new[] { "idle", "timecost", "daytime", "webserver", "template" })
            {
                data.Add(guest, GuestType.PV);
                data.Add(guest, GuestType.PVH);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Guests))]
    public void Each_guest_boots_says_hello_and_powers_off(string guest, GuestType type)
    {
        var domain = Start(guest, type, vifs: guest is "idle" or "timecost" ? 0 : 1);
        Says(domain, $"{guest}: hello from a {type} guest");
        Assert.Null(Dom0.Run("xenstore-read", $"/local/domain/{domain.Id}/name") is (0, var name) ? name : null);

        Assert.Null(_host.Lifecycle.Stop(domain.Key, Patience, cancellation: Cancellation));
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void Daytime_tells_the_time_and_comes_back_from_a_reboot(GuestType type)
    {
        var domain = Start("daytime", type);
        AssertTellsTime();

        var again = _host.Lifecycle.Restart(domain.Key, Patience, cancellation: Cancellation);
        Assert.NotEqual(domain.Id, again.Id);
        AssertTellsTime();
        Destroy(again);
    }

    [Theory]
    [InlineData(DeviceMethod.Noxs, DeviceMethod.Noxs)]
    [InlineData(DeviceMethod.Noxs, DeviceMethod.Xenstore)]
    [InlineData(DeviceMethod.Xenstore, DeviceMethod.Noxs)]
    public void One_guest_tells_another_the_time(DeviceMethod teller, DeviceMethod asker)
    {
        var isStoreNeeded = teller == DeviceMethod.Xenstore || asker == DeviceMethod.Xenstore;
        if (isStoreNeeded) StartDaemon();
        var one = _host.CreateDomain(ConfigOf("daytime", GuestType.PV, with: draft => draft.DeviceMethod = teller), Cancellation);
        var another = _host.CreateDomain(ConfigOf("daytime", GuestType.PVH, with: draft => (draft.Name, draft.CommandLine, draft.DeviceMethod) = ("noxs-asker", $"ip={Address[..^1]}1/24 ask={Address}", asker)), Cancellation);
        _host.Consoles.WaitForLine(another.Key, new Regex($"{Regex.Escape(Address)} says: \\w+day, .*-UTC"), Patience, Cancellation);
        Destroy(another);
        Destroy(one);
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void A_connection_goes_on_through_a_checkpoint_and_a_restore(GuestType type)
    {
        var domain = Start("template", type);
        var image = Image("noxs.lightvm");
        using var connection = GuestService.Connect(Address, EchoPort);
        AssertEchoes(connection, "before");

        _host.Images.Save(domain.Key, image, new SaveOptions { KeepRunning = true, Overwrite = true }, Cancellation);
        AssertEchoes(connection, "after a checkpoint");
        for (var round = 0; round < 2; round++)
        {
            _host.Images.Save(domain.Key, image, new SaveOptions { Overwrite = true }, Cancellation);
            domain = _host.Images.Restore(image, cancellation: Cancellation);
            AssertEchoes(connection, $"after restore {round}");
        }

        Destroy(domain);
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void More_is_echoed_than_all_rings_and_windows_hold_in_frames_larger_than_a_wire_takes(GuestType type)
    {
        var domain = Start("template", type);
        using var connection = GuestService.Connect(Address, EchoPort);

        GuestService.AssertEchoesMuch(connection, $"vif{domain.Id}.0");
        Destroy(domain);
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void An_interface_that_comes_while_the_guest_runs_serves_and_goes_and_is_there_after_a_save(GuestType type)
    {
        var domain = Start("daytime", type, vifs: 0);
        Says(domain, $"hello from a {type} guest");
        var adapter = _host.Devices.AddNetworkAdapter(domain.Key, Vif(), cancellation: Cancellation);
        AssertTellsTime();
        Assert.Equal(DeviceState.Connected, Assert.Single(_host.Devices.ListNetworkAdapters(domain)).State);

        var image = Image("noxs-attached.lightvm");
        _host.Images.Save(domain.Key, image, new SaveOptions { KeepRunning = true, Overwrite = true }, Cancellation);
        AssertTellsTime();
        _host.Images.Save(domain.Key, image, new SaveOptions { Overwrite = true }, Cancellation);
        domain = _host.Images.Restore(image, cancellation: Cancellation);
        AssertTellsTime();
        Assert.Equal(adapter.MacAddress, Assert.Single(_host.Devices.ListNetworkAdapters(domain)).MacAddress);

        // It goes and comes, more often than the guest has memory for rings that were not given back.
        for (var round = 0; round < 8; round++)
        {
            _host.Devices.RemoveNetworkAdapter(domain.Key, 0, cancellation: Cancellation);
            GuestTests.AssertEventually(() => !Directory.Exists($"/sys/class/net/vif{domain.Id}.0"), () => $"the interface is left; {Noxs.Log}");
            Assert.Equal(adapter.MacAddress, _host.Devices.AddNetworkAdapter(domain.Key, Vif(), cancellation: Cancellation).MacAddress);
            AssertTellsTime();
        }

        domain = _host.Lifecycle.Restart(domain.Key, Patience, cancellation: Cancellation);
        AssertTellsTime();
        Destroy(domain);
    }

    [Fact]
    public void A_daemon_that_is_killed_has_the_next_one_find_what_came_while_guests_ran()
    {
        var domain = Start("template", GuestType.PV, vifs: 0);
        _host.Devices.AddNetworkAdapter(domain.Key, Vif(), cancellation: Cancellation);
        using var connection = GuestService.Connect(Address, EchoPort);
        AssertEchoes(connection, "before");
        _host.Devices.AddNetworkAdapter(domain.Key, Vif(OtherBridge), cancellation: Cancellation);
        Noxs.KillAndStart();
        AssertEchoes(connection, "after");
        Assert.Equal([0, 1], _host.Devices.ListNetworkAdapters(domain).Select(adapter => adapter.DeviceId));

        // What the guest was asked for by the one, the next one sees to.
        _host.PauseDomain(domain.Key);
        Assert.Equal(ErrorIds.DeviceBusy, Assert.Throws<LvmException>(() => _host.Devices.RemoveNetworkAdapter(domain.Key, 0, patience: TimeSpan.FromSeconds(1), cancellation: Cancellation)).ErrorId);
        Noxs.KillAndStart();
        Assert.Equal([0, 1], _host.Devices.ListNetworkAdapters(domain).Select(adapter => adapter.DeviceId));
        _host.UnpauseDomain(domain.Key);
        GuestTests.AssertEventually(() => _host.Devices.ListNetworkAdapters(domain) is [{ DeviceId: 1 }], () => $"the interface stays; {Noxs.Log}");
        GuestTests.AssertEventually(() => !Directory.Exists($"/sys/class/net/vif{domain.Id}.0"), () => $"the interface is left; {Noxs.Log}");
        Destroy(domain);
    }

    [Fact]
    public void A_daemon_that_is_killed_amid_large_frames_and_the_next_one_lose_no_byte()
    {
        var domain = Start("template", GuestType.PV);
        using var connection = GuestService.Connect(Address, EchoPort);

        GuestService.AssertEchoesMuch(connection, $"vif{domain.Id}.0", Noxs.KillAndStart);
        Destroy(domain);
    }

    [Theory]
    [InlineData(ShellKind.Shell, GuestType.PV)]
    [InlineData(ShellKind.Built, GuestType.PV)]
    [InlineData(ShellKind.Snapshot, GuestType.PV)]
    [InlineData(ShellKind.Shell, GuestType.PVH)]
    [InlineData(ShellKind.Built, GuestType.PVH)]
    [InlineData(ShellKind.Snapshot, GuestType.PVH)]
    public void Shells_become_guests(ShellKind kind, GuestType type)
    {
        WithPool(kind == ShellKind.Snapshot ? PoolFlavour.OfImage(SaveDaytime(type)) : PoolFlavour.Of(ConfigOf("daytime", type), kind), () =>
        {
            var domain = Start("daytime", type);

            Assert.Equal((kind.ToString(), Pool), (domain.Creation!.Source.ToString(), domain.Creation.Pool));
            AssertTellsTime();
            Destroy(domain);
        });
    }

    [Theory]
    [MemberData(nameof(PoolTests.UserPoints), MemberType = typeof(PoolTests))]
    public void A_client_that_dies_amid_a_hot_start_leaves_nothing_that_is_half(string point)
    {
        WithPool(PoolFlavour.Of(ConfigOf("daytime", GuestType.PV), ShellKind.Built), () =>
        {
            var config = Path.Combine(Path.GetTempPath(), "lightvm-noxs-dies.json");
            AtEnd(() => File.Delete(config));
            File.WriteAllBytes(config, DomainConfigJson.Write(ConfigOf("daytime", GuestType.PV)));
            var (exitCode, output) = Dom0.Run("env", $"LIGHTVM_CRASH_AT={point}", Dom0.Lightvm, "create", config);
            Assert.True(exitCode == 128 + 9, output);

            // What is committed is somebody's, and runs.
            GuestTests.AssertEventually(() => Contract.Directory.Shells.List().All(shell => shell.State != ShellState.Claimed), () => $"a shell is still claimed; {Noxs.Log}");
            AwaitReady();
            var left = _host.ListDomains().Where(domain => domain.Name == "noxs-daytime" && domain.State != DomainState.Dying).ToArray();
            Assert.Equal(point == ShellCrashPoints.Committed ? 1 : 0, left.Length);
            if (left.Length == 0) return;
            AssertTellsTime();
            Destroy(left[0]);
        });
    }

    [Fact]
    public void Whoever_makes_one_lists_it_and_destroys_it_needs_no_store()
    {
        Run("create", "--no-xs", "--guest", "daytime", "--name", "noxs-storeless", "--bridge", Bridge, "--cmdline", $"ip={Address}/24");
        AssertTellsTime();
        Assert.Contains("noxs-storeless", Run("list"), StringComparison.Ordinal);
        Run("destroy", "noxs-storeless");

        static string Run(params string[] words)
        {
            var (exitCode, output) = Dom0.Run("env", ["XENSTORED_PATH=/nonexistent/socket", Dom0.Lightvm, .. words]);
            Assert.True(exitCode == 0, output);
            return output;
        }
    }

    [Fact]
    public void Names_are_kept_and_compared()
    {
        var domain = Start("idle", GuestType.PV, vifs: 0);
        Assert.Equal(ErrorIds.DomainNameTaken, Assert.Throws<LvmException>(() => Start("idle", GuestType.PV, vifs: 0)).ErrorId);
        _host.RenameDomain(domain.Key, "noxs-other");
        using (var another = LvmHost.OpenXen()) Assert.Equal(domain.Key, another.GetDomain("noxs-other").Key);
        Destroy(domain);
    }

    public new void Dispose()
    {
        foreach (var domain in _host.ListDomains().Where(domain => domain.Name.StartsWith("noxs-", StringComparison.Ordinal))) _host.DestroyDomain(domain.Key);
        _host.Dispose();
        base.Dispose();
    }

    /// <summary>On a hypervisor that has pages of its own, guests that can look there, and not into their memory.</summary>
    private static string CommandLineOf(GuestType type) => $"ip={Address}/24{(HypervisorPageTests.IsLightVM && type == GuestType.PV ? " noxs=hypervisor" : "")}";

    private static DomainConfig ConfigOf(string guest, GuestType type, int vifs = 1, Action<DomainConfigDraft>? with = null)
    {
        var draft = new DomainConfigDraft
        {
            Name = $"noxs-{guest}",
            Kernel = new GuestImages([Path.Combine(Dom0.Build, "guests")]).Find(guest),
            CommandLine = CommandLineOf(type),
            MemoryMiB = GuestImages.MemoryMiB,
            VcpuCount = 1,
            Type = type,
            Vifs = Enumerable.Repeat(Vif(), vifs).ToArray(),
            DeviceMethod = DeviceMethod.Noxs,
            OnPoweroff = LifecycleAction.Destroy,
        };
        with?.Invoke(draft);
        return DomainConfig.From(draft);
    }

    private Domain Start(string guest, GuestType type, int vifs = 1) => _host.CreateDomain(ConfigOf(guest, type, vifs), Cancellation);

    /// <summary>Does something while the daemon keeps a shell ready.</summary>
    private void WithPool(PoolFlavour flavour, Action use)
    {
        var folder = Directory.CreateTempSubdirectory("lightvm-pools-").FullName;
        using var keeper = DeviceDaemon.StartOther("poold", new Dictionary<string, string> { [FilePoolStore.FolderVariable] = folder });
        try
        {
            _host.Pools.Add(new PoolDefinition { Name = Pool, Flavour = flavour, Minimum = 1, Maximum = 1 });
            AwaitReady();
            use();
        }
        finally
        {
            _host.Pools.Remove(Pool);
            keeper.Stop();
            Directory.Delete(folder, recursive: true);
        }
    }

    private void AwaitReady() => GuestTests.AssertEventually(() => _host.Pools.Get(Pool).ReadyCount == 1, () => $"{_host.Pools.Get(Pool).Problem}; {Noxs.Log}");

    /// <summary>An image of one that serves.</summary>
    private string SaveDaytime(GuestType type)
    {
        var image = Image("noxs-daytime.lightvm");
        var domain = Start("daytime", type);
        AssertTellsTime();
        _host.Images.Save(domain.Key, image, new SaveOptions { Overwrite = true }, Cancellation);
        return image;
    }

    private void Destroy(Domain domain) => _host.DestroyDomain(domain.Key);

    private void Says(Domain domain, string text) => _host.Consoles.WaitForLine(domain.Key, new Regex(Regex.Escape(text)), Patience, Cancellation);

    private static void AssertTellsTime() => GuestService.AssertTellsTime(Address);

    private static void AssertEchoes(TcpClient connection, string text)
    {
        var (sent, received) = (Encoding.ASCII.GetBytes(text), new byte[text.Length]);
        connection.GetStream().Write(sent);
        connection.GetStream().ReadExactly(received);
        Assert.Equal(sent, received);
    }
}

/// <summary>The noxs daemon, running for the tests of a class; it is ended with them.</summary>
public sealed class RunningNoxsDaemon : IDisposable
{
    private DeviceDaemon _daemon = Start();

    public string Log => _daemon.Log;

    /// <summary>The daemon dies, and the next one takes its guests over.</summary>
    public void KillAndStart()
    {
        _daemon.Kill();
        _daemon.Dispose();
        _daemon = Start();
    }

    public void Dispose()
    {
        _daemon.Stop();
        _daemon.Dispose();
    }

    private static DeviceDaemon Start() => DeviceDaemon.StartOther("noxsd", new Dictionary<string, string>());
}
