using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Lab;

/// <summary>What Linux does with the devices that it is given: netfront and blkfront on one side, netback, blkback and the device daemon on the other.</summary>
public sealed class DeviceGuestTests(XenContractHost contract, RunningDeviceDaemon daemon) : DeviceTests(contract, daemon), IClassFixture<XenContractHost>, IClassFixture<RunningDeviceDaemon>
{
    private const string Address = "192.168.77.10";
    private const string OtherAddress = "192.168.78.10";

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void Two_networks_answer_and_what_is_written_to_disks_is_there_when_the_guest_is_gone(GuestType type)
    {
        // Two processors of a PVH guest take minutes to come up on a busy machine.
        var vcpus = type == GuestType.PV ? 2 : 1;
        AllowQueues(vcpus);
        var (file, behind, given) = (Image("file.img", 16), Image("phy.img", 16), Image("given.img", 4));
        Dom0.Output("mke2fs", "-q", given);
        var content = File.ReadAllBytes(given);
        var phy = BlockDeviceOf(behind);
        var guest = LinuxGuest.Start(
            Host,
            "dev-linux",
            type,
            $"lab.net={Address} lab.net1={OtherAddress} lab.nic=eth0 lab.nic=eth1 lab.write=xvda lab.write=xvdb lab.write=xvdc lab.mount=xvdc lab.umount=xvdc",
            draft =>
            {
                draft.VcpuCount = vcpus;
                draft.Vifs = [Vif(), new NetworkConfig(null, null, OtherBridge, Rate: "80Mb/s@20ms", QueueCount: 1, Trusted: false)];
                draft.Vbds = [FileDisk(file), new DiskConfig(phy, DiskType.Phy, "xvdb", DiskAccess.ReadWrite), FileDisk(given, "xvdc", DiskAccess.ReadOnly)];
            });
        var (id, adapters) = (guest.Domain.Id, Host.Devices.ListNetworkAdapters(guest.Domain));

        guest.Says("eth0 answers");
        guest.Says("eth1 answers");
        guest.Says($"eth0 is {adapters[0].MacAddress} with {vcpus} queues");
        guest.Says($"eth1 is {adapters[1].MacAddress} with 1 queues");
        guest.Says("xvda written");
        guest.Says("xvdb written");
        guest.Says("xvdc cannot be written");
        Dom0.Output("ping", "-c", "1", "-W", "20", Address);
        Dom0.Output("ping", "-c", "1", "-W", "20", OtherAddress);
        guest.Ask("dmesg | sed -n 's/.*\\(bouncing\\).*/guest: eth1 \\1 after/p'", "eth1 bouncing");
        Assert.Equal("200000,20000", Dom0.Output("xenstore-read", $"/local/domain/0/backend/vif/{id}/1/rate").Trim());

        var networks = Rows("network-list", id);
        Assert.Equal(adapters.Select(adapter => $"{adapter.DeviceId} 0 {adapter.MacAddress} {adapter.DeviceId} 4"), networks.Select(row => string.Join(' ', row.Take(5))));
        var disks = Rows("block-list", id);
        Assert.Equal(new[] { Xvda, Xvdb, Xvdb + 16 }.Select(number => $"{number} 0 {id} 4"), disks.Select(row => string.Join(' ', row.Take(4))));

        Host.DestroyDomain(guest.Domain.Key);
        AssertIntact(file);
        AssertIntact(behind);
        Assert.Equal(content, File.ReadAllBytes(given));
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void Devices_come_and_go_while_the_guest_pings_and_no_reply_is_lost(GuestType type)
    {
        var guest = LinuxGuest.Start(Host, "dev-hot", type, $"lab.net={Address} lab.ping=192.168.77.1", draft => draft.Vifs = [Vif()]);
        guest.Says("eth0 answers");
        var (key, disk) = (guest.Domain.Key, FileDisk(Image("hot.img"), "xvdb"));

        // As it should be.
        Host.Devices.AddNetworkAdapter(key, Vif(OtherBridge), cancellation: Cancellation);
        Host.Devices.AddDisk(key, disk, cancellation: Cancellation);
        guest.Ask($"lab net1 {OtherAddress}", "eth1 answers");
        Dom0.Output("ping", "-c", "1", "-W", "20", OtherAddress);
        guest.Ask("lab write xvdb", "xvdb written");
        Host.Devices.RemoveDisk(key, Xvdb, cancellation: Cancellation);
        Host.Devices.RemoveNetworkAdapter(key, 1, cancellation: Cancellation);
        guest.Ask("lab gone xvdb; lab gone eth1", "xvdb is gone");
        guest.Says("eth1 is gone");
        AssertIntact(disk.Target);
        Assert.Equal([0], Host.Devices.ListNetworkAdapters(guest.Domain).Select(adapter => adapter.DeviceId));
        Assert.Empty(Host.Devices.ListDisks(guest.Domain));

        // Taken away by xl.
        Host.Devices.AddNetworkAdapter(key, Vif(OtherBridge), cancellation: Cancellation);
        Host.Devices.AddDisk(key, disk, cancellation: Cancellation);
        guest.Ask("lab read xvdb", "xvdb is intact");
        Dom0.Output("xl", "network-detach", $"{key.Id}", "1");
        Dom0.Output("xl", "block-detach", $"{key.Id}", "xvdb");
        Assert.Single(Host.Devices.ListNetworkAdapters(guest.Domain));
        Assert.Empty(Host.Devices.ListDisks(guest.Domain));

        // The guest does not answer: it is busy, and what was asked of it is done once it does.
        Host.Devices.AddDisk(key, disk, cancellation: Cancellation);
        guest.Ask("lab read xvdb; lab mount xvdb", "xvdb mounted");
        Host.PauseDomain(key);
        var busy = Assert.ThrowsAny<LvmException>(() => Host.Devices.RemoveDisk(key, Xvdb, patience: TimeSpan.FromSeconds(1), cancellation: Cancellation));
        Assert.Equal(ErrorIds.DeviceBusy, busy.ErrorId);
        Assert.Single(Host.Devices.ListDisks(guest.Domain));
        Host.UnpauseDomain(key);
        GuestTests.AssertEventually(() => Host.Devices.ListDisks(guest.Domain).Count == 0, () => $"the disk stays:\n{DaemonLog}");
        guest.Ask("lab umount xvdb; lab gone xvdb", "xvdb is gone");

        // The guest does not answer, and is not asked.
        Host.Devices.AddNetworkAdapter(key, Vif(OtherBridge), cancellation: Cancellation);
        Host.Devices.AddDisk(key, disk, cancellation: Cancellation);
        guest.Ask($"lab net1 {OtherAddress}; lab mount xvdb", "xvdb mounted");
        Host.PauseDomain(key);
        Host.Devices.RemoveDisk(key, Xvdb, force: true, cancellation: Cancellation);
        Host.Devices.RemoveNetworkAdapter(key, 1, force: true, cancellation: Cancellation);
        Assert.Empty(Host.Devices.ListDisks(guest.Domain));
        Host.UnpauseDomain(key); // its block layer may wait for ever for the disk that it had mounted; its network goes on

        guest.Ask("lab pinged", @"[1-9]\d+ pings, 0 lost");
    }

    private static List<string[]> Rows(string command, uint id) =>
        Dom0.Output("xl", command, $"{id}").Split('\n', StringSplitOptions.RemoveEmptyEntries).Skip(1).Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries)).ToList();

    /// <summary>A block device that is none of the engine's making.</summary>
    private string BlockDeviceOf(string image)
    {
        var device = Dom0.Output("losetup", "--find", "--show", image).Trim();
        AtEnd(() => Dom0.Output("losetup", "--detach", device));
        return device;
    }

    /// <summary>netback offers as many queues as dom0 has processors, which is one in the lab.</summary>
    private void AllowQueues(int count)
    {
        const string Limit = "/sys/module/xen_netback/parameters/max_queues";
        var before = File.ReadAllText(Limit);
        File.WriteAllText(Limit, $"{count}");
        AtEnd(() => File.WriteAllText(Limit, before));
    }

    /// <summary>Whether a file system is whole, and its files are those that the guest wrote.</summary>
    private static void AssertIntact(string image)
    {
        Dom0.Output("e2fsck", "-fn", image);
        var folder = Directory.CreateTempSubdirectory("lightvm-mount-").FullName;
        Dom0.Output("mount", "-o", "loop,ro", image, folder);
        try
        {
            Dom0.Output("sh", "-c", $"cd '{folder}' && sha256sum -c sums");
        }
        finally
        {
            Dom0.Output("umount", folder);
            Directory.Delete(folder);
        }
    }
}
