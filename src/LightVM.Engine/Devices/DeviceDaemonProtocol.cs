using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Devices;

/// <summary>
/// What is said over the device daemon's socket: JSON documents in UTF-8, one a line, a request and its answer, as often as wanted on one
/// connection (lightvm-devd(8) has the reference). Both ends use this.
/// </summary>
internal static class DeviceDaemonProtocol
{
    public const int Version = 1;

    /// <summary>Bytes of a line, with its end.</summary>
    public const int MaxLine = 64 * 1024;

    /// <summary>Bytes of a path, as Linux has it (PATH_MAX, which counts the NUL).</summary>
    public const int MaxPath = 4095;

    /// <summary>The version of a request is none that the daemon speaks.</summary>
    public const string VersionUnsupported = nameof(VersionUnsupported);

    /// <summary>A request cannot be understood.</summary>
    public const string RequestInvalid = nameof(RequestInvalid);

    private const int MaxDepth = 8;

    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>The daemon's socket, in its folder (<see cref="Linux.RunFolder"/>).</summary>
    public const string SocketName = "devd.sock";

    /// <summary>The file with its process id, which it holds a lock on for as long as it lives.</summary>
    public const string PidFileName = "devd.pid";

    public static string SocketPath => Path.Combine(Linux.RunFolder.Path, SocketName);

    public static string PidFile => Path.Combine(Linux.RunFolder.Path, PidFileName);

    /// <summary>A request as a line.</summary>
    public static byte[] Write(DeviceDaemonRequest request) => Line(json =>
    {
        json.WriteString("request", NameOf(request));
        switch (request)
        {
            case DeviceDaemonRequest.Reserve reserve:
                WriteDevices(json, reserve.Uuid, reserve.Devices);
                break;
            case DeviceDaemonRequest.Release release:
                WriteDevices(json, release.Uuid, release.Devices);
                break;
            case DeviceDaemonRequest.AttachDisk attach:
                WriteDisk(json, attach.Disk);
                break;
            case DeviceDaemonRequest.DetachDisk { Major: var major, Minor: var minor }:
                WriteNumbers(json, major, minor);
                break;
            case DeviceDaemonRequest.QueryDisk { Major: var major, Minor: var minor }:
                WriteNumbers(json, major, minor);
                break;
            case DeviceDaemonRequest.AttachNetwork attach:
                json.WriteString("interface", attach.Interface);
                json.WriteString("bridge", attach.Bridge);
                break;
            case DeviceDaemonRequest.DetachNetwork detach:
                json.WriteString("interface", detach.Interface);
                break;
        }
    });

    /// <summary>Reads a request.</summary>
    /// <param name="line">With or without its end.</param>
    /// <exception cref="DeviceDaemonRefusal">It cannot be understood, or asks for what no device can be.</exception>
    public static DeviceDaemonRequest ReadRequest(ReadOnlyMemory<byte> line)
    {
        using var document = Parse(line);
        var root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object) throw Invalid("a request is an object");
        if (!root.TryGetProperty("version", out var version) || version.ValueKind != JsonValueKind.Number) throw Invalid("'version' must be a number");
        if (!version.TryGetInt32(out var number) || number != Version) throw new DeviceDaemonRefusal(VersionUnsupported, $"version {version.GetRawText()} is not spoken here; version {Version} is");
        return Text(root, "request") switch
        {
            "reserve" => new DeviceDaemonRequest.Reserve(Uuid(root), Devices(root)),
            "release" => new DeviceDaemonRequest.Release(Uuid(root), Devices(root)),
            "status" => new DeviceDaemonRequest.Status(),
            "attach-disk" => new DeviceDaemonRequest.AttachDisk(Disk(root)),
            "detach-disk" => new DeviceDaemonRequest.DetachDisk(Unsigned(root, "major"), Unsigned(root, "minor")),
            "query-disk" => new DeviceDaemonRequest.QueryDisk(Unsigned(root, "major"), Unsigned(root, "minor")),
            "attach-network" => new DeviceDaemonRequest.AttachNetwork(Text(root, "interface"), OptionalText(root, "bridge")),
            "detach-network" => new DeviceDaemonRequest.DetachNetwork(Text(root, "interface")),
            var unknown => throw Invalid($"there is no request '{Quoted(unknown)}'"),
        };
    }

    /// <summary>The answer to a request that was done.</summary>
    /// <param name="members">Writes the members of the result.</param>
    public static byte[] WriteOk(Action<Utf8JsonWriter> members) => Line(json =>
    {
        json.WriteStartObject("ok");
        members(json);
        json.WriteEndObject();
    });

    public static byte[] WriteError(string id, string message) => Line(json =>
    {
        json.WriteStartObject("error");
        json.WriteString("id", id);
        json.WriteString("message", message);
        json.WriteEndObject();
    });

    public static void WriteMacs(Utf8JsonWriter json, IReadOnlyList<string> macs)
    {
        json.WriteStartArray("macs");
        foreach (var mac in macs) json.WriteStringValue(mac);
        json.WriteEndArray();
    }

    public static void WriteStatus(Utf8JsonWriter json, DeviceDaemonStatus status)
    {
        json.WriteString("version", status.Version);
        json.WriteNumber("pid", status.ProcessId);
        json.WriteString("started", status.StartTime.ToString("O", CultureInfo.InvariantCulture));
        json.WriteNumber("vifs", status.Vifs);
        json.WriteNumber("vbds", status.Vbds);
        json.WriteNumber("loops", status.Loops);
        json.WriteNumber("reservations", status.Reservations);
        json.WriteNumber("clients", status.Clients);
    }

    /// <summary>Reads an answer with the result of a request.</summary>
    /// <param name="read">Reads the result's members.</param>
    /// <exception cref="LvmException">The daemon refused (its id; DeviceFailure for one that is not known here), or the answer is none (DeviceFailure).</exception>
    public static T ReadAnswer<T>(ReadOnlyMemory<byte> line, Func<JsonElement, T> read)
    {
        try
        {
            using var document = Parse(line);
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object) throw Invalid("an answer is an object");
            if (root.TryGetProperty("ok", out var ok) && ok.ValueKind == JsonValueKind.Object) return read(ok);
            if (!root.TryGetProperty("error", out var error) || error.ValueKind != JsonValueKind.Object) throw Invalid("an answer has 'ok' or 'error'");
            string id = Text(error, "id"), message = Text(error, "message");
            throw ErrorCatalog.All.Any(row => row.Id == id)
                ? new LvmException(id, message)
                : new LvmException(ErrorIds.DeviceFailure, $"the device daemon refused: {message} ({id})");
        }
        catch (DeviceDaemonRefusal refusal)
        {
            throw new LvmException(ErrorIds.DeviceFailure, $"the device daemon's answer makes no sense: {refusal.Message}", refusal);
        }
    }

    public static IReadOnlyList<string> ReadMacs(JsonElement ok)
    {
        if (!ok.TryGetProperty("macs", out var macs) || macs.ValueKind != JsonValueKind.Array) throw Invalid("'macs' must be an array");
        return macs.EnumerateArray().Select(mac => Mac(mac.ValueKind == JsonValueKind.String ? mac.GetString()! : "")).ToArray();
    }

    public static DeviceDaemonStatus ReadStatus(JsonElement ok) => new(
        Text(ok, "version"),
        Number(ok, "pid"),
        DateTimeOffset.TryParse(Text(ok, "started"), CultureInfo.InvariantCulture, out var started) ? started : throw Invalid("'started' must be a time"),
        Number(ok, "vifs"), Number(ok, "vbds"), Number(ok, "loops"), Number(ok, "reservations"), Number(ok, "clients"));

    private static byte[] Line(Action<Utf8JsonWriter> members)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, WriterOptions))
        {
            json.WriteStartObject();
            json.WriteNumber("version", Version);
            members(json);
            json.WriteEndObject();
        }

        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    private static string NameOf(DeviceDaemonRequest request) => request switch
    {
        DeviceDaemonRequest.Reserve => "reserve",
        DeviceDaemonRequest.Release => "release",
        DeviceDaemonRequest.Status => "status",
        DeviceDaemonRequest.AttachDisk => "attach-disk",
        DeviceDaemonRequest.DetachDisk => "detach-disk",
        DeviceDaemonRequest.QueryDisk => "query-disk",
        DeviceDaemonRequest.AttachNetwork => "attach-network",
        _ => "detach-network",
    };

    private static void WriteDevices(Utf8JsonWriter json, Guid uuid, IReadOnlyList<Device> devices)
    {
        json.WriteString("uuid", uuid);
        json.WriteStartArray("devices");
        foreach (var device in devices) WriteDevice(json, device);
        json.WriteEndArray();
    }

    private static void WriteDevice(Utf8JsonWriter json, Device device)
    {
        json.WriteStartObject();
        json.WriteString("kind", device is NetworkDevice ? "vif" : "vbd");
        json.WriteNumber("id", device.Id);
        switch (device)
        {
            case NetworkDevice network:
                json.WriteString("mac", network.Config.Mac);
                json.WriteString("bridge", network.Config.Bridge);
                break;
            case DiskDevice disk:
                WriteDisk(json, disk.Config);
                break;
            default:
                throw new ArgumentException($"a device of kind {device.Kind} is nothing to ask the daemon for", nameof(device));
        }

        json.WriteEndObject();
    }

    private static void WriteDisk(Utf8JsonWriter json, DiskConfig disk)
    {
        json.WriteString("target", disk.Target);
        json.WriteString("type", disk.Type == DiskType.Phy ? "phy" : "file");
        json.WriteString("access", disk.Access == DiskAccess.ReadWrite ? "w" : "r");
    }

    private static void WriteNumbers(Utf8JsonWriter json, uint major, uint minor)
    {
        json.WriteNumber("major", major);
        json.WriteNumber("minor", minor);
    }

    private static JsonDocument Parse(ReadOnlyMemory<byte> line)
    {
        try
        {
            return JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (JsonException error)
        {
            throw new DeviceDaemonRefusal(RequestInvalid, $"this is no JSON document: {error.Message.TrimEnd('.')}", error);
        }
    }

    private static Guid Uuid(JsonElement root) =>
        Guid.TryParseExact(Text(root, "uuid"), "D", out var uuid) ? uuid : throw Invalid("'uuid' must be a uuid");

    private static Device[] Devices(JsonElement root)
    {
        if (!root.TryGetProperty("devices", out var devices) || devices.ValueKind != JsonValueKind.Array) throw Invalid("'devices' must be an array");
        return devices.EnumerateArray().Select(device =>
        {
            if (device.ValueKind != JsonValueKind.Object) throw Invalid("a device is an object");
            var id = Number(device, "id");
            if (id < 0) throw Invalid("'id' must not be negative");
            return Text(device, "kind") switch
            {
                "vif" => new NetworkDevice(id, new NetworkConfig(null, OptionalText(device, "mac") is { } mac ? Mac(mac) : null, OptionalText(device, "bridge"))),
                "vbd" => (Device)new DiskDevice(id, Disk(device)),
                var kind => throw Invalid($"there is no kind of device '{Quoted(kind)}'"),
            };
        }).ToArray();
    }

    private static DiskConfig Disk(JsonElement element)
    {
        var target = Text(element, "target");
        if (target.Length == 0 || target.Contains('\0', StringComparison.Ordinal) || System.Text.Encoding.UTF8.GetByteCount(target) > MaxPath)
            throw new DeviceDaemonRefusal(ErrorIds.DiskInvalid, $"'target' must be a path of 1 to {MaxPath} bytes");
        return new DiskConfig(
            target,
            Text(element, "type") switch { "phy" => DiskType.Phy, "file" => DiskType.File, _ => throw Invalid("'type' must be \"phy\" or \"file\"") },
            VirtualDevice: "",
            Text(element, "access") switch { "r" => DiskAccess.ReadOnly, "w" => DiskAccess.ReadWrite, _ => throw Invalid("'access' must be \"r\" or \"w\"") });
    }

    private static string Mac(string text) =>
        MacAddress.TryParse(text, out var address, out var why) ? address : throw new DeviceDaemonRefusal(ErrorIds.NetworkAdapterInvalid, $"the address '{Quoted(text)}' {why}");

    private static string Text(JsonElement element, string name) =>
        OptionalText(element, name) ?? throw Invalid($"'{name}' is missing");

    private static string? OptionalText(JsonElement element, string name)
    {
        if (!element.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null) return null;
        if (value.ValueKind != JsonValueKind.String) throw Invalid($"'{name}' must be text");
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException error) // half of a surrogate pair, which JSON lets through
        {
            throw new DeviceDaemonRefusal(RequestInvalid, $"'{name}' must be text", error);
        }
    }

    private static int Number(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number)
            ? number
            : throw Invalid($"'{name}' must be a number");

    private static uint Unsigned(JsonElement element, string name) =>
        Number(element, name) is >= 0 and var number ? (uint)number : throw Invalid($"'{name}' must not be negative");

    /// <summary>What somebody sent, fit to be shown: short and on one line.</summary>
    private static string Quoted(string text) =>
        string.Concat(text.Take(40).Select(letter => char.IsControl(letter) || char.IsSurrogate(letter) ? '?' : letter));

    private static DeviceDaemonRefusal Invalid(string message) => new(RequestInvalid, message);
}

/// <summary>A request is not done. The id is one of <see cref="ErrorIds"/> or of <see cref="DeviceDaemonProtocol"/>.</summary>
internal sealed class DeviceDaemonRefusal(string id, string message, Exception? inner = null) : Exception(message, inner)
{
    public string Id { get; } = id;
}
