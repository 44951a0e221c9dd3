using System.Text;
using LightVM.Configuration;

namespace LightVM.Lab;

/// <summary>Xen's own tools and this one take each other's devices away. What xl sets up, its scripts set up.</summary>
public sealed class XlDeviceTests(XenContractHost contract, RunningDeviceDaemon daemon) : DeviceTests(contract, daemon), IClassFixture<XenContractHost>, IClassFixture<RunningDeviceDaemon>
{
    [Fact]
    public void Xl_destroys_a_domain_of_ours_with_devices()
    {
        CreateTiny("ours", draft => (draft.Vifs, draft.Vbds) = ([Vif(), Vif(OtherBridge)], [FileDisk(Image("ours.img"))]));
        Dom0.Output("xl", "destroy", "dev-ours");
    }

    [Fact]
    public void We_show_and_destroy_a_domain_of_xl_with_devices()
    {
        var image = Image("theirs.img");
        var config = $"""
            name = 'dev-theirs'
            kernel = '{Dom0.TinyKernel}'
            memory = 4
            vcpus = 1
            vif = ['bridge={Bridge},mac=00:16:3e:11:22:33', 'bridge={OtherBridge}']
            disk = ['format=raw,vdev=xvda,access=rw,target={image}']
            """;
        Dom0.Output("xl", "create", "-q", Contract.WriteFile("theirs.cfg", Encoding.UTF8.GetBytes(config)));
        var domain = Host.GetDomain("dev-theirs");

        Assert.Equal(["00:16:3e:11:22:33", Bridge], Host.Devices.ListNetworkAdapters(domain).Take(1).SelectMany(adapter => new[] { adapter.MacAddress, adapter.Bridge }));
        var disk = Assert.Single(Host.Devices.ListDisks(domain));
        Assert.Equal((image, DiskType.File, DiskAccess.ReadWrite), (disk.Target, disk.Type, disk.Access));
        Host.Devices.RemoveNetworkAdapter(domain.Key, 1, cancellation: Cancellation);
        Assert.Single(Host.Devices.ListNetworkAdapters(domain));
        Host.DestroyDomain(domain.Key);
    }
}
