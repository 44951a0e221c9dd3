using System.Buffers.Binary;
using LightVM.Configuration;

namespace LightVM.Images;

/// <summary>
/// The layout of what <c>xl save</c> writes: xl's header with the configuration (tools/xl/xl.h of Xen), then libxl's stream
/// (docs/specs/libxl-migration-stream), in which that of libxc is embedded. Headers of libxl are big-endian, all else is little-endian.
/// </summary>
internal static class XlLayout
{
    internal const int StreamVersion = 2;

    // Flags of xl's header without which a reader would go wrong.
    private const uint ConfigIsJson = 1;
    private const uint StreamIsLibxlFormat = 2;

    private const uint LibxlEnd = 0;
    private const uint LibxcContext = 1;
    private const uint EmulatorXenstoreData = 2;
    private const uint EmulatorContext = 3;
    private const uint OptionalRecord = 0x80000000;

    internal static ReadOnlySpan<byte> Magic => "Xen saved domain, xl format\n \0 \r"u8;

    /// <summary>Reads what follows the magic, up to libxl's records.</summary>
    /// <returns>The configuration, JSON of libxl.</returns>
    internal static byte[] ReadHeader(ImageSource source, List<ImagePart> parts)
    {
        var header = source.ReadPart(16, "header");
        parts.Add(new ImagePart("header", 0, source.Position, null, null));
        if (U32(header, 0) != 0x01020304) throw ImageRefusal.Unsupported("it is of a machine with another byte order");
        var (mandatory, optionalLength) = (U32(header, 4), U32(header, 12));
        if ((mandatory & ~(ConfigIsJson | StreamIsLibxlFormat)) != 0) throw ImageRefusal.Unsupported($"it is of a newer xl (flags 0x{mandatory:x})");
        if ((mandatory & StreamIsLibxlFormat) == 0) throw ImageRefusal.Unsupported("it is of xl before Xen 4.6");
        if (optionalLength < 4 || (mandatory & ConfigIsJson) == 0) throw ImageRefusal.Unsupported("it has no configuration in JSON");

        var length = U32(source.ReadPart(4, "header"), 0);
        if (length > optionalLength - 4) throw ImageRefusal.Invalid("its header says that its configuration is longer than all there is");
        if (length > DomainConfigJson.MaxFileSize) throw ImageRefusal.Invalid($"its configuration has {length} bytes, more than {DomainConfigJson.MaxFileSize}");
        parts.Add(new ImagePart("config", source.Position, length, null, null));
        var config = source.ReadPart((int)length, "configuration");
        source.Skip(optionalLength - 4 - length, "header");
        return config;
    }

    /// <summary>Reads libxl's header and its records up to the one in whose place the libxc stream begins.</summary>
    internal static void ReadToContext(ImageSource source)
    {
        var header = source.ReadPart(16, "libxl header");
        if (!header.AsSpan(0, 8).SequenceEqual("LibxlFmt"u8)) throw ImageRefusal.Invalid("there is no libxl stream where one should be");
        if (BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(8)) is var version and not StreamVersion) throw ImageRefusal.Unsupported($"its libxl stream has version {version}");
        if ((BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(12)) & 1) != 0) throw ImageRefusal.Unsupported("it is of a machine with another byte order");
        if (ReadRecord(source) != LibxcContext) throw ImageRefusal.Invalid("its libxl stream ends without a guest's state");
    }

    /// <summary>Reads what follows the libxc stream, to the end of libxl's.</summary>
    internal static void ReadEnd(ImageSource source)
    {
        if (ReadRecord(source) != LibxlEnd) throw ImageRefusal.Invalid("its libxl stream has a guest's state twice");
    }

    /// <summary>The next record that matters: a guest's state, or the end.</summary>
    private static uint ReadRecord(ImageSource source)
    {
        while (true)
        {
            var header = source.ReadPart(8, "libxl stream");
            var (type, length) = (U32(header, 0), U32(header, 4));
            if (type is EmulatorXenstoreData or EmulatorContext) throw ImageRefusal.Unsupported("it is of a guest with a device model");
            if (type is LibxlEnd or LibxcContext) return length == 0 ? type : throw ImageRefusal.Invalid($"record {type} of its libxl stream has {length} bytes instead of none");
            if ((type & OptionalRecord) == 0) throw ImageRefusal.Unsupported($"its libxl stream has a record of type {type}, which is not known");
            source.Skip((length + 7L) & ~7, "libxl stream");
        }
    }

    private static uint U32(byte[] bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at));
}
