using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;
using LightVM.Errors;

namespace LightVM.Services;

/// <summary>
/// What the sockets of this toolstack's daemons have in common: JSON documents in UTF-8, one a line, a request and its answer, as often as
/// wanted on one connection. A request has <c>version</c> and <c>request</c>, an answer <c>ok</c> or <c>error</c>.
/// </summary>
internal static class DaemonProtocol
{
    public const int Version = 1;

    /// <summary>Bytes of a line, with its end.</summary>
    public const int MaxLine = 64 * 1024;

    /// <summary>The version of a request is none that the daemon speaks.</summary>
    public const string VersionUnsupported = nameof(VersionUnsupported);

    /// <summary>A request cannot be understood.</summary>
    public const string RequestInvalid = nameof(RequestInvalid);

    private const int MaxDepth = 8;

    private static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A request as a line.</summary>
    public static byte[] WriteRequest(string name, Action<Utf8JsonWriter> members) => Line(json =>
    {
        json.WriteString("request", name);
        members(json);
    });

    /// <summary>Reads a request: its name, and with it its members.</summary>
    /// <param name="line">With or without its end.</param>
    /// <exception cref="DaemonRefusal">It cannot be understood, or <paramref name="read"/> refuses it.</exception>
    public static T ReadRequest<T>(ReadOnlyMemory<byte> line, Func<string, JsonElement, T> read)
    {
        using var document = Parse(line);
        var root = document.RootElement;
        if (root.ValueKind != JsonValueKind.Object) throw Invalid("a request is an object");
        if (!root.TryGetProperty("version", out var version) || version.ValueKind != JsonValueKind.Number) throw Invalid("'version' must be a number");
        if (!version.TryGetInt32(out var number) || number != Version) throw new DaemonRefusal(VersionUnsupported, $"version {version.GetRawText()} is not spoken here; version {Version} is");
        return read(Text(root, "request"), root);
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

    /// <summary>Reads an answer with the result of a request.</summary>
    /// <param name="daemon">Who answers: "the device daemon".</param>
    /// <param name="failure">The error's id for an answer that is none, or a refusal that is not known here.</param>
    /// <param name="read">Reads the result's members.</param>
    /// <exception cref="LvmException">The daemon refused, or the answer is none.</exception>
    public static T ReadAnswer<T>(ReadOnlyMemory<byte> line, string daemon, string failure, Func<JsonElement, T> read)
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
                : new LvmException(failure, $"{daemon} refused: {message} ({id})");
        }
        catch (DaemonRefusal refusal)
        {
            throw new LvmException(failure, $"{daemon}'s answer makes no sense: {refusal.Message}", refusal);
        }
    }

    public static JsonDocument Parse(ReadOnlyMemory<byte> line)
    {
        // A document finds that out only where somebody reads the text.
        if (!Utf8.IsValid(line.Span)) throw Invalid("this is no text in UTF-8");
        try
        {
            return JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (JsonException error)
        {
            throw new DaemonRefusal(RequestInvalid, $"this is no JSON document: {error.Message.TrimEnd('.')}", error);
        }
    }

    public static Guid Uuid(JsonElement root, string name = "uuid") =>
        Guid.TryParseExact(Text(root, name), "D", out var uuid) ? uuid : throw Invalid($"'{name}' must be a uuid");

    public static string Text(JsonElement element, string name) =>
        OptionalText(element, name) ?? throw Invalid($"'{name}' is missing");

    public static string? OptionalText(JsonElement element, string name)
    {
        if (!element.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null) return null;
        return TextOf(value, name);
    }

    public static string TextOf(JsonElement value, string name)
    {
        if (value.ValueKind != JsonValueKind.String) throw Invalid($"'{name}' must be text");
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException error) // half of a surrogate pair, which JSON lets through
        {
            throw new DaemonRefusal(RequestInvalid, $"'{name}' must be text", error);
        }
    }

    public static int Number(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number)
            ? number
            : throw Invalid($"'{name}' must be a number");

    public static int? OptionalNumber(JsonElement element, string name) =>
        !element.TryGetProperty(name, out var value) || value.ValueKind == JsonValueKind.Null ? null : Number(element, name);

    public static uint Unsigned(JsonElement element, string name) =>
        Number(element, name) is >= 0 and var number ? (uint)number : throw Invalid($"'{name}' must not be negative");

    public static long Long(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number)
            ? number
            : throw Invalid($"'{name}' must be a number");

    public static bool Flag(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : throw Invalid($"'{name}' must be true or false");

    /// <summary>The elements of an array.</summary>
    public static JsonElement.ArrayEnumerator Array(JsonElement element, string name) =>
        element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Array
            ? value.EnumerateArray()
            : throw Invalid($"'{name}' must be an array");

    /// <summary>What somebody sent, fit to be shown: short and on one line.</summary>
    public static string Quoted(string text) =>
        string.Concat(text.Take(40).Select(letter => char.IsControl(letter) || char.IsSurrogate(letter) ? '?' : letter));

    public static DaemonRefusal Invalid(string message) => new(RequestInvalid, message);

    private static byte[] Line(Action<Utf8JsonWriter> members)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
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
}

/// <summary>A request is not done. The id is one of <see cref="ErrorIds"/> or of <see cref="DaemonProtocol"/>.</summary>
internal sealed class DaemonRefusal(string id, string message, Exception? inner = null) : Exception(message, inner)
{
    public string Id { get; } = id;
}
