using System.Text.Json;
using LightVM.Configuration;
using LightVM.Hypervisor;

namespace LightVM.Images;

/// <summary>
/// Configurations as libxl keeps them in images: its libxl_domain_config as JSON, in which a value that is the default is left out
/// (tools/libs/light/libxl_types.idl of Xen).
/// </summary>
internal static class XlConfig
{
    private const string What = "its configuration cannot be used: ";

    /// <summary>Devices that a domain of ours cannot have: their keys, with what they are.</summary>
    private static readonly (string Key, string Name)[] ForeignDevices =
    [
        ("pcidevs", "PCI devices"), ("dtdevs", "devices of a device tree"), ("vfbs", "frame buffers"), ("vkbs", "keyboards"), ("vtpms", "TPMs"), ("p9s", "9p file systems"),
        ("pvcallsifs", "PV calls"), ("vdispls", "displays"), ("vsnds", "sound cards"), ("channels", "channels"), ("usbctrls", "USB controllers"), ("usbdevs", "USB devices"),
    ];

    /// <summary>The configuration that libxl's JSON amounts to. Throws <see cref="ImageRefusal"/>, and InvalidConfigException where it breaks our rules.</summary>
    public static DomainConfig Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json[..(json.Span.LastIndexOfAnyExcept((byte)0) + 1)], new JsonDocumentOptions { MaxDepth = 32 });
            return DomainConfig.From(Draft(document.RootElement), "the configuration");
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException)
        {
            throw ImageRefusal.Invalid($"{What}it is not libxl's JSON: {error.Message.TrimEnd('.')}");
        }
    }

    private static DomainConfigDraft Draft(JsonElement config)
    {
        foreach (var (key, name) in ForeignDevices)
        {
            if (List(config, key).Any()) throw ImageRefusal.Unsupported($"its guest has {name}");
        }

        var creation = Object(config, "c_info");
        var build = Object(config, "b_info");
        var type = Text(creation, "type") switch
        {
            "pv" => GuestType.PV,
            "pvh" => GuestType.PVH,
            "hvm" => throw ImageRefusal.Unsupported("it is of an HVM guest, which needs a device model"),
            var other => throw ImageRefusal.Invalid($"{What}its guest's type is {Quoted.Text(other ?? "")}"),
        };
        var target = MiB(build, "target_memkb");
        var most = MiB(build, "max_memkb");
        var vcpus = (int)Math.Min(Number(build, "max_vcpus") ?? 1, int.MaxValue);
        return new DomainConfigDraft
        {
            Name = Text(creation, "name"),
            Uuid = Text(creation, "uuid") is { } uuid ? Guid.Parse(uuid) : null,
            Type = type,
            Kernel = Text(build, "kernel"),
            Ramdisk = Text(build, "ramdisk"),
            CommandLine = Text(build, "cmdline"),
            MemoryMiB = target ?? most,
            MaxMemoryMiB = most > target ? most : null,
            VcpuCount = vcpus,
            CpuMap = CpuMap(build, vcpus),
            Vifs = Vifs(config),
            Vbds = List(config, "disks").Where(disk => Text(disk, "format") != "empty").Select(Vbd).ToArray(),
            OnPoweroff = Action(config, "on_poweroff"),
            OnReboot = Action(config, "on_reboot"),
            OnCrash = Action(config, "on_crash"),
        };
    }

    private static NetworkConfig[] Vifs(JsonElement config)
    {
        var vifs = List(config, "nics").OrderBy(nic => Number(nic, "devid") ?? 0).ToArray();
        for (var i = 0; i < vifs.Length; i++)
        {
            // The guest knows its interfaces by their numbers, and ours are counted.
            if ((Number(vifs[i], "devid") ?? i) != i) throw ImageRefusal.Unsupported("its network interfaces are not numbered from 0 without a gap");
        }

        return vifs.Select(Vif).ToArray();
    }

    private static NetworkConfig Vif(JsonElement nic) => new(
        Text(nic, "ip")?.Split(' ')[0],
        Text(nic, "mac"),
        Text(nic, "bridge"),
        Number(nic, "rate_bytes_per_interval") is { } bytes and > 0 ? new RateLimit((ulong)bytes, (uint)(Number(nic, "rate_interval_usecs") ?? 50_000)).ToString() : null,
        Trusted: !string.Equals(Text(nic, "trusted"), "false", StringComparison.OrdinalIgnoreCase));

    private static DiskConfig Vbd(JsonElement disk)
    {
        var name = Text(disk, "vdev") ?? "";
        if (Text(disk, "format") is { } format and not ("raw" or "unknown")) throw ImageRefusal.Unsupported($"its disk {Quoted.Text(name)} has the format {Quoted.Text(format)}");
        var target = Text(disk, "pdev_path") ?? "";
        return new DiskConfig(
            target,
            target.StartsWith("/dev/", StringComparison.Ordinal) ? DiskType.Phy : DiskType.File,
            name,
            Number(disk, "readwrite") is > 0 ? DiskAccess.ReadWrite : DiskAccess.ReadOnly);
    }

    /// <summary>The hard affinity, where every vCPU has one.</summary>
    private static int[][]? CpuMap(JsonElement build, int vcpus)
    {
        var map = List(build, "vcpu_hard_affinity").Take(vcpus).Select(cpus => cpus.EnumerateArray().Select(cpu => cpu.GetInt32()).ToArray()).ToArray();
        return map.Length == 0 || map.Any(cpus => cpus.Length == 0) ? null : map;
    }

    /// <summary>Of libxl's actions those that are ours; what it does beside them, a dump of the memory or another name, is left out.</summary>
    private static LifecycleAction Action(JsonElement config, string key) => Text(config, key) switch
    {
        // libxl's default is to destroy, also after a reboot.
        null or "destroy" or "coredump_destroy" or "coredump-destroy" => LifecycleAction.Destroy,
        "preserve" => LifecycleAction.Preserve,
        _ => LifecycleAction.Restart,
    };

    private static JsonElement Object(JsonElement parent, string key) =>
        parent.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.Object ? value : throw ImageRefusal.Invalid($"{What}it has no {key}");

    private static JsonElement.ArrayEnumerator List(JsonElement parent, string key) => parent.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null ? value.EnumerateArray() : default;

    private static string? Text(JsonElement parent, string key) => parent.TryGetProperty(key, out var value) ? value.GetString() : null;

    private static long? Number(JsonElement parent, string key) => parent.TryGetProperty(key, out var value) ? value.GetInt64() : null;

    /// <summary>An amount of memory that is given in KiB, in whole MiB.</summary>
    private static int? MiB(JsonElement parent, string key) => Number(parent, key) is { } kib and > 0 ? (int)Math.Min(kib / 1024 + (kib % 1024 > 0 ? 1 : 0), int.MaxValue) : null;
}
