using System.Diagnostics;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Contract;

/// <summary>
/// Devices of domains without a store, on every host: they come and go while the guest runs, as those of a domain with a store do. The guest has a driver for
/// interfaces, and lets go of them when it is asked to.
/// </summary>
public abstract class NoxsDeviceContract : IDisposable
{
    private const string Bridge = "xenbr0";
    private const string OtherBridge = "xenbr1";
    private const int Xvda = 51712;
    private const int Xvdb = 51728;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly string _folder = Directory.CreateTempSubdirectory("lightvm-noxs-").FullName;
    private readonly string _kernel;

    private protected NoxsDeviceContract(LvmHost host, string kernel)
    {
        Host = host;
        _kernel = kernel;
    }

    protected LvmHost Host { get; }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        foreach (var domain in Host.ListDomains().Where(domain => domain.Name.StartsWith("noxs-", StringComparison.Ordinal))) Host.DestroyDomain(domain.Key);
        Host.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Devices_come_and_go_while_the_guest_runs()
    {
        var domain = Create();
        var first = Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig("10.0.0.9", "0:16:3e:0:0:9", Bridge), cancellation: Cancellation);
        Assert.Equal((0, "00:16:3e:00:00:09", Bridge, "10.0.0.9", $"vif{domain.Id}.0"), (first.DeviceId, first.MacAddress, first.Bridge, first.IpAddress, first.InterfaceName));
        AssertConnects(domain);
        var second = Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, OtherBridge), cancellation: Cancellation);
        Assert.Equal(1, second.DeviceId);
        var image = Image("hot.img");
        var disk = Host.Devices.AddDisk(domain.Key, new DiskConfig(image, DiskType.File, "xvdb", DiskAccess.ReadWrite), cancellation: Cancellation);
        Assert.Equal((Xvdb, "xvdb", image), (disk.DeviceId, disk.VirtualDevice, disk.Target));

        Host.Devices.RemoveNetworkAdapter(domain.Key, 0, cancellation: Cancellation);
        AssertConnects(domain); // a guest that uses one takes the other one then
        Assert.Equal(second.MacAddress, Assert.Single(Host.Devices.ListNetworkAdapters(domain)).MacAddress);
        AssertFails(ErrorIds.DeviceNotFound, () => Host.Devices.RemoveNetworkAdapter(domain.Key, 0, cancellation: Cancellation));
        Host.Devices.RemoveDisk(domain.Key, Xvdb, cancellation: Cancellation);
        Assert.Empty(Host.Devices.ListDisks(domain));

        // What it had is free again, for itself and for others.
        var another = Create();
        Host.Devices.AddDisk(another.Key, new DiskConfig(image, DiskType.File, "xvda", DiskAccess.ReadWrite), cancellation: Cancellation);
        Assert.Equal(0, Host.Devices.AddNetworkAdapter(another.Key, new NetworkConfig(null, first.MacAddress, Bridge), cancellation: Cancellation).DeviceId);
        Assert.Equal(0, Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, Bridge), cancellation: Cancellation).DeviceId);
        Assert.Equal(DeviceState.Connected, StateOf(domain, 1)); // it stays with the one that it has
    }

    [Fact]
    public void A_guest_that_is_paused_takes_what_it_got_when_it_goes_on()
    {
        var domain = Create(draft => draft.Paused = true);
        Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, Bridge), cancellation: Cancellation);
        Assert.Equal(DeviceState.InitWait, StateOf(domain));
        Host.UnpauseDomain(domain.Key);
        AssertConnects(domain);

        Host.PauseDomain(domain.Key);
        Host.Devices.RemoveNetworkAdapter(domain.Key, 0, force: true, cancellation: Cancellation);
        var added = Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, OtherBridge), cancellation: Cancellation);
        Host.UnpauseDomain(domain.Key);
        AssertConnects(domain);
        Assert.Equal(added.Bridge, Assert.Single(Host.Devices.ListNetworkAdapters(domain)).Bridge);
    }

    [Fact]
    public void A_guest_that_does_not_let_go_in_time_loses_the_device_when_it_does()
    {
        var domain = Create();
        Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, Bridge), cancellation: Cancellation);
        AssertConnects(domain);
        Host.PauseDomain(domain.Key);
        AssertFails(ErrorIds.DeviceBusy, Remove);
        Assert.Equal(DeviceState.Closing, StateOf(domain));
        Assert.Equal(1, Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, Bridge), cancellation: Cancellation).DeviceId); // the number is not free yet
        Host.UnpauseDomain(domain.Key);
        AssertEventually(() => Host.Devices.ListNetworkAdapters(domain) is [{ DeviceId: 1 }], "the interface stays");
        AssertConnects(domain);
        Assert.Equal(0, Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, OtherBridge), cancellation: Cancellation).DeviceId);
        Assert.Equal(2, Host.Devices.ListNetworkAdapters(domain).Count);

        void Remove() => Host.Devices.RemoveNetworkAdapter(domain.Key, 0, patience: TimeSpan.FromMilliseconds(500), cancellation: Cancellation);
    }

    [Fact]
    public void A_device_that_a_guest_does_not_let_go_of_is_taken_from_it_by_force_and_does_not_come_back()
    {
        var domain = Create();
        Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, Bridge), cancellation: Cancellation);
        AssertConnects(domain);
        Host.PauseDomain(domain.Key);
        AssertFails(ErrorIds.DeviceBusy, () => Host.Devices.RemoveNetworkAdapter(domain.Key, 0, patience: TimeSpan.Zero, cancellation: Cancellation));
        Assert.Single(Host.Devices.ListNetworkAdapters(domain));
        using (var cancelled = new CancellationTokenSource(100)) AssertFails(ErrorIds.OperationCancelled, () => Host.Devices.RemoveNetworkAdapter(domain.Key, 0, cancellation: cancelled.Token));
        Host.Devices.RemoveNetworkAdapter(domain.Key, 0, force: true, cancellation: Cancellation);
        Assert.Empty(Host.Devices.ListNetworkAdapters(domain));
        Host.UnpauseDomain(domain.Key);
        Assert.Empty(Host.Devices.ListNetworkAdapters(Host.Lifecycle.Restart(domain.Key, Patience, cancellation: Cancellation)));
    }

    [Fact]
    public void What_came_later_is_there_after_a_restart_and_after_a_save()
    {
        var domain = Create(draft => draft.Vifs = [new NetworkConfig(null, null, Bridge), new NetworkConfig(null, null, Bridge)]);
        Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, OtherBridge), cancellation: Cancellation);
        Host.Devices.RemoveNetworkAdapter(domain.Key, 0, cancellation: Cancellation);
        Host.Devices.AddDisk(domain.Key, new DiskConfig(Image("kept.img"), DiskType.File, "xvdb", DiskAccess.ReadWrite), cancellation: Cancellation);
        var had = DevicesOf(domain);
        Assert.Equal([1, 2, Xvdb], had.Select(device => device.Id));

        var again = Host.Lifecycle.Restart(domain.Key, Patience, cancellation: Cancellation);
        Assert.Equal(had, DevicesOf(again));
        var image = Path.Combine(_folder, "image");
        Host.Images.Save(again.Key, image, cancellation: Cancellation);
        var restored = Host.Images.Restore(image, cancellation: Cancellation);
        Assert.Equal(had, DevicesOf(restored));
        Host.Devices.AddDisk(restored.Key, new DiskConfig(Image("another.img"), DiskType.File, "xvda", DiskAccess.ReadOnly), cancellation: Cancellation);
        Host.Devices.RemoveNetworkAdapter(restored.Key, 2, cancellation: Cancellation);
        Assert.Equal([1, Xvda, Xvdb], DevicesOf(restored).Select(device => device.Id));
    }

    [Fact]
    public void What_cannot_be_is_refused_and_nothing_is_left_of_it()
    {
        var (image, own, mac) = (Image("used.img"), Image("one.img"), "00:16:3e:00:00:0a");
        var other = Create(draft => (draft.Vifs, draft.Vbds) = ([new NetworkConfig(null, mac, Bridge)], [new DiskConfig(image, DiskType.File, "xvda", DiskAccess.ReadWrite)]));
        var domain = Create(draft => draft.Vifs = [new NetworkConfig(null, null, Bridge)]);
        AssertFails(ErrorIds.BridgeNotFound, () => Add(new NetworkConfig(null, null, "no-such-br")));
        AssertFails(ErrorIds.MacAddressTaken, () => Add(new NetworkConfig(null, mac, Bridge)));
        AssertFails(ErrorIds.DeviceUnsupported, () => Add(new NetworkConfig(null, null, Bridge, Rate: "1MB/s")));
        AssertFails(ErrorIds.DiskNotFound, () => AddDisk("/nowhere/disk.img", "xvda"));
        AssertFails(ErrorIds.DiskInUse, () => AddDisk(image, "xvda"));
        AddDisk(own, "xvda");
        AssertFails(ErrorIds.DeviceIdTaken, () => AddDisk(Image("two.img"), "xvda"));
        AssertFails(ErrorIds.DiskInUse, () => AddDisk(own, "xvdb"));
        Assert.Equal([0, Xvda], DevicesOf(domain).Select(device => device.Id));
        Host.DestroyDomain(other.Key);
        AddDisk(image, "xvdb"); // nobody holds it
        Host.DestroyDomain(domain.Key);
        AssertFails(ErrorIds.DomainGone, () => Add(new NetworkConfig(null, null, Bridge)));

        void Add(NetworkConfig config) => Host.Devices.AddNetworkAdapter(domain.Key, config, cancellation: Cancellation);
        void AddDisk(string path, string device) => Host.Devices.AddDisk(domain.Key, new DiskConfig(path, DiskType.File, device, DiskAccess.ReadWrite), cancellation: Cancellation);
    }

    [Fact]
    public void A_domain_has_no_more_devices_than_its_page_has_room_for_and_a_place_that_is_free_again_is_used_again()
    {
        var disks = Enumerable.Range(0, 16).Select(i => new DiskConfig(Image($"{i}.img"), DiskType.File, $"xvd{(char)('a' + i)}", DiskAccess.ReadOnly)).ToList();
        var domain = Create(draft => (draft.Vifs, draft.Vbds) = (Enumerable.Repeat(new NetworkConfig(null, null, Bridge), 14).ToList(), disks[..15]));
        Add(); // with that by which it is asked: 31
        for (var round = 0; round < 2; round++)
        {
            var adapter = Add();
            AssertFails(ErrorIds.TooManyDevices, () => Host.Devices.AddDisk(domain.Key, disks[15], cancellation: Cancellation));
            Assert.Equal((16, 15), (Host.Devices.ListNetworkAdapters(domain).Count, Host.Devices.ListDisks(domain).Count));
            Host.Devices.RemoveNetworkAdapter(adapter, cancellation: Cancellation);
        }

        Host.Devices.AddDisk(domain.Key, disks[15], cancellation: Cancellation);
        AssertFails(ErrorIds.TooManyDevices, () => Add());
        Assert.Equal(DevicePage.MaxDevices - 1, DevicesOf(domain).Count);

        NetworkAdapter Add() => Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, Bridge), cancellation: Cancellation);
    }

    [Fact]
    public void Several_at_once_get_numbers_of_their_own()
    {
        var domain = Create();
        var added = new List<int>();
        var adding = Enumerable.Range(0, 4).Select(_ => new Thread(() =>
        {
            var id = Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, Bridge), cancellation: Cancellation).DeviceId;
            lock (added) added.Add(id);
        })).ToList();
        adding.ForEach(thread => thread.Start());
        adding.ForEach(thread => thread.Join());
        Assert.Equal([0, 1, 2, 3], added.Order());
        Assert.Equal(4, Host.Devices.ListNetworkAdapters(domain).Select(adapter => adapter.MacAddress).Distinct().Count());
        AssertEventually(() => Host.Devices.ListNetworkAdapters(domain).Any(adapter => adapter.State == DeviceState.Connected), "no interface is in use");
    }

    private static void AssertFails(string errorId, Action action) => Assert.Equal(errorId, Assert.Throws<LvmException>(action).ErrorId);

    private static void AssertEventually(Func<bool> isSo, string otherwise)
    {
        for (var begin = Stopwatch.GetTimestamp(); !isSo(); Thread.Sleep(20)) Assert.True(Stopwatch.GetElapsedTime(begin) < Patience, otherwise);
    }

    private Domain Create(Action<DomainConfigDraft>? change = null)
    {
        var draft = new DomainConfigDraft
        {
            Name = $"noxs-{Host.ListDomains().Count}",
            Kernel = _kernel,
            CommandLine = "ip=192.168.77.41/24",
            MemoryMiB = GuestImages.MemoryMiB,
            VcpuCount = 1,
            DeviceMethod = DeviceMethod.Noxs,
            OnReboot = LifecycleAction.Restart,
        };
        change?.Invoke(draft);
        return Host.CreateDomain(DomainConfig.From(draft), Cancellation);
    }

    private DeviceState? StateOf(Domain domain, int id = 0) => Host.Devices.ListNetworkAdapters(domain).FirstOrDefault(adapter => adapter.DeviceId == id)?.State;

    /// <summary>Its first interface is in use, soon.</summary>
    private void AssertConnects(Domain domain) => AssertEventually(() => Host.Devices.ListNetworkAdapters(domain) is [{ State: DeviceState.Connected }, ..], "its interface is not in use");

    private List<(int Id, string What)> DevicesOf(Domain domain) =>
    [
        .. Host.Devices.ListNetworkAdapters(domain).Select(adapter => (adapter.DeviceId, adapter.MacAddress)),
        .. Host.Devices.ListDisks(domain).Select(disk => (disk.DeviceId, disk.Target)),
    ];

    private string Image(string name)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, new byte[1 << 20]);
        return path;
    }
}
