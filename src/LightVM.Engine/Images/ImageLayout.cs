using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;
using LightVM.Devices;

namespace LightVM.Images;

/// <summary>The layout of images of version 2, as docs/image-format.md has it. All numbers are little-endian.</summary>
internal static class ImageLayout
{
    /// <summary>The first two bytes of Chaos' images and of ours.</summary>
    internal const ushort Magic = 0xCA05;
    internal const ushort ChaosVersion = 1;
    internal const ushort Version = 2;

    internal const int HeaderSize = 64;

    /// <summary>The libxc stream begins at a multiple of this.</summary>
    internal const int Alignment = 64;

    internal const int EntrySize = 32;
    internal const int FooterSize = 32;
    internal const int TrailerSize = 4 * EntrySize + FooterSize;

    internal const int MaxInfoSize = 64 << 10;

    internal static readonly string[] PartNames = ["header", "config", "info", "stream"];

    private const int NameSize = 8;

    private static ReadOnlySpan<byte> FooterMagic => "LVMIMAGE"u8;

    internal static long Aligned(long offset) => (offset + Alignment - 1) & -Alignment;

    /// <summary>The header with what it says of the two texts that follow.</summary>
    internal static byte[] Header(ReadOnlySpan<byte> config, ReadOnlySpan<byte> info)
    {
        var header = new byte[HeaderSize];
        BinaryPrimitives.WriteUInt16LittleEndian(header, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(2), Version);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), config.Length);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(12), info.Length);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(16), StreamOffset(config.Length, info.Length));
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(24), XxHash64.Of(config));
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(32), XxHash64.Of(info));
        BinaryPrimitives.WriteUInt64LittleEndian(header.AsSpan(56), XxHash64.Of(header.AsSpan(0, 56)));
        return header;
    }

    internal static long StreamOffset(long configLength, long infoLength) => Aligned(HeaderSize + configLength + infoLength);

    /// <summary>Everything before the stream.</summary>
    internal static byte[] Head(ReadOnlySpan<byte> config, ImageFacts facts, out PartChecksum[] parts)
    {
        var info = Info(facts);
        var header = Header(config, info);
        var head = new byte[StreamOffset(config.Length, info.Length)];
        header.CopyTo(head, 0);
        config.CopyTo(head.AsSpan(HeaderSize));
        info.CopyTo(head.AsSpan(HeaderSize + config.Length));
        parts =
        [
            new PartChecksum(0, HeaderSize, XxHash64.Of(header)),
            new PartChecksum(HeaderSize, config.Length, XxHash64.Of(config)),
            new PartChecksum(HeaderSize + config.Length, info.Length, XxHash64.Of(info)),
        ];
        return head;
    }

    /// <summary>The table of the four parts and what closes the image.</summary>
    internal static byte[] Trailer(IReadOnlyList<PartChecksum> parts)
    {
        var trailer = new byte[TrailerSize];
        for (var i = 0; i < PartNames.Length; i++)
        {
            var entry = trailer.AsSpan(i * EntrySize, EntrySize);
            Encoding.ASCII.GetBytes(PartNames[i], entry[..NameSize]);
            BinaryPrimitives.WriteInt64LittleEndian(entry[8..], parts[i].Offset);
            BinaryPrimitives.WriteInt64LittleEndian(entry[16..], parts[i].Length);
            BinaryPrimitives.WriteUInt64LittleEndian(entry[24..], parts[i].Checksum);
        }

        var footer = trailer.AsSpan(PartNames.Length * EntrySize);
        BinaryPrimitives.WriteInt32LittleEndian(footer, PartNames.Length);
        BinaryPrimitives.WriteInt64LittleEndian(footer[8..], parts[^1].Offset + parts[^1].Length + TrailerSize);
        FooterMagic.CopyTo(footer[16..]);
        BinaryPrimitives.WriteUInt64LittleEndian(footer[24..], XxHash64.Of(trailer.AsSpan(0, TrailerSize - 8)));
        return trailer;
    }

    /// <summary>Whether these bytes are meant to be a trailer; whether they are one, <see cref="IsWholeTrailer"/> tells.</summary>
    internal static bool IsTrailer(ReadOnlySpan<byte> trailer) => trailer[^16..^8].SequenceEqual(FooterMagic);

    /// <summary>The checksum that a trailer has for itself.</summary>
    internal static ulong ChecksumOf(ReadOnlySpan<byte> trailer) => BinaryPrimitives.ReadUInt64LittleEndian(trailer[^8..]);

    internal static bool IsWholeTrailer(ReadOnlySpan<byte> trailer) => IsTrailer(trailer) && ChecksumOf(trailer) == XxHash64.Of(trailer[..^8]);

    /// <summary>The entry of a part in a trailer.</summary>
    internal static PartChecksum Entry(ReadOnlySpan<byte> trailer, int part)
    {
        var entry = trailer.Slice(part * EntrySize, EntrySize);
        return new PartChecksum(
            BinaryPrimitives.ReadInt64LittleEndian(entry[8..]),
            BinaryPrimitives.ReadInt64LittleEndian(entry[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(entry[24..]));
    }

    /// <summary>"00c0ffee00c0ffee".</summary>
    internal static string Text(ulong checksum) => checksum.ToString("x16", CultureInfo.InvariantCulture);

    private static byte[] Info(ImageFacts facts)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("time", facts.SavedTime.ToUniversalTime());
            if (facts.XenVersion is not null) json.WriteString("xen", facts.XenVersion);
            if (facts.HostName is not null) json.WriteString("host", facts.HostName);
            if (facts.DevicesInUse is { } devices)
            {
                json.WriteStartArray("in_use");
                foreach (var device in devices) json.WriteStringValue(device.ToString());
                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>What an image says of how it came to be; keys that later versions may add are passed over. Null when it is no such text.</summary>
    internal static ImageFacts? ReadInfo(ReadOnlyMemory<byte> utf8)
    {
        try
        {
            using var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = 8 });
            var info = document.RootElement;
            return new ImageFacts(info.GetProperty("time").GetDateTimeOffset(), Text("xen"), Text("host"))
            {
                DevicesInUse = info.TryGetProperty("in_use", out var devices) ? devices.EnumerateArray().Select(device => DeviceId.Parse(device.GetString() ?? "")).ToArray() : null,
            };

            // For a terminal's sake, which obeys some characters.
            string? Text(string key) => !info.TryGetProperty(key, out var value) || value.GetString() is not { } text ? null : text.Any(char.IsControl) ? throw new FormatException() : text;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            return null;
        }
    }
}

/// <summary>Where a part is and the checksum of its bytes.</summary>
internal readonly record struct PartChecksum(long Offset, long Length, ulong Checksum);
