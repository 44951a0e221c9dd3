using System.Globalization;
using System.Text.Json;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Services;
using static LightVM.Services.DaemonProtocol;

namespace LightVM.Devices;

/// <summary>
/// What is said over the device daemon's socket: JSON documents in UTF-8, one a line, a request and its answer, as often as wanted on one
/// connection (lightvm-devd(8) has the reference). Both ends use this.
/// </summary>
internal static class DeviceDaemonProtocol
{
    /// <summary>Bytes of a path, as Linux has it (PATH_MAX, which counts the NUL).</summary>
    public const int MaxPath = 4095;

    /// <summary>The daemon's socket, in its folder (<see cref="Linux.RunFolder"/>).</summary>
    public const string SocketName = "devd.sock";

    /// <summary>The file with its process id, which it holds a lock on for as long as it lives.</summary>
    public const string PidFileName = "devd.pid";

    public static string SocketPath => Path.Combine(Linux.RunFolder.Path, SocketName);

    public static string PidFile => Path.Combine(Linux.RunFolder.Path, PidFileName);

    /// <summary>A request as a line.</summary>
    public static byte[] Write(DeviceDaemonRequest request) => WriteRequest(NameOf(request), json =>
    {
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
    /// <exception cref="DaemonRefusal">It cannot be understood, or asks for what no device can be.</exception>
    public static DeviceDaemonRequest ReadRequest(ReadOnlyMemory<byte> line) =>
        DaemonProtocol.ReadRequest<DeviceDaemonRequest>(line, (name, root) => name switch
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
    public static T ReadAnswer<T>(ReadOnlyMemory<byte> line, Func<JsonElement, T> read) =>
        DaemonProtocol.ReadAnswer(line, "the device daemon", ErrorIds.DeviceFailure, read);

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
            throw new DaemonRefusal(ErrorIds.DiskInvalid, $"'target' must be a path of 1 to {MaxPath} bytes");
        return new DiskConfig(
            target,
            Text(element, "type") switch { "phy" => DiskType.Phy, "file" => DiskType.File, _ => throw Invalid("'type' must be \"phy\" or \"file\"") },
            VirtualDevice: "",
            Text(element, "access") switch { "r" => DiskAccess.ReadOnly, "w" => DiskAccess.ReadWrite, _ => throw Invalid("'access' must be \"r\" or \"w\"") });
    }

    private static string Mac(string text) =>
        MacAddress.TryParse(text, out var address, out var why) ? address : throw new DaemonRefusal(ErrorIds.NetworkAdapterInvalid, $"the address '{Quoted(text)}' {why}");
}
