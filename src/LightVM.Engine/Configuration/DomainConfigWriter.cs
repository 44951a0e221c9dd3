using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using LightVM.Hypervisor;

namespace LightVM.Configuration;

/// <summary>Writes a configuration as JSON: Chaos' keys first, in the order of its documentation, then ours.</summary>
internal static class DomainConfigWriter
{
    private static readonly JsonWriterOptions Options = new()
    {
        Indented = true,
        // The default escapes what is special to HTML, which nobody here reads it as.
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    internal static byte[] Write(DomainConfig config)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Options))
        {
            json.WriteStartObject();
            WriteChaosKeys(json, config);
            WriteOwnKeys(json, config);
            json.WriteEndObject();
        }

        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteChaosKeys(Utf8JsonWriter json, DomainConfig config)
    {
        json.WriteString("name", config.Name);
        // Written even when there is none: Chaos demands the key "kernel" and crashes without "cmdline".
        json.WriteString("kernel", config.Kernel ?? "");
        if (config.Ramdisk is not null) json.WriteString("ramdisk", config.Ramdisk);
        json.WriteString("cmdline", config.CommandLine ?? "");
        json.WriteNumber("memory", config.MemoryMiB);
        WriteVcpus(json, config);
        if (config.AddressSize != 64) json.WriteNumber("address_size", config.AddressSize);
        if (config.Paused) json.WriteBoolean("paused", config.Paused);
        if (config.Vifs.Count > 0) WriteVifs(json, config.Vifs);
        if (config.Vbds.Count > 0) WriteVbds(json, config.Vbds);
        WriteXen(json, config);
    }

    private static void WriteOwnKeys(Utf8JsonWriter json, DomainConfig config)
    {
        if (config.Uuid is { } uuid) json.WriteString("uuid", uuid);
        if (config.MaxMemoryMiB != config.MemoryMiB) json.WriteNumber("max_memory", config.MaxMemoryMiB);
        if (!config.Console) json.WriteBoolean("console", config.Console);
        WriteAction(json, "on_poweroff", config.OnPoweroff, DomainConfig.DefaultOnPoweroff);
        WriteAction(json, "on_reboot", config.OnReboot, DomainConfig.DefaultOnReboot);
        WriteAction(json, "on_crash", config.OnCrash, DomainConfig.DefaultOnCrash);
    }

    private static void WriteVcpus(Utf8JsonWriter json, DomainConfig config)
    {
        if (config.CpuMap.Count == 0)
        {
            json.WriteNumber("vcpus", config.VcpuCount);
            return;
        }

        json.WriteStartObject("vcpus");
        json.WriteNumber("count", config.VcpuCount);
        json.WritePropertyName("cpumap");
        // Raw, to have a vCPU on a line and not a number on a line.
        var lines = config.CpuMap.Select(cpus => $"\n      [{string.Join(", ", cpus)}]");
        json.WriteRawValue($"[{string.Join(',', lines)}\n    ]");
        json.WriteEndObject();
    }

    private static void WriteVifs(Utf8JsonWriter json, IReadOnlyList<NetworkConfig> vifs)
    {
        json.WriteStartArray("vifs");
        foreach (var vif in vifs)
        {
            json.WriteStartObject();
            if (vif.Ip is not null) json.WriteString("ip", vif.Ip);
            if (vif.Mac is not null) json.WriteString("mac", vif.Mac);
            if (vif.Bridge is not null) json.WriteString("bridge", vif.Bridge);
            if (vif.Rate is not null) json.WriteString("rate", vif.Rate);
            if (vif.QueueCount is { } queues) json.WriteNumber("queues", queues);
            if (vif.DeviceId is { } id) json.WriteNumber("id", id);
            if (!vif.Trusted) json.WriteBoolean("trusted", vif.Trusted);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteVbds(Utf8JsonWriter json, IReadOnlyList<DiskConfig> vbds)
    {
        json.WriteStartArray("vbds");
        foreach (var vbd in vbds)
        {
            json.WriteStartObject();
            json.WriteString("target", vbd.Target);
            json.WriteString("type", ConfigWords.DiskTypes.WordOf(vbd.Type));
            json.WriteString("vdev", vbd.VirtualDevice);
            json.WriteString("access", ConfigWords.DiskAccesses.WordOf(vbd.Access));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteXen(Utf8JsonWriter json, DomainConfig config)
    {
        if (config.Type == GuestType.PV && config.DeviceMethod is null) return;
        json.WriteStartObject("xen");
        json.WriteBoolean("pvh", config.Type == GuestType.PVH);
        if (config.DeviceMethod is { } method) json.WriteString("dev_method", ConfigWords.DeviceMethods.WordOf(method));
        json.WriteEndObject();
    }

    private static void WriteAction(Utf8JsonWriter json, string key, LifecycleAction action, LifecycleAction normal)
    {
        if (action != normal) json.WriteString(key, ConfigWords.LifecycleActions.WordOf(action));
    }
}
