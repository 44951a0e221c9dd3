using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Linux;
using LightVM.Simulation;

namespace LightVM.Unit.Hosts;

/// <summary>What the engine does over the bus of devices, whichever it is: finding, choosing numbers, and meaning the same device still.</summary>
public sealed class DomainDevicesTests : IDisposable
{
    private readonly LvmHost _host = LvmHost.OpenSimulated();
    private readonly Domain _domain;

    public DomainDevicesTests()
    {
        _domain = _host.CreateDomain(DomainConfig.From(new DomainConfigDraft
        {
            Name = "web",
            Kernel = SimulatedKernel.Path,
            MemoryMiB = 4,
            VcpuCount = 1,
            Vifs = [new NetworkConfig(null, "00:16:3e:00:00:01", "xenbr0"), new NetworkConfig(null, null, null)],
            Vbds = [new DiskConfig("/simulated/a", DiskType.File, "xvda", DiskAccess.ReadWrite)],
        }));
    }

    public void Dispose() => _host.Dispose();

    [Theory]
    [InlineData("0", 0)]
    [InlineData("1", 1)]
    [InlineData("0:16:3E:0:0:1", 0)]
    public void An_adapter_is_found_by_its_number_or_its_address_in_any_spelling(string reference, int id) =>
        Assert.Equal(id, _host.Devices.GetNetworkAdapter(_domain, reference).DeviceId);

    [Theory]
    [InlineData("xvda")]
    [InlineData("d0p0")]
    [InlineData("51712")]
    public void A_disk_is_found_by_its_number_or_its_name_in_any_spelling(string reference) =>
        Assert.Equal("xvda", _host.Devices.GetDisk(_domain, reference).VirtualDevice);

    [Fact]
    public void What_is_not_there_is_told_with_the_domain()
    {
        foreach (var reference in new[] { "2", "-1", "00:16:3e:00:00:02", "eth0", "" }) AssertFails(ErrorIds.DeviceNotFound, () => _host.Devices.GetNetworkAdapter(_domain, reference));
        foreach (var reference in new[] { "xvdb", "1" }) AssertFails(ErrorIds.DeviceNotFound, () => _host.Devices.GetDisk(_domain, reference));
        foreach (var reference in new[] { "vda", "" }) AssertFails(ErrorIds.VirtualDeviceInvalid, () => _host.Devices.GetDisk(_domain, reference));
    }

    [Fact]
    public void A_domain_has_an_address_once()
    {
        AssertFails(ErrorIds.MacAddressTaken, () => _host.Devices.AddNetworkAdapter(_domain.Key, new NetworkConfig(null, "0:16:3e:0:0:1", null), cancellation: Cancellation));
        Assert.Equal(2, _host.Devices.ListNetworkAdapters(_domain).Count);
    }

    [Fact]
    public void An_adapter_as_it_was_listed_is_no_other_that_has_its_number()
    {
        var listed = _host.Devices.GetNetworkAdapter(_domain, "0");
        _host.Devices.RemoveNetworkAdapter(listed, cancellation: Cancellation);
        _host.Devices.AddNetworkAdapter(_domain.Key, new NetworkConfig(null, "00:16:3e:00:00:07", null), cancellation: Cancellation);

        AssertFails(ErrorIds.DeviceNotFound, () => _host.Devices.RemoveNetworkAdapter(listed, cancellation: Cancellation));
        Assert.Equal("00:16:3e:00:00:07", _host.Devices.GetNetworkAdapter(_domain, "0").MacAddress);
    }

    [Fact]
    public void A_disk_as_it_was_listed_is_no_other_that_has_its_name()
    {
        var listed = _host.Devices.GetDisk(_domain, "xvda");
        _host.Devices.RemoveDisk(listed, cancellation: Cancellation);
        _host.Devices.AddDisk(_domain.Key, new DiskConfig("/simulated/b", DiskType.File, "xvda", DiskAccess.ReadWrite), cancellation: Cancellation);

        AssertFails(ErrorIds.DeviceNotFound, () => _host.Devices.RemoveDisk(listed, cancellation: Cancellation));
        Assert.Equal("/simulated/b", _host.Devices.GetDisk(_domain, "xvda").Target);
    }

    [Fact]
    public void The_bridges_are_those_of_the_machine() => Assert.Equal(["xenbr0", "xenbr1"], _host.Devices.ListBridges());

    [Fact]
    public void A_target_is_an_image_file_unless_it_is_a_block_device()
    {
        Assert.All([typeof(DomainDevicesTests).Assembly.Location, "/dev/null", "/usr", "/does/not/exist", ""], path => Assert.Equal(DiskType.File, DiskTarget.TypeOf(path)));
        var device = Directory.EnumerateFiles("/dev").FirstOrDefault(path => Path.GetFileName(path) is ['l', 'o', 'o', 'p', >= '0' and <= '9', ..] or ['s', 'd', _] or ['v', 'd', _] or ['x', 'v', 'd', _]);
        Assert.SkipWhen(device is null, "This machine has no block devices.");
        Assert.Equal(DiskType.Phy, DiskTarget.TypeOf(device));
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static void AssertFails(string errorId, Action action)
    {
        var error = Assert.Throws<LvmException>(action);
        Assert.Equal((errorId, "web"), (error.ErrorId, error.Domain));
    }
}
