using System.Text.Json;

namespace LightVM.Migration;

/// <summary>How far a domain has come that another host sends.</summary>
public enum ArrivalState
{
    /// <summary>It is being received, or waits for its start.</summary>
    Arriving,

    /// <summary>It goes on here: from now on the other host has to let go of it.</summary>
    Committed,

    /// <summary>It goes on here, and has been started.</summary>
    Finished,

    /// <summary>It does not go on here, and never will.</summary>
    Refused,
}

/// <summary>What is kept of a domain that another host sends, by the move's ticket.</summary>
/// <param name="Uuid">The domain's.</param>
/// <param name="Source">Who sends it, for people.</param>
/// <param name="MemoryKiB">Memory that it needs.</param>
public sealed record Arrival(ArrivalState State, Guid Uuid, string Name, string Source, long MemoryKiB)
{
    internal static byte[] Write(Arrival arrival)
    {
        var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteString("state", arrival.State.ToString());
            json.WriteString("uuid", arrival.Uuid);
            json.WriteString("name", arrival.Name);
            json.WriteString("source", arrival.Source);
            json.WriteNumber("memory", arrival.MemoryKiB);
            json.WriteEndObject();
        }

        return bytes.ToArray();
    }

    /// <summary>What was written to a file; null where there is none, or none that makes sense.</summary>
    internal static Arrival? Read(string path)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            var root = json.RootElement;
            return new Arrival(
                Enum.Parse<ArrivalState>(root.GetProperty("state").GetString()!), root.GetProperty("uuid").GetGuid(), root.GetProperty("name").GetString()!,
                root.GetProperty("source").GetString()!, root.GetProperty("memory").GetInt64());
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException or FormatException or ArgumentException)
        {
            return null;
        }
    }
}
