using System.Globalization;
using System.Text.Json;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Services;
using static LightVM.Services.DaemonProtocol;

namespace LightVM.Pools;

/// <summary>What is said over the pool daemon's socket (<see cref="DaemonProtocol"/>; lightvm-poold(8) has the reference). Both ends use this.</summary>
internal static class PoolDaemonProtocol
{
    public const string SocketName = "poold.sock";

    /// <summary>The socket for clients of Chaos' shell daemon.</summary>
    public const string ChaosSocketName = "shelld.sock";

    public const string PidFileName = "poold.pid";

    private const string Daemon = "the pool daemon";

    public static string SocketPath => Path.Combine(Linux.RunFolder.Path, SocketName);

    public static byte[] Write(PoolDaemonRequest request) => request switch
    {
        PoolDaemonRequest.Missed missed => WriteRequest("missed", json => Write(json, missed.Shell)),
        PoolDaemonRequest.Create create => WriteRequest("create", json =>
        {
            json.WritePropertyName("config");
            json.WriteRawValue(DomainConfigJson.Write(create.Config).AsSpan().TrimEnd("\n"u8).ToArray().Select(letter => letter is (byte)'\n' ? (byte)' ' : letter).ToArray());
        }),
        PoolDaemonRequest.Add add => WriteRequest("pool-add", json => PoolJson.Write(json, add.Pool)),
        PoolDaemonRequest.Set set => WriteRequest("pool-set", json => PoolJson.Write(json, set.Pool)),
        PoolDaemonRequest.Remove remove => WriteRequest("pool-remove", json => json.WriteString("name", remove.Name)),
        PoolDaemonRequest.List => WriteRequest("pool-list", _ => { }),
        _ => WriteRequest("status", _ => { }),
    };

    /// <summary>Reads a request.</summary>
    /// <exception cref="DaemonRefusal">It cannot be understood, or asks for what cannot be.</exception>
    public static PoolDaemonRequest ReadRequest(ReadOnlyMemory<byte> line) => DaemonProtocol.ReadRequest<PoolDaemonRequest>(line, (name, root) => name switch
    {
        "missed" => new PoolDaemonRequest.Missed(ReadShellRequest(root)),
        "create" => new PoolDaemonRequest.Create(ReadConfig(root)),
        "pool-add" => new PoolDaemonRequest.Add(PoolJson.ReadDefinition(root)),
        "pool-set" => new PoolDaemonRequest.Set(PoolJson.ReadDefinition(root)),
        "pool-remove" => new PoolDaemonRequest.Remove(Text(root, "name")),
        "pool-list" => new PoolDaemonRequest.List(),
        "status" => new PoolDaemonRequest.Status(),
        var unknown => throw Invalid($"there is no request '{Quoted(unknown)}'"),
    });

    public static byte[] WritePools(IReadOnlyList<Pool> pools) => WriteOk(json =>
    {
        json.WriteStartArray("pools");
        foreach (var pool in pools)
        {
            json.WriteStartObject();
            PoolJson.Write(json, pool);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    public static byte[] WriteMissed(bool isCounted) => WriteOk(json => json.WriteBoolean("counted", isCounted));

    public static byte[] WriteCreated(uint id, CreationRecord record) => WriteOk(json =>
    {
        json.WriteNumber("id", id);
        json.WriteString("source", record.Source.ToString().ToLowerInvariant());
        json.WriteString("pool", record.Pool);
        json.WriteNumber("ticks", record.Duration.Ticks);
        json.WriteStartArray("steps");
        foreach (var step in record.Steps)
        {
            json.WriteStartObject();
            json.WriteString("name", step.Name);
            json.WriteNumber("ticks", step.Duration.Ticks);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });

    public static byte[] WriteStatus(PoolDaemonStatus status) => WriteOk(json =>
    {
        json.WriteString("version", status.Version);
        json.WriteNumber("pid", status.ProcessId);
        json.WriteString("started", status.StartTime.ToString("O", CultureInfo.InvariantCulture));
        json.WriteNumber("pools", status.Pools);
        json.WriteNumber("ready", status.Ready);
        json.WriteNumber("lent", status.Lent);
        json.WriteNumber("clients", status.Clients);
    });

    /// <summary>Reads an answer. Errors: what the daemon refused with; ServiceFailure for what is no answer.</summary>
    public static T ReadAnswer<T>(ReadOnlyMemory<byte> line, Func<JsonElement, T> read) => DaemonProtocol.ReadAnswer(line, Daemon, ErrorIds.ServiceFailure, read);

    public static IReadOnlyList<Pool> ReadPools(JsonElement ok) =>
        Array(ok, "pools").Select(pool => pool.ValueKind == JsonValueKind.Object ? PoolJson.ReadPool(pool) : throw Invalid("a pool is an object")).ToArray();

    public static bool ReadMissed(JsonElement ok) => Flag(ok, "counted");

    public static (uint Id, CreationRecord Record) ReadCreated(JsonElement ok)
    {
        var steps = Array(ok, "steps").Select(step => step.ValueKind == JsonValueKind.Object ? new CreationStepTime(Text(step, "name"), TimeSpan.FromTicks(Long(step, "ticks"))) : throw Invalid("a step is an object")).ToArray();
        return (Unsigned(ok, "id"), new CreationRecord(steps, TimeSpan.FromTicks(Long(ok, "ticks")))
        {
            Source = Text(ok, "source") switch { "full" => CreationSource.Full, "shell" => CreationSource.Shell, "built" => CreationSource.Built, "snapshot" => CreationSource.Snapshot, _ => throw Invalid("there is no such 'source'") },
            Pool = OptionalText(ok, "pool"),
        });
    }

    public static PoolDaemonStatus ReadStatus(JsonElement ok) => new(
        Text(ok, "version"),
        Number(ok, "pid"),
        DateTimeOffset.TryParse(Text(ok, "started"), CultureInfo.InvariantCulture, out var started) ? started : throw Invalid("'started' must be a time"),
        Number(ok, "pools"), Number(ok, "ready"), Number(ok, "lent"), Number(ok, "clients"));

    private static void Write(Utf8JsonWriter json, ShellRequest shell)
    {
        json.WriteString("type", shell.Type == GuestType.PVH ? "pvh" : "pv");
        json.WriteNumber("address_size", shell.AddressSize);
        if (shell.IsNoxs) json.WriteString("dev_method", ConfigWords.DeviceMethods.WordOf(DeviceMethod.Noxs));
        json.WriteNumber("memory", shell.MemoryMiB);
        json.WriteNumber("max_memory", shell.MaxMemoryMiB);
        json.WriteNumber("vcpus", shell.VcpuCount);
        if (shell.Kernel is { } kernel) json.WriteString("kernel", kernel);
        if (shell.Ramdisk is { } ramdisk) json.WriteString("ramdisk", ramdisk);
        if (shell.CommandLine is { } words) json.WriteString("cmdline", words);
        json.WriteBoolean("console", shell.HasConsole);
        json.WriteNumber("vifs", shell.InterfaceCount);
        json.WriteNumber("vbds", shell.DiskCount);
        if (shell.Bridges is null) return;
        json.WriteStartArray("bridges");
        foreach (var bridge in shell.Bridges) json.WriteStringValue(bridge);
        json.WriteEndArray();
    }

    private static ShellRequest ReadShellRequest(JsonElement root) => new()
    {
        Type = Text(root, "type") switch { "pv" => GuestType.PV, "pvh" => GuestType.PVH, _ => throw Invalid("'type' must be \"pv\" or \"pvh\"") },
        AddressSize = Number(root, "address_size"),
        IsNoxs = PoolJson.ReadDeviceMethod(root) == DeviceMethod.Noxs,
        MemoryMiB = Number(root, "memory"),
        MaxMemoryMiB = Number(root, "max_memory"),
        VcpuCount = Number(root, "vcpus"),
        Kernel = OptionalText(root, "kernel"),
        Ramdisk = OptionalText(root, "ramdisk"),
        CommandLine = OptionalText(root, "cmdline"),
        HasConsole = Flag(root, "console"),
        InterfaceCount = Number(root, "vifs"),
        DiskCount = Number(root, "vbds"),
        Bridges = root.TryGetProperty("bridges", out _) ? Array(root, "bridges").Select(bridge => bridge.ValueKind == JsonValueKind.Null ? null : TextOf(bridge, "bridges")).ToArray() : null,
    };

    private static DomainConfig ReadConfig(JsonElement root)
    {
        if (!root.TryGetProperty("config", out var config) || config.ValueKind != JsonValueKind.Object) throw Invalid("'config' must be an object");
        return DomainConfigJson.Parse(System.Text.Encoding.UTF8.GetBytes(config.GetRawText()), "request");
    }
}
