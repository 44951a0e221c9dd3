using System.Text;
using System.Text.Json;
using LightVM.Errors;

namespace LightVM.Configuration;

/// <summary>One JSON value and where it stands. Unlike JsonDocument it keeps repeated keys, and what came before a syntax error.</summary>
internal sealed class SourceNode(JsonValueKind kind, int offset)
{
    internal JsonValueKind Kind => kind;

    /// <summary>Its first byte.</summary>
    internal int Offset => offset;

    /// <summary>A string's value, or a number as it is written; null for a string that is no valid Unicode.</summary>
    internal string? Text { get; init; }

    internal List<SourceMember> Members { get; } = [];

    internal List<SourceNode> Items { get; } = [];

    /// <summary>False for an object or an array that the text broke off in: what it lacks may have been about to come.</summary>
    internal bool Closed { get; set; }
}

/// <summary>One key of an object with its value.</summary>
internal sealed record SourceMember(string Name, int Offset, SourceNode Value);

/// <summary>Why a text could not be read to its end.</summary>
internal sealed record SourceFailure(string ErrorId, int Offset, string Message);

/// <summary>A JSON text as it stands, as far as it could be read.</summary>
internal sealed class SourceTree
{
    /// <summary>The most levels of objects and arrays; the format itself has four.</summary>
    internal const int MaxDepth = 16;

    private readonly Stack<SourceNode> open = new();
    private string pendingName = "";
    private int pendingOffset;

    private SourceTree()
    {
    }

    /// <summary>The outermost value; null when the text broke off before it.</summary>
    internal SourceNode? Root { get; private set; }

    /// <summary>Why reading stopped; null when the text is JSON.</summary>
    internal SourceFailure? Failure { get; private set; }

    internal static SourceTree Read(ReadOnlySpan<byte> utf8, SourceText positions)
    {
        var tree = new SourceTree();
        // One level more than allowed, so that it is this code that meets the level too many.
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = MaxDepth + 1 });
        try
        {
            while (tree.Failure is null && reader.Read()) tree.Take(ref reader);
        }
        catch (JsonException exception)
        {
            var offset = positions.OffsetOf(exception.LineNumber ?? 0, exception.BytePositionInLine ?? 0);
            tree.Failure = new SourceFailure(ErrorIds.ConfigSyntax, offset, tree.Describe(utf8, offset, exception));
        }

        return tree;
    }

    private void Take(ref Utf8JsonReader reader)
    {
        var offset = (int)reader.TokenStartIndex;
        switch (reader.TokenType)
        {
            case JsonTokenType.PropertyName:
                // A name that is no Unicode is kept as written: it is not a known one either way.
                pendingName = TextOf(ref reader) ?? Encoding.UTF8.GetString(reader.ValueSpan);
                pendingOffset = offset;
                break;
            case JsonTokenType.EndObject or JsonTokenType.EndArray:
                open.Pop().Closed = true;
                break;
            case JsonTokenType.StartObject or JsonTokenType.StartArray when open.Count == MaxDepth:
                Failure = new SourceFailure(ErrorIds.ConfigTooDeep, offset, $"opens level {MaxDepth + 1} of objects and arrays, at most {MaxDepth} are allowed");
                break;
            case JsonTokenType.StartObject:
                open.Push(Attach(new SourceNode(JsonValueKind.Object, offset)));
                break;
            case JsonTokenType.StartArray:
                open.Push(Attach(new SourceNode(JsonValueKind.Array, offset)));
                break;
            case JsonTokenType.String:
                Attach(new SourceNode(JsonValueKind.String, offset) { Text = TextOf(ref reader) });
                break;
            case JsonTokenType.Number:
                Attach(new SourceNode(JsonValueKind.Number, offset) { Text = Encoding.UTF8.GetString(reader.ValueSpan) });
                break;
            case JsonTokenType.True or JsonTokenType.False:
                Attach(new SourceNode(reader.TokenType == JsonTokenType.True ? JsonValueKind.True : JsonValueKind.False, offset));
                break;
            default:
                Attach(new SourceNode(JsonValueKind.Null, offset));
                break;
        }
    }

    private SourceNode Attach(SourceNode node)
    {
        if (open.Count == 0) Root = node;
        else if (open.Peek() is { Kind: JsonValueKind.Array } array) array.Items.Add(node);
        else open.Peek().Members.Add(new SourceMember(pendingName, pendingOffset, node));
        return node;
    }

    /// <summary>The string's value; null when it has half of a surrogate pair ("\ud800"), which the reader refuses to decode.</summary>
    private static string? TextOf(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>The common mistakes in plain words, anything else in the reader's.</summary>
    private string Describe(ReadOnlySpan<byte> utf8, int offset, JsonException exception)
    {
        var before = utf8[..offset].TrimEnd(" \t\r\n"u8);
        var rest = utf8[offset..].TrimStart(" \t\r\n"u8);
        if (before.IsEmpty && rest.IsEmpty) return "the file is empty";
        if (rest.IsEmpty) return "the file ends in the middle of the configuration";
        if (rest[0] is (byte)'/' or (byte)'#') return "JSON has no comments";
        if (Root is not null && open.Count == 0) return "something follows the end of the configuration";
        if (rest[0] is (byte)'}' or (byte)']' && before.EndsWith(","u8)) return "a comma stands before the closing bracket";
        if (rest[0] == (byte)'\'') return "JSON has double quotes only";

        var message = exception.Message;
        // The reader would quote the word, whatever is in it.
        if (message.Contains("literal", StringComparison.Ordinal)) return "only true, false and null are words without quotes";

        // The reader appends its own idea of the position, counted from 0.
        var end = message.IndexOf(" LineNumber:", StringComparison.Ordinal);
        return (end < 0 ? message : message[..end]).TrimEnd('.');
    }
}
