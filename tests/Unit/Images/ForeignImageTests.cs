using System.Buffers.Binary;
using System.Text;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Images;

namespace LightVM.Unit.Images;

/// <summary>Images of Chaos and of xl, built byte by byte as these write them.</summary>
public sealed class ForeignImageTests : IDisposable
{
    private const string ChaosConfig = """{"name":"old1","kernel":"/root/minios","memory":8,"vcpus":1,"vifs":[{"mac":"0:16:3e:0:0:1","bridge":"xenbr0"}],"xen":{"dev_method":"xenstore"}}""";

    /// <summary>As libxl_domain_config_to_json writes it, with what it leaves out because it is the default.</summary>
    private const string XlConfig = """
        {
            "c_info": {
                "type": "pv",
                "name": "xl1",
                "uuid": "4b5a2a1c-5f5c-4b6a-a55f-6a1b4c3d2e1f",
                "run_hotplug_scripts": "True"
            },
            "b_info": {
                "max_vcpus": 2,
                "avail_vcpus": [ 0, 1 ],
                "vcpu_hard_affinity": [ [ 0 ], [ 1, 2 ] ],
                "max_memkb": 65536,
                "target_memkb": 32768,
                "video_memkb": 0,
                "shadow_memkb": 1024,
                "device_model_version": "qemu_xen",
                "sched_params": { },
                "kernel": "/root/kernel",
                "cmdline": "quiet",
                "type.pv": { }
            },
            "disks": [
                { "pdev_path": "/dev/vg/a", "vdev": "xvda", "backend": "phy", "format": "raw", "readwrite": 1 },
                { "pdev_path": "/srv/b.img", "vdev": "xvdb", "backend": "qdisk", "format": "raw" },
                { "vdev": "xvdc", "format": "empty", "is_cdrom": 1 }
            ],
            "nics": [
                { "devid": 1, "mac": "00:16:3e:00:00:02", "bridge": "xenbr1" },
                { "devid": 0, "mac": "00:16:3e:00:00:01", "ip": "10.0.0.2", "bridge": "xenbr0", "rate_bytes_per_interval": 62500, "rate_interval_usecs": 50000, "trusted": "False" }
            ],
            "on_reboot": "restart",
            "on_crash": "coredump_destroy"
        }
        """;

    private readonly ImageFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true, "")]
    [InlineData(true, "\0")]
    [InlineData(false, "")]
    public void An_image_of_Chaos_is_read(bool isPadded, string end)
    {
        var stream = StreamSample.Pv().ToArray();
        var bytes = Chaos(stream, ChaosConfig + end, isPadded);
        var image = Describe(bytes);

        Assert.Equal((ImageState.Whole, null, ImageFormat.Chaos, 1), (image.State, image.Problem, image.Format, image.FormatVersion));
        Assert.Equal(("old1", 8, "4.17", GuestType.PV), (image.Name, image.MemoryMiB, image.XenVersion, image.Type));
        Assert.Equal("00:16:3e:00:00:01", image.Config!.Vifs[0].Mac);
        Assert.Equal(["header", "config", "stream"], image.Parts.Select(part => part.Name));
        AssertBothWays(bytes, stream);
    }

    [Fact]
    public void The_guest_tells_its_type_and_width_where_the_configuration_has_them_not()
    {
        Assert.Equal(GuestType.PVH, Describe(Chaos(StreamSample.Hvm().ToArray())).Type);
        Assert.Equal(32, Describe(Chaos(StreamSample.Pv(addressSize: 32).ToArray())).Config!.AddressSize);
    }

    [Fact]
    public void An_image_of_xl_is_read()
    {
        var stream = StreamSample.Pv().ToArray();
        var bytes = Xl(stream);
        var image = Describe(bytes);

        Assert.Equal((ImageState.Whole, null, ImageFormat.Xl, 2), (image.State, image.Problem, image.Format, image.FormatVersion));
        Assert.Equal(
            DomainConfig.From(new DomainConfigDraft
            {
                Name = "xl1",
                Uuid = new Guid("4b5a2a1c-5f5c-4b6a-a55f-6a1b4c3d2e1f"),
                Kernel = "/root/kernel",
                CommandLine = "quiet",
                MemoryMiB = 32,
                MaxMemoryMiB = 64,
                VcpuCount = 2,
                CpuMap = [[0], [1, 2]],
                Vifs = [new NetworkConfig("10.0.0.2", "00:16:3e:00:00:01", "xenbr0", "10Mb/s", null, Trusted: false), new NetworkConfig(null, "00:16:3e:00:00:02", "xenbr1")],
                Vbds = [new DiskConfig("/dev/vg/a", DiskType.Phy, "xvda", DiskAccess.ReadWrite), new DiskConfig("/srv/b.img", DiskType.File, "xvdb", DiskAccess.ReadOnly)],
                OnReboot = LifecycleAction.Restart,
                OnPoweroff = LifecycleAction.Destroy,
                OnCrash = LifecycleAction.Destroy,
            }),
            image.Config);
        Assert.Equal(["header", "config", "stream", "trailer"], image.Parts.Select(part => part.Name));
        AssertBothWays(bytes, stream);
        AssertBothWays(Xl(StreamSample.Hvm().ToArray(), XlConfig.Replace("\"pv\"", "\"pvh\"", StringComparison.Ordinal)), StreamSample.Hvm().ToArray());
    }

    [Fact]
    public void What_libxl_leaves_out_is_its_default()
    {
        var config = Describe(Xl(StreamSample.Pv().ToArray(), """{"c_info":{"type":"pv","name":"a"},"b_info":{"max_memkb":4097}}""")).Config!;
        Assert.Equal((1, 5, 5, null, LifecycleAction.Destroy), (config.VcpuCount, config.MemoryMiB, config.MaxMemoryMiB, config.Uuid, config.OnReboot));
    }

    [Theory]
    [InlineData("\"type\": \"pv\"", "\"type\": \"hvm\"", "it is of an HVM guest, which needs a device model")]
    [InlineData("\"on_crash\"", "\"pcidevs\": [ { } ], \"on_crash\"", "its guest has PCI devices")]
    [InlineData("\"on_crash\"", "\"vfbs\": [ { } ], \"on_crash\"", "its guest has frame buffers")]
    [InlineData("\"qdisk\", \"format\": \"raw\"", "\"qdisk\", \"format\": \"qcow2\"", "its disk \"xvdb\" has the format \"qcow2\"")]
    [InlineData("\"devid\": 1", "\"devid\": 2", "its network interfaces are not numbered from 0 without a gap")]
    public void What_a_domain_of_ours_cannot_be_is_not_supported(string before, string after, string problem)
    {
        var image = Describe(Xl(StreamSample.Pv().ToArray(), XlConfig.Replace(before, after, StringComparison.Ordinal)));
        Assert.Equal((ErrorIds.ImageUnsupported, problem), (image.ErrorId, image.Problem));
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("{\"c_info\":{}}")]
    [InlineData("{\"c_info\":{\"type\":1},\"b_info\":{}}")]
    [InlineData("{\"c_info\":{\"type\":\"pv\"},\"b_info\":{}}")]
    [InlineData("{\"c_info\":{\"type\":\"pv\",\"name\":\"a b\"},\"b_info\":{\"max_memkb\":4096}}")]
    [InlineData("{\"c_info\":{\"type\":\"pv\",\"name\":\"a\",\"uuid\":\"x\"},\"b_info\":{\"max_memkb\":4096}}")]
    [InlineData("{\"c_info\":{\"type\":\"pv\",\"name\":\"a\"},\"b_info\":{\"max_memkb\":-4096}}")]
    [InlineData("{\"c_info\":{\"type\":\"pv\",\"name\":\"a\"},\"b_info\":{\"max_memkb\":9223372036854775807,\"max_vcpus\":9223372036854775807}}")]
    [InlineData("{\"c_info\":{\"type\":\"pv\",\"name\":\"a\"},\"b_info\":{\"max_memkb\":4096},\"nics\":{}}")]
    [InlineData("{\"c_info\":{\"type\":\"pv\",\"name\":\"a\"},\"b_info\":{\"max_memkb\":4096},\"nics\":[1]}")]
    [InlineData("{\"c_info\":{\"type\":\"pv\",\"name\":\"a\"},\"b_info\":{\"max_memkb\":4096,\"vcpu_hard_affinity\":[0]}}")]
    [InlineData("{\"c_info\":{\"type\":\"pv\",\"name\":\"a\"},\"b_info\":{\"max_memkb\":4096},\"nics\":[{\"rate_bytes_per_interval\":1,\"rate_interval_usecs\":0}]}")]
    [InlineData("{\"c_info\":{\"type\":\"pv\",\"name\":\"a\"},\"b_info\":{\"max_memkb\":4096},\"disks\":[{}]}")]
    public void Configurations_that_libxl_would_not_write_are_refused(string config) =>
        Assert.Equal(ErrorIds.ImageInvalid, Describe(Xl(StreamSample.Pv().ToArray(), config)).ErrorId);

    [Theory]
    [InlineData(32, 0x04030201u, "byte order")]
    [InlineData(36, 7u, "newer xl (flags 0x7)")]
    [InlineData(36, 1u, "before Xen 4.6")]
    [InlineData(36, 2u, "no configuration in JSON")]
    [InlineData(44, 0u, "no configuration in JSON")]
    [InlineData(48, uint.MaxValue, "longer than all there is")]
    [InlineData(30, 0u, "was damaged")]
    public void Headers_of_xl_are_checked(int at, uint value, string problem)
    {
        var bytes = Xl(StreamSample.Pv().ToArray());
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at), value);
        Assert.Contains(problem, Describe(bytes).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Lengths_that_nobody_could_mean_are_not_believed()
    {
        var bytes = Xl(StreamSample.Pv().ToArray());
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(44), uint.MaxValue);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(48), uint.MaxValue - 4);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Contains("more than 1048576", Describe(bytes).Problem, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10 << 20);
    }

    [Fact]
    public void Records_of_libxl_are_checked()
    {
        var stream = StreamSample.Pv().ToArray();
        Assert.Equal("it is of a guest with a device model", Describe(Xl(stream, end: [.. StreamSample.Words(3, 8, 0, 0), .. StreamSample.Words(0, 0)])).Problem);
        Assert.Equal("its libxl stream has a guest's state twice", Describe(Xl(stream, end: StreamSample.Words(1, 0))).Problem);
        Assert.Equal("its libxl stream has a record of type 7, which is not known", Describe(Xl(stream, end: StreamSample.Words(7, 0))).Problem);
        Assert.Equal("record 0 of its libxl stream has 1 bytes instead of none", Describe(Xl(stream, end: StreamSample.Words(0, 1, 0, 0))).Problem);
        Assert.Equal("its libxl stream ends without a guest's state", Describe(Xl(stream, begin: StreamSample.Words(0, 0))).Problem);
        Assert.Equal(ImageState.Whole, Describe(Xl(stream, begin: [.. StreamSample.Words(0x80000001, 3, 1, 0), .. StreamSample.Words(1, 0)], end: [.. StreamSample.Words(0x80000002, 16, 0, 0, 0, 0), .. StreamSample.Words(0, 0)])).State);
    }

    [Fact]
    public void One_that_is_cut_off_anywhere_is_refused()
    {
        var stream = StreamSample.Pv();
        foreach (var whole in new[] { Chaos(stream.ToArray()), Xl(stream.ToArray()) })
        {
            for (var length = 0; length < whole.Length; length += length < 2000 || whole.Length - length < 100 ? 1 : 397)
            {
                var image = Describe(whole[..length]);
                Assert.True(image is { State: ImageState.Broken, ErrorId: ErrorIds.ImageInvalid }, $"{image.Format}, cut off at {length}: {image.Problem}");
            }

            Assert.Equal("it has 8 bytes after its end", Describe([.. whole, .. new byte[8]]).Problem);
        }
    }

    /// <summary>There are no checksums in them: what is not memory is judged by whether it makes sense, and nothing worse happens than that it is taken.</summary>
    [Fact]
    public void One_with_a_bit_changed_is_taken_or_refused_properly()
    {
        var stream = StreamSample.Pv().ToArray();
        var refused = 0;
        foreach (var whole in new[] { Chaos(stream), Xl(stream) })
        {
            for (var bit = 0; bit < whole.Length * 8; bit += bit < 30_000 ? 7 : 997)
            {
                whole[bit / 8] ^= (byte)(1 << bit % 8);
                var image = Describe(whole);
                Assert.True(image.State == ImageState.Whole || image is { Problem.Length: > 0, ErrorId: ErrorIds.ImageInvalid or ErrorIds.ImageUnsupported }, $"{image.Format}, bit {bit}");
                if (image.State == ImageState.Broken) refused++;
                whole[bit / 8] ^= (byte)(1 << bit % 8);
            }
        }

        Assert.InRange(refused, 500, int.MaxValue);
    }

    private void AssertBothWays(byte[] bytes, byte[] stream)
    {
        File.WriteAllBytes(_folder["both"], bytes);
        using var filed = ImageFolder.Open(_folder["both"]);
        using var piped = ImageReader.FromStream(new MemoryStream(bytes));
        Assert.Equal(stream, ImageFolder.ReadAsLibxc(filed.Handle, stream.Length));
        Assert.Equal(stream, ImageFolder.ReadAsLibxc(piped.Handle, int.MaxValue));
        piped.Complete();
        Assert.Equal(filed.Config, piped.Config);
    }

    private DomainImage Describe(byte[] bytes)
    {
        File.WriteAllBytes(_folder["image"], bytes);
        return ImageFolder.Describe(_folder["image"]);
    }

    private static byte[] Chaos(byte[] stream, string config = ChaosConfig, bool isPadded = true)
    {
        var head = new byte[8];
        BinaryPrimitives.WriteUInt16LittleEndian(head, 0xCA05);
        head[2] = 1;
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(6), (ushort)config.Length);
        byte[] start = [.. head, .. Encoding.UTF8.GetBytes(config)];
        return [.. start, .. new byte[isPadded ? -start.Length & 63 : 0], .. stream];
    }

    private static byte[] Xl(byte[] stream, string config = XlConfig, byte[]? begin = null, byte[]? end = null)
    {
        byte[] text = [.. Encoding.UTF8.GetBytes(config), 0];
        return
        [
            .. "Xen saved domain, xl format\n \0 \r"u8,
            .. StreamSample.Words(0x01020304, 3, 0, (uint)text.Length + 4, (uint)text.Length),
            .. text,
            .. "LibxlFmt"u8, 0, 0, 0, 2, 0, 0, 0, 0,
            .. begin ?? StreamSample.Words(1, 0),
            .. stream,
            .. end ?? StreamSample.Words(0, 0),
        ];
    }
}
