using System.Text;
using LightVM.Configuration;

namespace LightVM.Unit.Configuration;

/// <summary>Configurations that the tests start from.</summary>
internal static class ConfigSamples
{
    /// <summary>Every key of Chaos' format, as its users write it.</summary>
    internal const string Chaos = """
        {
            "name": "guest",
            "kernel": "/root/kernels/vmlinuz",
            "ramdisk": "/root/kernels/initrd",
            "cmdline": "root=/dev/xvda1 quiet",
            "memory": 64,
            "vcpus": { "count": 3, "cpumap": [ [0, 1], [2] ] },
            "address_size": 64,
            "paused": true,
            "vifs": [
                { "ip": "10.0.0.2", "mac": "0:16:3E:0:0:1", "bridge": "xenbr0" },
                { }
            ],
            "vbds": [
                { "target": "/dev/vg/guest", "type": "phy", "vdev": "xvda", "access": "w" },
                { "target": "/srv/cd.iso", "type": "file", "vdev": "d16p0", "access": "r" }
            ],
            "xen": { "pvh": true, "dev_method": "xenstore" }
        }
        """;

    /// <summary>All keys, Chaos' and ours.</summary>
    internal static readonly string Full = Chaos[..^1].TrimEnd().Replace("{ }", """{ "rate": "1000KB/s@50ms", "queues": 2, "trusted": false }""", StringComparison.Ordinal) + """
        ,
            "uuid": "6b29fc40-ca47-4067-831d-00dd010662da",
            "max_memory": 128,
            "console": false,
            "on_poweroff": "preserve",
            "on_reboot": "destroy",
            "on_crash": "restart"
        }
        """;

    /// <summary>The least that a draft can say.</summary>
    internal static DomainConfigDraft Minimal() => new() { Name = "guest", Kernel = "vmlinuz", MemoryMiB = 16, VcpuCount = 1 };

    internal static DomainConfig Parse(string json, bool requireKernel = true) =>
        DomainConfigJson.Parse(Encoding.UTF8.GetBytes(json), "test", requireKernel);

    internal static InvalidConfigException Refuse(string json, bool requireKernel = true) =>
        Refuse(Encoding.UTF8.GetBytes(json), requireKernel);

    internal static InvalidConfigException Refuse(byte[] utf8, bool requireKernel = true) =>
        Assert.Throws<InvalidConfigException>(() => DomainConfigJson.Parse(utf8, "test", requireKernel));

    /// <summary>The minimal configuration with more keys at its end.</summary>
    internal static string With(string keys) => $$"""{"name":"guest","kernel":"k","memory":16,"vcpus":1,{{keys}}}""";
}
