using LightVM.Devices;
using LightVM.Host.Devices;

namespace LightVM.Unit.Host.Devices;

public sealed class DeviceKeyTests
{
    [Fact]
    public void Names_of_sysfs_are_read_and_written()
    {
        Assert.True(DeviceKey.TryParse("vbd-3-51712", out var key));
        Assert.Equal(new DeviceKey(DeviceKind.Disk, 3, 51712), key);
        Assert.Equal("vbd-3-51712", key.SysName);
        Assert.Equal("/local/domain/0/backend/vbd/3/51712", key.BackendPath);
    }

    [Theory]
    [InlineData("")]
    [InlineData("vif")]
    [InlineData("vif-1")]
    [InlineData("vif-1-2-3")]
    [InlineData("vif--1-0")]
    [InlineData("vif-1-x")]
    [InlineData("vif-99999999999-0")]
    [InlineData("console-1-0")]
    [InlineData("pci-1-0")]
    public void Other_names_are_nobodys(string name) => Assert.False(DeviceKey.TryParse(name, out _));
}
