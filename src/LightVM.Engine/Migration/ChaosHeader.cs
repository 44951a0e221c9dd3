using System.Buffers.Binary;
using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Migration;

/// <summary>
/// What Chaos sends before libxc's stream, little-endian: u16 0xCA05, u16 version (1), u16 flags (0), u16 length of the configuration,
/// the configuration in JSON. In files zeros follow up to a multiple of 64 bytes, on a connection nothing.
/// </summary>
internal static class ChaosHeader
{
    public const ushort Magic = 0xCA05;
    private const int Size = 8;

    /// <summary>What is sent before the stream, of the configuration what Chaos knows: no uuid, no actions when the guest ends. Errors: MoveRefused for a configuration that is too long for it.</summary>
    public static byte[] Write(DomainConfig config)
    {
        // Chaos refuses a configuration with a key that it does not know.
        var draft = config.ToDraft();
        (draft.Uuid, draft.MaxMemoryMiB, draft.Console) = (null, null, null);
        (draft.OnPoweroff, draft.OnReboot, draft.OnCrash) = (null, null, null);
        var text = DomainConfigJson.Write(DomainConfig.From(draft));
        if (text.Length > ushort.MaxValue) throw new LvmException(ErrorIds.MoveRefused, $"its configuration has {text.Length} bytes, and Chaos takes {ushort.MaxValue}");
        var header = new byte[Size + text.Length];
        BinaryPrimitives.WriteUInt16LittleEndian(header, Magic);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(2), 1);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(6), (ushort)text.Length);
        text.CopyTo(header, Size);
        return header;
    }

    public static bool IsAt(ReadOnlySpan<byte> first) => first.Length >= 2 && BinaryPrimitives.ReadUInt16LittleEndian(first) == Magic;

    /// <summary>Reads it, up to the stream's first byte. Errors: MoveProtocolInvalid, those of the link.</summary>
    /// <param name="first">Its bytes that have been read already.</param>
    /// <returns>The configuration, with a uuid.</returns>
    public static DomainConfig Read(MoveChannel channel, ReadOnlySpan<byte> first)
    {
        var header = new byte[Size];
        first.CopyTo(header);
        channel.ReadExactly(header.AsSpan(first.Length));
        var (version, flags) = (BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(2)), BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(4)));
        if (version != 1 || flags != 0) throw new LvmException(ErrorIds.MoveProtocolInvalid, $"{channel.Link.PeerName} sends a domain as Chaos does, in version {version} with flags {flags}, and version 1 without flags is known");
        var text = new byte[BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(6))];
        channel.ReadExactly(text);
        try
        {
            var draft = DomainConfigJson.Parse(text, "chaos", requireKernel: false).ToDraft();
            draft.Uuid ??= Guid.NewGuid();
            draft.Paused = false; // its guest ran there
            return DomainConfig.From(draft);
        }
        catch (InvalidConfigException error)
        {
            throw new LvmException(ErrorIds.MoveProtocolInvalid, $"{channel.Link.PeerName} sends a domain as Chaos does, whose configuration is none: {error.Problem}", error);
        }
    }
}
