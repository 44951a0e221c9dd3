using System.Globalization;
using System.Text;
using System.Text.Json;
using LightVM.Configuration;
using LightVM.Hypervisor;
using LightVM.Linux;
using LightVM.Pools;
using LightVM.Services;

namespace LightVM.Noxs;

/// <summary>What is kept of a domain without a store: all that Xenstore would know of it, and where its devices are.</summary>
internal sealed record NoxsRecord
{
    public required uint Id { get; init; }

    public required string Name { get; init; }

    public DateTimeOffset? StartTime { get; init; }

    /// <summary>The device page's frame (<see cref="GuestRings.StoreFrame"/>); 0 as long as it has no kernel.</summary>
    public ulong PageFrame { get; init; }

    /// <summary>What its device page lists, the device by which it is asked first.</summary>
    public IReadOnlyList<DeviceEntry> Entries { get; init; } = [];

    /// <summary>What it is made of, with the addresses of its interfaces.</summary>
    public required DomainConfig Config { get; init; }

    public static byte[] Write(NoxsRecord record) => PoolJson.Document(json =>
    {
        json.WriteNumber("id", record.Id);
        json.WriteString("name", record.Name);
        if (record.StartTime is { } start) json.WriteNumber("start_time", start.ToUnixTimeMilliseconds());
        json.WriteNumber("page", record.PageFrame);
        json.WriteStartArray("devices");
        foreach (var entry in record.Entries)
        {
            json.WriteStartArray();
            json.WriteNumberValue((uint)entry.Type);
            json.WriteNumberValue(entry.Id);
            json.WriteNumberValue(entry.Grant);
            json.WriteNumberValue(entry.Port);
            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WritePropertyName("config");
        json.WriteRawValue(DomainConfigJson.Write(record.Config), skipInputValidation: true);
    });

    /// <summary>Null where there is none, or none that makes sense.</summary>
    public static NoxsRecord? Read(string path) => PoolJson.ReadFile(path, root => new NoxsRecord
    {
        Id = DaemonProtocol.Unsigned(root, "id"),
        Name = DaemonProtocol.Text(root, "name"),
        StartTime = root.TryGetProperty("start_time", out _) ? DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(DaemonProtocol.Long(root, "start_time"), 0, 253402300799999)) : null,
        PageFrame = (ulong)DaemonProtocol.Long(root, "page"),
        Entries = DaemonProtocol.Array(root, "devices").Select(ReadEntry).ToArray(),
        Config = root.TryGetProperty("config", out var config) ? DomainConfigJson.Parse(Encoding.UTF8.GetBytes(config.GetRawText()), path, requireKernel: false) : throw DaemonProtocol.Invalid("'config' is missing"),
    });

    private static DeviceEntry ReadEntry(JsonElement entry)
    {
        if (entry.ValueKind != JsonValueKind.Array || entry.GetArrayLength() != 4) throw DaemonProtocol.Invalid("'devices' must be lists of four");
        var numbers = entry.EnumerateArray().Select(number => number.ValueKind == JsonValueKind.Number && number.TryGetUInt32(out var value) ? value : throw DaemonProtocol.Invalid("'devices' must be numbers")).ToArray();
        return new DeviceEntry { Type = (EntryType)numbers[0], Id = numbers[1], Grant = numbers[2], Port = numbers[3] };
    }
}
