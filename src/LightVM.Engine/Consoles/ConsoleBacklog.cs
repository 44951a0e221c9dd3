using System.Diagnostics;

namespace LightVM.Consoles;

/// <summary>What a guest has written before somebody came to read.</summary>
internal static class ConsoleBacklog
{
    /// <summary>A guest that never stops writing has a backlog all the same: what was read in this time.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Reads the backlog, and gives its last lines, or all of it.</summary>
    public static byte[] Read(IGuestConsole console, int? tail, CancellationToken cancellation)
    {
        var begin = Stopwatch.GetTimestamp();
        var backlog = new MemoryStream();
        var buffer = new byte[65536];
        while (console.Read(buffer, console.Lag, cancellation) is > 0 and var count)
        {
            backlog.Write(buffer, 0, count);
            if (Stopwatch.GetElapsedTime(begin) > Patience) break;
        }

        return tail is { } lines ? LastLines(backlog.GetBuffer().AsSpan(0, (int)backlog.Length), lines).ToArray() : backlog.ToArray();
    }

    /// <summary>The last lines of a text; one that has begun and not ended is a line.</summary>
    internal static ReadOnlySpan<byte> LastLines(ReadOnlySpan<byte> text, int count)
    {
        if (count == 0) return [];
        var start = text.Length;
        while (start > 0)
        {
            var newline = text[..(start - 1)].LastIndexOf((byte)'\n');
            start = newline + 1;
            if (--count == 0) break;
        }

        return text[start..];
    }
}
