using System.Globalization;
using System.Text;
using System.Text.Json;
using LightVM.Configuration;
using LightVM.Devices;
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

    /// <summary>What its device page lists, the device by which it is asked first. One of no type is a place that is free again: the others keep theirs.</summary>
    public IReadOnlyList<DeviceEntry> Entries { get; init; } = [];

    /// <summary>What it is made of, with the addresses of its interfaces.</summary>
    public required DomainConfig Config { get; init; }

    /// <summary>A configuration of the devices that the guest was asked to let go of. They go when it does, whether or not somebody waits for that. Null for none.</summary>
    public DomainConfig? Leaving { get; init; }

    /// <summary>The devices that it has, as far as they are the toolstack's to know: those of its configuration, and those that are leaving.</summary>
    public IEnumerable<Device> Devices => Config.Devices().UnionBy(Leaving?.Devices() ?? [], device => (device.Kind, device.Id)).Where(device => EntryOf(device.Kind, device.Id) >= 0);

    public bool IsLeaving(Device device) => Leaving?.Devices().Any(other => (other.Kind, other.Id) == (device.Kind, device.Id)) == true;

    /// <summary>With a device more, in the first place that is free.</summary>
    public NoxsRecord With(Device device, DeviceEntry entry)
    {
        var entries = Entries.ToList();
        var free = entries.FindIndex(other => other.Type == EntryType.None);
        if (free >= 0) entries[free] = entry with { Serial = (ushort)(entries[free].Serial + 1) };
        else entries.Add(entry);
        return this with { Entries = entries, Config = Config.With(device) };
    }

    /// <summary>Without a device, wherever it is noted.</summary>
    public NoxsRecord Without(DeviceKind kind, int id)
    {
        var leaving = Leaving?.Without(kind, id);
        return this with { Entries = WithoutEntry(kind, id), Config = Config.Without(kind, id), Leaving = leaving?.Devices().Any() == true ? leaving : null };
    }

    /// <summary>With a device that is leaving. As long as it is there, it is among <see cref="Devices"/>.</summary>
    public NoxsRecord WithLeaving(Device device)
    {
        var none = Config.ToDraft();
        (none.Vifs, none.Vbds) = ([], []);
        return this with { Leaving = (Leaving ?? DomainConfig.From(none)).With(device) };
    }

    /// <summary>Without one that has left. What its configuration says of it stays: that is for when it is started again.</summary>
    public NoxsRecord WithoutLeft(Device device)
    {
        var leaving = Leaving?.Without(device.Kind, device.Id);
        return this with { Entries = WithoutEntry(device.Kind, device.Id), Leaving = leaving?.Devices().Any() == true ? leaving : null };
    }

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
            json.WriteNumberValue(entry.Serial);
            json.WriteEndArray();
        }

        json.WriteEndArray();
        json.WritePropertyName("config");
        json.WriteRawValue(DomainConfigJson.Write(record.Config), skipInputValidation: true);
        if (record.Leaving is null) return;
        json.WritePropertyName("leaving");
        json.WriteRawValue(DomainConfigJson.Write(record.Leaving), skipInputValidation: true);
    });

    /// <summary>Null where there is none, or none that makes sense.</summary>
    public static NoxsRecord? Read(string path) => PoolJson.ReadFile(path, root => new NoxsRecord
    {
        Id = DaemonProtocol.Unsigned(root, "id"),
        Name = DaemonProtocol.Text(root, "name"),
        StartTime = root.TryGetProperty("start_time", out _) ? DateTimeOffset.FromUnixTimeMilliseconds(Math.Clamp(DaemonProtocol.Long(root, "start_time"), 0, 253402300799999)) : null,
        PageFrame = (ulong)DaemonProtocol.Long(root, "page"),
        Entries = DaemonProtocol.Array(root, "devices").Select(ReadEntry).ToArray(),
        Config = ReadConfig(root, "config", path) ?? throw DaemonProtocol.Invalid("'config' is missing"),
        Leaving = ReadConfig(root, "leaving", path),
    });

    public static EntryType TypeOf(DeviceKind kind) => kind == DeviceKind.Network ? EntryType.Vif : EntryType.Vbd;

    /// <summary>The place of a device among <see cref="Entries"/>; -1 for none.</summary>
    private int EntryOf(DeviceKind kind, int id)
    {
        for (var place = 0; place < Entries.Count; place++)
        {
            if (Entries[place].Type == TypeOf(kind) && Entries[place].Id == id) return place;
        }

        return -1;
    }

    private DeviceEntry[] WithoutEntry(DeviceKind kind, int id)
    {
        var entries = Entries.ToArray();
        if (EntryOf(kind, id) is >= 0 and var place) entries[place] = new DeviceEntry { Serial = entries[place].Serial };
        return entries;
    }

    private static DomainConfig? ReadConfig(JsonElement root, string name, string path) =>
        root.TryGetProperty(name, out var config) ? DomainConfigJson.Parse(Encoding.UTF8.GetBytes(config.GetRawText()), path, requireKernel: false) : null;

    private static DeviceEntry ReadEntry(JsonElement entry)
    {
        if (entry.ValueKind != JsonValueKind.Array || entry.GetArrayLength() is not (4 or 5)) throw DaemonProtocol.Invalid("'devices' must be lists of five");
        var numbers = entry.EnumerateArray().Select(number => number.ValueKind == JsonValueKind.Number && number.TryGetUInt32(out var value) ? value : throw DaemonProtocol.Invalid("'devices' must be numbers")).ToArray();
        return new DeviceEntry { Type = (EntryType)numbers[0], Id = numbers[1], Grant = numbers[2], Port = numbers[3], Serial = numbers.Length > 4 ? (ushort)numbers[4] : (ushort)0 };
    }
}
