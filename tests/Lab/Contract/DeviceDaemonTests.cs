using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using LightVM.Configuration;
using LightVM.Contract;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;

namespace LightVM.Lab;

/// <summary>The device daemon at its work, alone and beside xl. How it dies at every point of it: <see cref="DeviceCrashTests"/>.</summary>
public sealed class DeviceDaemonTests(XenContractHost host) : ContractTests(host), IClassFixture<XenContractHost>
{
    private const string Bridge = "xenbr0";
    private const int Xvda = 51712;

    // --- sockets --------------------------------------------------------------------------------------------------------

    [Fact]
    public void Chaos_binds_asks_for_and_frees_a_loop_device()
    {
        using var daemon = DeviceDaemon.Start();
        var image = Image("chaos.img");

        var added = Chaos(1, [.. "file\0\0"u8, .. "w\0"u8, .. Encoding.UTF8.GetBytes(image), 0]);
        Assert.Equal(7, BinaryPrimitives.ReadInt32LittleEndian(added));
        var minor = BinaryPrimitives.ReadInt32LittleEndian(added.AsSpan(4));
        Assert.Equal(image, ReadLine($"/sys/block/loop{minor}/loop/backing_file"));
        Assert.Equal("0", ReadLine($"/sys/block/loop{minor}/loop/autoclear"));

        Assert.Equal(16, ChaosError(1, [.. "file\0\0"u8, .. "w\0"u8, .. Encoding.UTF8.GetBytes(image), 0])); // EBUSY: it has a writer
        Assert.Equal(15, ChaosError(1, [.. "phy\0\0\0"u8, .. "w\0"u8, .. Encoding.UTF8.GetBytes(image), 0])); // ENOTBLK
        Assert.Equal(2, ChaosError(1, [.. "file\0\0"u8, .. "w\0"u8, .. "/none\0"u8]));

        daemon.Kill(); // the loop device is the client's, not the daemon's
        using var next = DeviceDaemon.Start();
        Assert.Equal(image + "\0", Encoding.UTF8.GetString(Chaos(3, Numbers("file", 7, minor))));

        Chaos(2, Numbers("file", 7, minor));
        Assert.False(Directory.Exists($"/sys/block/loop{minor}/loop"));
        Assert.Equal(6, ChaosError(2, Numbers("file", 7, minor))); // ENXIO
    }

    [Theory]
    [InlineData("/feature-sg")]
    [InlineData("")] // a driver takes back what it wrote too late
    public void What_a_driver_left_of_a_device_that_is_gone_is_removed(string node)
    {
        Dom0.Output("xenstore-write", $"/local/domain/0/backend/vif/32751/0{node}", "");
        using var daemon = DeviceDaemon.Start();
        AssertNothingLeft();
    }

    [Fact]
    public void A_block_device_belongs_to_one_writer_whoever_that_is()
    {
        using var daemon = DeviceDaemon.Start();
        var image = Image("block.img");
        var device = Dom0.Output("losetup", "--find", "--show", image).Trim();
        try
        {
            AssertFails(ErrorIds.DiskInUse, () => Create(draft => draft.Vbds = [File(image)]));
            Dom0.Output("mkfs.ext4", "-q", device);
            var folder = Directory.CreateTempSubdirectory("lightvm-mount-").FullName;
            Dom0.Output("mount", device, folder);
            try
            {
                var error = AssertFails(ErrorIds.DiskInUse, () => Create(draft => draft.Vbds = [new DiskConfig(device, DiskType.Phy, "xvda", DiskAccess.ReadWrite)]));
                Assert.Contains(folder, error.Message, StringComparison.Ordinal);
            }
            finally
            {
                Dom0.Output("umount", folder);
                Directory.Delete(folder);
            }

            var domain = Create(draft => draft.Vbds = [new DiskConfig(device, DiskType.Phy, "xvda", DiskAccess.ReadWrite)]);
            Assert.Equal(device, Assert.Single(Host.Devices.ListDisks(domain)).BlockDevice);
            AssertFails(ErrorIds.DiskInUse, () => Create(draft => draft.Vbds = [new DiskConfig(device, DiskType.Phy, "xvda", DiskAccess.ReadOnly)]));
            Host.DestroyDomain(domain.Key);
        }
        finally
        {
            Dom0.Output("losetup", "--detach", device);
        }
    }

    [Fact]
    public void What_xl_made_is_left_to_xl_and_nothing_of_it_is_given_away()
    {
        using var daemon = DeviceDaemon.Start();
        var image = Image("xl.img");
        var config = Contract.WriteFile("xl.cfg", Encoding.UTF8.GetBytes(
            $"name='daemon-xl'\nkernel='{Dom0.TinyKernel}'\nmemory=4\nvcpus=1\nvif=['bridge={Bridge},mac=00:16:3e:7f:00:01']\ndisk=['{image},raw,xvda,w']\n"));
        Dom0.Output("xl", "create", "-q", config);
        try
        {
            var domain = Created(Host.GetDomain("daemon-xl"));
            Assert.DoesNotContain($"vif-{domain.Id}-0", daemon.Log, StringComparison.Ordinal);
            Assert.DoesNotContain($"vbd-{domain.Id}-", daemon.Log, StringComparison.Ordinal);
            AssertFails(ErrorIds.MacAddressTaken, () => Create(draft => draft.Vifs = [new NetworkConfig(null, "00:16:3e:7f:00:01", Bridge)]));
            AssertFails(ErrorIds.DiskInUse, () => Create(draft => draft.Vbds = [File(image)]));

            daemon.Kill();
            using var next = DeviceDaemon.Start();
            AssertFails(ErrorIds.MacAddressTaken, () => Create(draft => draft.Vifs = [new NetworkConfig(null, "00:16:3e:7f:00:01", Bridge)]));
        }
        finally
        {
            Dom0.Output("xl", "destroy", "daemon-xl");
        }
    }

    // --- ends and beginnings ----------------------------------------------------------------------------------------------

    [Fact]
    public void A_second_daemon_does_not_start()
    {
        using var daemon = DeviceDaemon.Start();

        var (exitCode, output) = Dom0.Run(Path.Combine(Dom0.Build, "bin", "lightvm"), "devd");
        Assert.NotEqual(0, exitCode);
        Assert.Contains(daemon.ProcessId.ToString(CultureInfo.InvariantCulture), output, StringComparison.Ordinal);
        Assert.Equal(0, daemon.Stop());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_next_daemon_takes_over_what_is_at_work(bool gracefully)
    {
        var daemon = DeviceDaemon.Start();
        var image = Image("taken.img");
        var domain = Create(draft =>
        {
            draft.Vifs = [new NetworkConfig(null, "00:16:3e:7f:00:02", Bridge)];
            draft.Vbds = [File(image)];
        });
        var loop = Assert.Single(Host.Devices.ListDisks(domain)).BlockDevice;
        if (gracefully) Assert.Equal(0, daemon.Stop());
        daemon.Dispose();
        Assert.Equal(Bridge, BridgeOf(domain));
        Assert.Equal(loop, Assert.Single(Host.Devices.ListDisks(domain)).BlockDevice);

        using var next = DeviceDaemon.Start();
        using var client = new DeviceDaemonClient();
        var status = client.TryGetStatus()!;
        Assert.Equal((next.ProcessId, 1, 1, 1), (status.ProcessId, status.Vifs, status.Vbds, status.Loops));
        AssertFails(ErrorIds.DiskInUse, () => Create(draft => draft.Vbds = [File(image)]));
        AssertFails(ErrorIds.MacAddressTaken, () => Create(draft => draft.Vifs = [new NetworkConfig(null, "00:16:3e:7f:00:02", Bridge)]));
        Host.DestroyDomain(domain.Key);
        Host.DestroyDomain(Create(draft => draft.Vbds = [File(image)]).Key);
    }

    [Fact]
    public void What_went_while_no_daemon_ran_is_gone_for_the_next()
    {
        var domain = (Domain?)null;
        var image = Image("gone.img");
        using (DeviceDaemon.Start()) domain = Create(draft => draft.Vbds = [File(image)]);
        // As hard as it gets: the hypervisor's domain, with all nodes left where they are.
        Contract.Hypervisor.Destroy(domain.Id);
        AssertEventually(() => Contract.Hypervisor.FindDomain(domain.Id) is null, "the domain does not end");

        using var next = DeviceDaemon.Start();
        AssertEventually(() => Dom0.Run("xenstore-exists", $"/local/domain/{domain.Id}").ExitCode != 0, "its nodes are still there");
        Assert.NotEqual(0, Dom0.Run("xenstore-exists", $"/vm/{domain.Uuid}").ExitCode);
        Host.DestroyDomain(Create(draft => draft.Vbds = [File(image)]).Key);
    }

    private static DiskConfig File(string image) => new(image, DiskType.File, "xvda", DiskAccess.ReadWrite);

    private static string BridgeOf(Domain domain) => Path.GetFileName(Directory.ResolveLinkTarget($"/sys/class/net/vif{domain.Id}.0/master", returnFinalTarget: false)!.FullName);

    private string Image(string name) => Contract.WriteFile(name, new byte[1 << 20]);

    private static string ReadLine(string path) => System.IO.File.ReadLines(path).First();

    private static byte[] Numbers(string type, int major, int minor)
    {
        var payload = new byte[16];
        Encoding.ASCII.GetBytes(type, payload);
        BinaryPrimitives.WriteInt32LittleEndian(payload.AsSpan(8), major);
        BinaryPrimitives.WriteInt32LittleEndian(payload.AsSpan(12), minor);
        return payload;
    }

    private static byte[] Chaos(int command, byte[] payload)
    {
        var (error, answer) = AskChaos(command, payload);
        Assert.Equal(0, error);
        return answer;
    }

    private static int ChaosError(int command, byte[] payload) => AskChaos(command, payload).Error;

    private static (int Error, byte[] Answer) AskChaos(int command, byte[] payload)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { ReceiveTimeout = 60_000 };
        socket.Connect(new UnixDomainSocketEndPoint("/var/run/chaos_socket"));
        var request = new byte[12 + payload.Length];
        BinaryPrimitives.WriteInt32LittleEndian(request, command);
        BinaryPrimitives.WriteInt32LittleEndian(request.AsSpan(4), 1);
        BinaryPrimitives.WriteInt32LittleEndian(request.AsSpan(8), payload.Length);
        payload.CopyTo(request, 12);
        socket.Send(request);
        using var answer = new MemoryStream();
        using (var stream = new NetworkStream(socket)) stream.CopyTo(answer);
        var bytes = answer.ToArray();
        Assert.Equal(BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(4)), bytes.Length - 8);
        return (BinaryPrimitives.ReadInt32LittleEndian(bytes), bytes[8..]);
    }
}
