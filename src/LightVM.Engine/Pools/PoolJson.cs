using System.Globalization;
using System.Text.Json;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;
using LightVM.Services;
using static LightVM.Services.DaemonProtocol;

namespace LightVM.Pools;

/// <summary>Pools and shells as JSON: in /etc, in /run and on the daemon's socket. What cannot be understood is a <see cref="DaemonRefusal"/>.</summary>
internal static class PoolJson
{
    private static readonly string[] Kinds = ["shell", "built", "snapshot"];
    private static readonly string[] States = ["making", "ready", "claimed"];

    public static string WordOf(ShellKind kind) => Kinds[(int)kind];

    public static void Write(Utf8JsonWriter json, PoolDefinition pool)
    {
        json.WriteString("name", pool.Name);
        Write(json, pool.Flavour);
        json.WriteNumber("minimum", pool.Minimum);
        json.WriteNumber("maximum", pool.Maximum);
        if (pool.MemoryBudgetMiB is { } budget) json.WriteNumber("budget", budget);
    }

    public static PoolDefinition ReadDefinition(JsonElement element) => new()
    {
        Name = Text(element, "name"),
        Flavour = ReadFlavour(element),
        Minimum = Number(element, "minimum"),
        Maximum = Number(element, "maximum"),
        MemoryBudgetMiB = OptionalNumber(element, "budget"),
    };

    public static void Write(Utf8JsonWriter json, Pool pool)
    {
        Write(json, pool.Definition);
        json.WriteNumber("ready", pool.ReadyCount);
        json.WriteNumber("making", pool.MakingCount);
        json.WriteNumber("lent", pool.LentCount);
        json.WriteNumber("target", pool.TargetCount);
        json.WriteNumber("hits", pool.Hits);
        json.WriteNumber("misses", pool.Misses);
        json.WriteNumber("take_rate", Math.Round(pool.TakeRate, 4));
        json.WriteNumber("refill_rate", Math.Round(pool.RefillRate, 4));
        if (pool.MakeTime is { } time) json.WriteNumber("make_us", (long)time.TotalMicroseconds);
        if (pool.OldestTime is { } oldest) json.WriteString("oldest", oldest.ToString("O", CultureInfo.InvariantCulture));
        if (pool.Problem is { } problem) json.WriteString("problem", problem);
    }

    public static Pool ReadPool(JsonElement element) => new()
    {
        Definition = ReadDefinition(element),
        ReadyCount = Number(element, "ready"),
        MakingCount = Number(element, "making"),
        LentCount = Number(element, "lent"),
        TargetCount = Number(element, "target"),
        Hits = Long(element, "hits"),
        Misses = Long(element, "misses"),
        TakeRate = Real(element, "take_rate"),
        RefillRate = Real(element, "refill_rate"),
        MakeTime = element.TryGetProperty("make_us", out _) ? TimeSpan.FromMicroseconds(Long(element, "make_us")) : null,
        OldestTime = OptionalText(element, "oldest") is { } oldest ? Time(oldest, "oldest") : null,
        Problem = OptionalText(element, "problem"),
    };

    public static void Write(Utf8JsonWriter json, ShellRecord shell)
    {
        json.WriteString("uuid", shell.Uuid);
        json.WriteString("pool", shell.Pool);
        Write(json, shell.Flavour);
        json.WriteString("state", States[(int)shell.State]);
        json.WriteNumber("id", shell.Id);
        json.WriteNumber("store_port", shell.Ports.StorePort);
        json.WriteNumber("console_port", shell.Ports.ConsolePort);
        json.WriteNumber("store_frame", shell.Rings.StoreFrame);
        json.WriteNumber("console_frame", shell.Rings.ConsoleFrame);
        json.WriteStartArray("macs");
        foreach (var vif in shell.Vifs) json.WriteStringValue(vif.Mac);
        json.WriteEndArray();
        json.WriteStartArray("in_use");
        foreach (var id in shell.InUse) json.WriteNumberValue(id);
        json.WriteEndArray();
        json.WriteString("stamp", shell.Stamp);
        json.WriteNumber("made", shell.Made.ToUnixTimeMilliseconds());
        if (shell.Becomes is { } becomes) json.WriteString("becomes", becomes);
    }

    public static ShellRecord ReadShell(JsonElement element)
    {
        var flavour = ReadFlavour(element);
        var macs = Array(element, "macs").Select(mac => mac.ValueKind == JsonValueKind.String && MacAddress.TryParse(TextOf(mac, "macs"), out var address, out _) ? address : throw Invalid("'macs' must be addresses")).ToArray();
        var state = System.Array.IndexOf(States, Text(element, "state"));
        if (state < 0) throw Invalid("there is no such 'state'");
        if (macs.Length != 0 && macs.Length != flavour.Bridges.Count) throw Invalid("'macs' and 'bridges' must be as many");
        return new ShellRecord
        {
            Uuid = Uuid(element),
            Pool = Text(element, "pool"),
            Flavour = flavour,
            State = (ShellState)state,
            Id = Unsigned(element, "id"),
            Ports = new GuestPorts(Unsigned(element, "store_port"), Unsigned(element, "console_port")),
            Rings = new GuestRings((ulong)Long(element, "store_frame"), (ulong)Long(element, "console_frame")),
            Vifs = macs.Select((mac, place) => new NetworkConfig(null, mac, flavour.Bridges[place])).ToArray(),
            InUse = Array(element, "in_use").Select(id => id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out var number) ? number : throw Invalid("'in_use' must be numbers")).ToArray(),
            Stamp = Text(element, "stamp"),
            Made = Long(element, "made") is >= 0 and < 253402300800000 and var made ? DateTimeOffset.FromUnixTimeMilliseconds(made) : throw Invalid("'made' must be a time"),
            Becomes = element.TryGetProperty("becomes", out _) ? Uuid(element, "becomes") : null,
        };
    }

    /// <summary>How guests learn of their devices; null where nothing is said.</summary>
    public static DeviceMethod? ReadDeviceMethod(JsonElement element) =>
        OptionalText(element, "dev_method") is not { } word ? null
        : ConfigWords.DeviceMethods.TryParse(word, out var method) ? method : throw Invalid($"'dev_method' must be {ConfigWords.DeviceMethods.Choices}");

    /// <summary>A document of one object, on one line.</summary>
    public static byte[] Document(Action<Utf8JsonWriter> members, bool indented = false)
    {
        var bytes = new MemoryStream(512);
        using (var json = new Utf8JsonWriter(bytes, new JsonWriterOptions { Indented = indented, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            members(json);
            json.WriteEndObject();
        }

        bytes.WriteByte((byte)'\n');
        return bytes.ToArray();
    }

    /// <summary>What a file says; null where there is none, or none that makes sense.</summary>
    public static T? ReadFile<T>(string path, Func<JsonElement, T> read)
        where T : class
    {
        try
        {
            if (RunFile.Read(path) is not { } bytes) return null;
            using var document = Parse(bytes);
            return document.RootElement.ValueKind == JsonValueKind.Object ? read(document.RootElement) : null;
        }
        catch (Exception error) when (error is DaemonRefusal or LvmException)
        {
            return null;
        }
    }

    private static void Write(Utf8JsonWriter json, PoolFlavour flavour)
    {
        json.WriteString("kind", Kinds[(int)flavour.Kind]);
        json.WriteString("type", flavour.Type == GuestType.PVH ? "pvh" : "pv");
        if (flavour.AddressSize != 64) json.WriteNumber("address_size", flavour.AddressSize);
        if (flavour.DeviceMethod is { } method) json.WriteString("dev_method", ConfigWords.DeviceMethods.WordOf(method));
        json.WriteNumber("memory", flavour.MemoryMiB);
        if (flavour.MaxMemoryMiB != flavour.MemoryMiB) json.WriteNumber("max_memory", flavour.MaxMemoryMiB);
        json.WriteNumber("vcpus", flavour.VcpuCount);
        json.WriteStartArray("bridges");
        foreach (var bridge in flavour.Bridges) json.WriteStringValue(bridge);
        json.WriteEndArray();
        if (flavour.Kernel is { } kernel) json.WriteString("kernel", kernel);
        if (flavour.Ramdisk is { } ramdisk) json.WriteString("ramdisk", ramdisk);
        if (flavour.CommandLine is { } words) json.WriteString("cmdline", words);
        if (flavour.Image is { } image) json.WriteString("image", image);
    }

    private static PoolFlavour ReadFlavour(JsonElement element)
    {
        var kind = System.Array.IndexOf(Kinds, Text(element, "kind"));
        if (kind < 0) throw Invalid("'kind' must be \"shell\", \"built\" or \"snapshot\"");
        var memory = Number(element, "memory");
        return new PoolFlavour
        {
            Kind = (ShellKind)kind,
            Type = Text(element, "type") switch { "pv" => GuestType.PV, "pvh" => GuestType.PVH, _ => throw Invalid("'type' must be \"pv\" or \"pvh\"") },
            AddressSize = OptionalNumber(element, "address_size") ?? 64,
            DeviceMethod = ReadDeviceMethod(element),
            MemoryMiB = memory,
            MaxMemoryMiB = OptionalNumber(element, "max_memory") ?? memory,
            VcpuCount = Number(element, "vcpus"),
            Bridges = Array(element, "bridges").Select(bridge => bridge.ValueKind == JsonValueKind.Null ? null : TextOf(bridge, "bridges")).ToArray(),
            Kernel = OptionalText(element, "kernel"),
            Ramdisk = OptionalText(element, "ramdisk"),
            CommandLine = OptionalText(element, "cmdline"),
            Image = OptionalText(element, "image"),
        };
    }

    private static double Real(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number)
            ? number
            : throw Invalid($"'{name}' must be a number");

    private static DateTimeOffset Time(string text, string name) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, out var time) ? time : throw Invalid($"'{name}' must be a time");
}
