using System.Diagnostics;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using Xunit;

namespace LightVM.Contract;

/// <summary>What every host does with the devices of its domains. The guest of these tests has no drivers: what guests do with devices is tried with Linux in the lab.</summary>
public abstract class DeviceContract(ContractHost contract) : ContractTests(contract)
{
    private const string Bridge = "xenbr0";
    private const string OtherBridge = "xenbr1";
    private const int Xvda = 51712;
    private const int Xvdb = 51728;

    // --- with the domain ------------------------------------------------------------------------------------------------

    [Fact]
    public void Interfaces_of_a_saved_domain_keep_their_numbers_and_addresses()
    {
        var folder = Directory.CreateTempSubdirectory("lightvm-save-");
        try
        {
            var image = Path.Combine(folder.FullName, "guest.lightvm");
            var none = new NetworkConfig(null, null, null);
            var domain = Create(draft => draft.Vifs = [none, none, none]);
            Host.Devices.RemoveNetworkAdapter(domain.Key, 0, force: true, cancellation: Cancellation);
            var before = AdaptersOf(domain);
            Assert.Equal([1, 2], before.Select(adapter => adapter.DeviceId));

            Host.Images.Save(domain.Key, image, cancellation: Cancellation);
            var restored = Created(Host.Images.Restore(image, cancellation: Cancellation));
            Assert.Equal(before, AdaptersOf(restored));
            var copy = AdaptersOf(Created(Host.Images.Copy(restored.Key, "contract-copy", TimeSpan.FromMinutes(1), cancellation: Cancellation)));
            Assert.Equal([1, 2], copy.Select(adapter => adapter.DeviceId));
            Assert.Empty(copy.Select(adapter => adapter.MacAddress).Intersect(before.Select(adapter => adapter.MacAddress)));
        }
        finally
        {
            folder.Delete(recursive: true);
        }

        List<(int DeviceId, string MacAddress)> AdaptersOf(Domain owner) => Host.Devices.ListNetworkAdapters([owner]).Select(adapter => (adapter.DeviceId, adapter.MacAddress)).ToList();
    }

    [Fact]
    public void A_new_domain_has_the_devices_of_its_configuration()
    {
        var image = Image("root.img");
        var domain = Create(draft =>
        {
            draft.Vifs = [new NetworkConfig("10.0.0.2", "00:16:3e:01:02:03", Bridge), new NetworkConfig(null, null, OtherBridge, Rate: "10Mb/s", QueueCount: 1, Trusted: false)];
            draft.Vbds = [new DiskConfig(image, DiskType.File, "xvda", DiskAccess.ReadWrite)];
        });

        var adapters = Host.Devices.ListNetworkAdapters(domain);
        Assert.Equal([0, 1], adapters.Select(adapter => adapter.DeviceId));
        Assert.Equal(["00:16:3e:01:02:03", adapters[1].MacAddress], adapters.Select(adapter => adapter.MacAddress));
        Assert.StartsWith("00:16:3e:", adapters[1].MacAddress, StringComparison.Ordinal);
        Assert.Equal([Bridge, OtherBridge], adapters.Select(adapter => adapter.Bridge));
        Assert.Equal(["10.0.0.2", null], adapters.Select(adapter => adapter.IpAddress));
        Assert.Equal(["10Mb/s", null], adapters.Select(adapter => adapter.Rate).Reverse());
        Assert.Equal([true, false], adapters.Select(adapter => adapter.Trusted));
        Assert.Equal(1, adapters[1].QueueCount);
        Assert.Equal([$"vif{domain.Id}.0", $"vif{domain.Id}.1"], adapters.Select(adapter => adapter.InterfaceName));
        Assert.All(adapters, adapter => Assert.Equal((domain.Key, domain.Name), (adapter.Domain, adapter.DomainName)));

        var disk = Assert.Single(Host.Devices.ListDisks(domain));
        Assert.Equal((Xvda, "xvda", image, DiskType.File, DiskAccess.ReadWrite), (disk.DeviceId, disk.VirtualDevice, disk.Target, disk.Type, disk.Access));
        Assert.NotNull(disk.BlockDevice);
    }

    [Fact]
    public void The_same_domain_gets_the_same_address_again_and_another_one_another()
    {
        var uuid = Guid.NewGuid();
        string MacOf(Domain domain) => Assert.Single(Host.Devices.ListNetworkAdapters(domain)).MacAddress;
        void WithUuid(DomainConfigDraft draft) => (draft.Uuid, draft.Vifs) = (uuid, [new NetworkConfig(null, null, Bridge)]);

        var first = Create(WithUuid);
        var other = Create(draft => draft.Vifs = [new NetworkConfig(null, null, Bridge)]);
        var mac = MacOf(first);
        Assert.NotEqual(mac, MacOf(other));
        Host.DestroyDomain(first.Key);
        Assert.Equal(mac, MacOf(Create(WithUuid)));
    }

    [Fact]
    public void A_domain_with_as_many_devices_as_there_may_be_has_them_all()
    {
        var domain = Create(draft =>
        {
            draft.Vifs = Enumerable.Range(0, 16).Select(_ => new NetworkConfig(null, null, Bridge)).ToList();
            draft.Vbds = Enumerable.Range(0, 16).Select(i => new DiskConfig(Image($"many{i}.img"), DiskType.File, $"d{i}p0", DiskAccess.ReadOnly)).ToList();
        });

        Assert.Equal(16, Host.Devices.ListNetworkAdapters(domain).Select(adapter => adapter.MacAddress).Distinct().Count());
        Assert.Equal(16, Host.Devices.ListDisks(domain).Count);
        AssertFails(ErrorIds.TooManyDevices, () => Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, Bridge), cancellation: Cancellation));
        AssertFails(ErrorIds.TooManyDevices, () => Host.Devices.AddDisk(domain.Key, new DiskConfig(Image("more.img"), DiskType.File, "xvdz", DiskAccess.ReadOnly), cancellation: Cancellation));
    }

    [Fact]
    public void A_creation_with_devices_that_is_cancelled_before_any_step_leaves_nothing() =>
        AssertCancelledCreationsLeaveNothing(WithDevices);

    [Fact]
    public void A_creation_with_devices_whose_hypervisor_fails_at_any_call_leaves_nothing() =>
        AssertFailedCreationsLeaveNothing(WithDevices);

    // --- at any time ----------------------------------------------------------------------------------------------------

    [Fact]
    public void A_network_adapter_is_added_listed_and_removed()
    {
        var domain = Create();

        var first = Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, "0:16:3e:0:0:9", Bridge), cancellation: Cancellation);
        var second = Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, null, QueueCount: 1), cancellation: Cancellation);
        Assert.Equal((0, "00:16:3e:00:00:09", Bridge), (first.DeviceId, first.MacAddress, first.Bridge));
        Assert.Equal((1, null), (second.DeviceId, second.Bridge));
        Assert.Equal([first.MacAddress, second.MacAddress], Host.Devices.ListNetworkAdapters(domain).Select(adapter => adapter.MacAddress));

        Host.Devices.RemoveNetworkAdapter(domain.Key, 0, cancellation: Cancellation);
        Assert.Equal(second.MacAddress, Assert.Single(Host.Devices.ListNetworkAdapters(domain)).MacAddress);
        Assert.Equal(0, Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, Bridge), cancellation: Cancellation).DeviceId);
        AssertFails(ErrorIds.DeviceNotFound, () => Host.Devices.RemoveNetworkAdapter(domain.Key, 7, cancellation: Cancellation));
    }

    [Fact]
    public void A_disk_is_added_listed_and_removed_and_its_file_is_free_again()
    {
        var domain = Create();
        var image = Image("hot.img");

        var added = Host.Devices.AddDisk(domain.Key, new DiskConfig(image, DiskType.File, "xvdb", DiskAccess.ReadWrite), cancellation: Cancellation);
        Assert.Equal((Xvdb, "xvdb", image), (added.DeviceId, added.VirtualDevice, added.Target));
        Host.Devices.RemoveDisk(domain.Key, Xvdb, cancellation: Cancellation);
        Assert.Empty(Host.Devices.ListDisks(domain));
        Host.Devices.AddDisk(Create().Key, new DiskConfig(image, DiskType.File, "xvda", DiskAccess.ReadWrite), cancellation: Cancellation);
        AssertFails(ErrorIds.DeviceNotFound, () => Host.Devices.RemoveDisk(domain.Key, Xvdb, cancellation: Cancellation));
    }

    [Fact]
    public void Devices_of_many_domains_are_listed_at_once()
    {
        var domains = Enumerable.Range(0, 3).Select(_ => Create(draft => draft.Vifs = [new NetworkConfig(null, null, Bridge)])).ToList();
        Create(draft => draft.Vifs = [new NetworkConfig(null, null, Bridge)]);

        Assert.Equal(domains.Select(domain => domain.Name), Host.Devices.ListNetworkAdapters(domains).Select(adapter => adapter.DomainName));
        Assert.Empty(Host.Devices.ListDisks(domains));
    }

    [Fact]
    public void A_restarted_domain_has_the_devices_that_it_had()
    {
        var domain = Create(draft => draft.Vifs = [new NetworkConfig(null, null, Bridge), new NetworkConfig(null, null, Bridge)]);
        var macs = Host.Devices.ListNetworkAdapters(domain).Select(adapter => adapter.MacAddress).ToList();
        Host.Devices.AddDisk(domain.Key, new DiskConfig(Image("kept.img"), DiskType.File, "xvdb", DiskAccess.ReadWrite), cancellation: Cancellation);
        Host.Devices.RemoveNetworkAdapter(domain.Key, 0, cancellation: Cancellation);

        var again = Created(Host.Lifecycle.Restart(domain.Key, TimeSpan.FromSeconds(30), cancellation: Cancellation));
        Assert.Equal((domain.Uuid, domain.Name), (again.Uuid, again.Name));
        Assert.Equal(macs[1..], Host.Devices.ListNetworkAdapters(again).Select(adapter => adapter.MacAddress));
        Assert.Equal("xvdb", Assert.Single(Host.Devices.ListDisks(again)).VirtualDevice);
    }

    // --- what is refused, with nothing made -----------------------------------------------------------------------------

    [Fact]
    public void A_bridge_that_does_not_exist_is_refused()
    {
        AssertFails(ErrorIds.BridgeNotFound, () => Create(draft => draft.Vifs = [new NetworkConfig(null, null, "no-such-br")]));
        var domain = Create();
        AssertFails(ErrorIds.BridgeNotFound, () => Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, "no-such-br"), cancellation: Cancellation));
        Assert.Empty(Host.Devices.ListNetworkAdapters(domain));
    }

    [Fact]
    public void An_address_is_never_given_twice()
    {
        var vif = new NetworkConfig(null, "00:16:3e:0a:0b:0c", Bridge);
        var domain = Create(draft => draft.Vifs = [vif]);
        AssertFails(ErrorIds.MacAddressTaken, () => Create(draft => draft.Vifs = [vif]));
        Host.DestroyDomain(domain.Key);
        Create(draft => draft.Vifs = [vif]);
    }

    [Fact]
    public void A_disk_that_does_not_exist_or_is_none_is_refused()
    {
        AssertFails(ErrorIds.DiskNotFound, () => Create(draft => draft.Vbds = [new DiskConfig("/no/such.img", DiskType.File, "xvda", DiskAccess.ReadOnly)]));
        AssertFails(ErrorIds.DiskInvalid, () => Create(draft => draft.Vbds = [new DiskConfig(Path.GetTempPath(), DiskType.File, "xvda", DiskAccess.ReadOnly)]));
    }

    [Fact]
    public void A_disk_that_one_domain_may_write_is_no_other_domains()
    {
        var image = Image("shared.img");
        DiskConfig Disk(DiskAccess access) => new(image, DiskType.File, "xvda", access);
        var writer = Create(draft => draft.Vbds = [Disk(DiskAccess.ReadWrite)]);
        AssertFails(ErrorIds.DiskInUse, () => Create(draft => draft.Vbds = [Disk(DiskAccess.ReadWrite)]));
        AssertFails(ErrorIds.DiskInUse, () => Create(draft => draft.Vbds = [Disk(DiskAccess.ReadOnly)]));
        Host.DestroyDomain(writer.Key);

        Create(draft => draft.Vbds = [Disk(DiskAccess.ReadOnly)]);
        Create(draft => draft.Vbds = [Disk(DiskAccess.ReadOnly)]);
        AssertFails(ErrorIds.DiskInUse, () => Create(draft => draft.Vbds = [Disk(DiskAccess.ReadWrite)]));
    }

    [Fact]
    public void A_virtual_device_that_is_none_or_taken_is_refused()
    {
        var domain = Create(draft => draft.Vbds = [new DiskConfig(Image("taken.img"), DiskType.File, "xvda", DiskAccess.ReadWrite)]);
        AssertFails(ErrorIds.VirtualDeviceInvalid, () => Host.Devices.AddDisk(domain.Key, new DiskConfig(Image("x.img"), DiskType.File, "vda", DiskAccess.ReadWrite), cancellation: Cancellation));
        AssertFails(ErrorIds.DeviceIdTaken, () => Host.Devices.AddDisk(domain.Key, new DiskConfig(Image("y.img"), DiskType.File, "d0p0", DiskAccess.ReadWrite), cancellation: Cancellation));
    }

    [Fact]
    public void An_adapter_that_makes_no_sense_is_refused()
    {
        var domain = Create();
        foreach (var config in new NetworkConfig[] { new(null, "01:00:00:00:00:00", null), new("10.1", null, null), new(null, null, "a b"), new(null, null, null, Rate: "fast"), new(null, null, null, QueueCount: 0) })
            AssertFails(ErrorIds.NetworkAdapterInvalid, () => Host.Devices.AddNetworkAdapter(domain.Key, config, cancellation: Cancellation));
    }

    [Fact]
    public void Devices_of_a_domain_that_is_gone_or_the_control_domain_are_not_changed()
    {
        var domain = Create();
        Host.DestroyDomain(domain.Key);
        AssertFails(ErrorIds.DomainGone, () => Host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, Bridge), cancellation: Cancellation));
        AssertFails(ErrorIds.DomainProtected, () => Host.Devices.AddNetworkAdapter(Host.GetDomain(0u).Key, new NetworkConfig(null, null, Bridge), cancellation: Cancellation));
    }

    private void WithDevices(DomainConfigDraft draft)
    {
        draft.Vifs = [new NetworkConfig(null, null, Bridge)];
        draft.Vbds = [new DiskConfig(Image("half.img"), DiskType.File, "xvda", DiskAccess.ReadWrite)];
    }

    private string Image(string name) => Contract.WriteFile(name, new byte[1 << 20]);
}
