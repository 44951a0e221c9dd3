using System.Globalization;
using System.Text.Json;
using LightVM.Configuration;
using LightVM.Devices;

namespace LightVM.Host.Output;

/// <summary>How interfaces and disks look: tables, and JSON with the words of configurations.</summary>
internal static class DeviceOutput
{
    private const string None = "-";

    public static void WriteTable(TextWriter output, IEnumerable<NetworkAdapter> adapters)
    {
        var table = new Table(("Domain", -24), ("ID", 2), ("MAC address", -17), ("Bridge", -8), ("IP address", -12), ("State", -9), ("Interface", -9));
        foreach (var adapter in adapters)
        {
            table.Add(
                NameOf(adapter.DomainName),
                adapter.DeviceId.ToString(CultureInfo.InvariantCulture),
                adapter.MacAddress,
                adapter.Bridge ?? None,
                adapter.IpAddress ?? None,
                adapter.State.ToString(),
                adapter.InterfaceName);
        }

        table.Write(output);
    }

    public static void WriteTable(TextWriter output, IEnumerable<Disk> disks)
    {
        var table = new Table(("Domain", -24), ("VDEV", -5), ("Type", -4), ("Access", -6), ("State", -9), ("Device", -10), ("Target", -6));
        foreach (var disk in disks)
        {
            table.Add(
                NameOf(disk.DomainName),
                disk.VirtualDevice,
                ConfigWords.DiskTypes.WordOf(disk.Type),
                ConfigWords.DiskAccesses.WordOf(disk.Access),
                disk.State.ToString(),
                disk.BlockDevice ?? None,
                disk.Target);
        }

        table.Write(output);
    }

    public static void WriteJson(Utf8JsonWriter json, NetworkAdapter adapter)
    {
        json.WriteStartObject();
        json.WriteString("domain", adapter.DomainName);
        json.WriteNumber("domainId", adapter.DomainId);
        json.WriteString("domainUuid", adapter.Domain.Uuid);
        json.WriteNumber("deviceId", adapter.DeviceId);
        json.WriteString("mac", adapter.MacAddress);
        json.WriteString("bridge", adapter.Bridge);
        json.WriteString("ip", adapter.IpAddress);
        json.WriteString("rate", adapter.Rate);
        if (adapter.QueueCount is { } queues) json.WriteNumber("queues", queues);
        else json.WriteNull("queues");
        json.WriteBoolean("trusted", adapter.Trusted);
        json.WriteString("state", adapter.State.ToString());
        json.WriteString("interface", adapter.InterfaceName);
        json.WriteEndObject();
    }

    public static void WriteJson(Utf8JsonWriter json, Disk disk)
    {
        json.WriteStartObject();
        json.WriteString("domain", disk.DomainName);
        json.WriteNumber("domainId", disk.DomainId);
        json.WriteString("domainUuid", disk.Domain.Uuid);
        json.WriteNumber("deviceId", disk.DeviceId);
        json.WriteString("vdev", disk.VirtualDevice);
        json.WriteString("target", disk.Target);
        json.WriteString("type", ConfigWords.DiskTypes.WordOf(disk.Type));
        json.WriteString("access", ConfigWords.DiskAccesses.WordOf(disk.Access));
        json.WriteString("state", disk.State.ToString());
        json.WriteString("blockDevice", disk.BlockDevice);
        json.WriteEndObject();
    }

    private static string NameOf(string domain) => domain.Length > 0 ? domain : "(no name)";
}
