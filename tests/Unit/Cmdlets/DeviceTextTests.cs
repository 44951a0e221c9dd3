using LightVM.Cmdlets.Completion;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Hypervisor;

namespace LightVM.Unit.Cmdlets;

public sealed class DeviceTextTests
{
    private static readonly NetworkAdapter[] Adapters = [Adapter(1, 0, "00:16:3e:00:00:01"), Adapter(1, 10, "00:16:3e:00:00:02"), Adapter(2, 0, "00:16:3e:00:00:03")];

    [Fact]
    public void A_number_is_proposed_once_with_all_that_have_it()
    {
        var proposals = DeviceText.Ids(Adapters, "").ToList();
        Assert.Equal(["0", "10"], proposals.Select(proposal => proposal.Text));
        Assert.Equal("0 (vif1.0, vif2.0)", proposals[0].ListItem);
        Assert.Equal(2, proposals[0].ToolTip.Split('\n').Length);
        Assert.Equal(["10"], DeviceText.Ids(Adapters, "1").Select(proposal => proposal.Text));
    }

    [Theory]
    [InlineData("", 3)]
    [InlineData("00:16:3E:", 3)]
    [InlineData("'00:16:3e:00:00:03", 1)]
    [InlineData("fe:", 0)]
    public void Addresses_are_quoted_and_shown_with_their_domains(string typed, int count)
    {
        var proposals = DeviceText.Addresses(Adapters, typed).ToList();
        Assert.Equal(count, proposals.Count);
        Assert.All(proposals, proposal => Assert.Equal($"'{proposal.ListItem.Split(' ')[0]}'", proposal.Text));
    }

    [Fact]
    public void Virtual_devices_are_in_the_order_of_their_numbers_and_free_ones_are_the_others()
    {
        Disk[] disks = [Disk("xvdb", 51728), Disk("xvda", 51712), Disk("xvdb", 51728)];
        Assert.Equal(["xvda", "xvdb"], DeviceText.VirtualDevices(disks, "XV").Select(proposal => proposal.Text));
        Assert.Equal("xvdc", DeviceText.FreeVirtualDevices(disks, "xvd").First().Text);
        Assert.Equal(14, DeviceText.FreeVirtualDevices(disks, "").Count());
        Assert.Empty(DeviceText.FreeVirtualDevices(disks, "xvda"));
    }

    [Fact]
    public void Bridges_are_proposed_by_their_beginning() =>
        Assert.Equal(["xenbr0", "xenbr1"], DeviceText.Bridges(["br-lan", "xenbr0", "xenbr1"], "xen").Select(proposal => proposal.Text));

    private static NetworkAdapter Adapter(uint domain, int id, string mac) => new()
    {
        Domain = new DomainKey(domain, Guid.NewGuid()),
        DomainName = $"web{domain}",
        DeviceId = id,
        MacAddress = mac,
        State = DeviceState.Connected,
        InterfaceName = $"vif{domain}.{id}",
    };

    private static Disk Disk(string name, int id) => new()
    {
        Domain = new DomainKey(1, Guid.NewGuid()),
        DomainName = "web1",
        DeviceId = id,
        VirtualDevice = name,
        Target = "/images/web.img",
        Type = DiskType.File,
        Access = DiskAccess.ReadWrite,
        State = DeviceState.Connected,
    };
}
