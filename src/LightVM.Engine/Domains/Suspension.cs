using System.Text.Json;

namespace LightVM.Domains;

/// <summary>Why a guest is suspended, and what shall become of it.</summary>
/// <param name="Operation">What is being done to it: "save", "checkpoint", "move".</param>
/// <param name="HandedOver">
/// Of a move: the target that may have been told to let the guest run, so that only it knows where the guest goes on. Null before that.
/// </param>
public sealed record Suspension(string Operation, HandOver? HandedOver = null)
{
    /// <summary>Whether the guest goes on nowhere: all of it is in an image, and what is left of it here has to go.</summary>
    public bool IsSaved { get; init; }

    /// <summary>When it was noted.</summary>
    public DateTimeOffset Since { get; init; } = DateTimeOffset.UtcNow;

    internal static byte[] Write(Suspension suspension)
    {
        var bytes = new MemoryStream();
        using (var json = new Utf8JsonWriter(bytes))
        {
            json.WriteStartObject();
            json.WriteString("operation", suspension.Operation);
            json.WriteString("since", suspension.Since);
            if (suspension.IsSaved) json.WriteBoolean("saved", true);
            if (suspension.HandedOver is { } handedOver)
            {
                json.WriteString("target", handedOver.Target);
                json.WriteString("ticket", handedOver.Ticket);
                json.WriteString("boot", handedOver.Boot);
            }

            json.WriteEndObject();
        }

        return bytes.ToArray();
    }

    /// <summary>What was written to a file; null where there is none, or none that makes sense.</summary>
    internal static Suspension? Read(string path)
    {
        try
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(path));
            var handedOver = json.RootElement.TryGetProperty("target", out var target) && json.RootElement.TryGetProperty("ticket", out var ticket)
                ? new HandOver(target.GetString()!, ticket.GetGuid(), json.RootElement.GetProperty("boot").GetGuid())
                : null;
            return new Suspension(json.RootElement.GetProperty("operation").GetString()!, handedOver)
            {
                IsSaved = json.RootElement.TryGetProperty("saved", out var saved) && saved.GetBoolean(),
                Since = json.RootElement.GetProperty("since").GetDateTimeOffset(),
            };
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            return null;
        }
    }
}

/// <summary>Whom to ask where a guest goes on.</summary>
/// <param name="Target">The way to the other host, as the mover was given it: a URI.</param>
/// <param name="Ticket">What the other host knows this move by.</param>
/// <param name="Boot">Which run of the other host: one that was started anew since has forgotten what it was told.</param>
public sealed record HandOver(string Target, Guid Ticket, Guid Boot);
