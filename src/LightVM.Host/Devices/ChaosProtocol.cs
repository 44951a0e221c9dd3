using System.Buffers.Binary;
using System.Text;
using LightVM.Configuration;

namespace LightVM.Host.Devices;

/// <summary>One request of Chaos' toolstack to its device daemon.</summary>
internal abstract record ChaosRequest
{
    internal sealed record Add(DiskConfig Disk) : ChaosRequest;

    internal sealed record Remove(DiskType Type, uint Major, uint Minor) : ChaosRequest;

    internal sealed record Query(DiskType Type, uint Major, uint Minor) : ChaosRequest;
}

/// <summary>
/// What Chaos' toolstack says to its device daemon: one request a connection, C structs in the machine's order.
/// <code>
/// request    i32 command (1 add, 2 remove, 3 query)   i32 device (1 disk)   i32 length of what follows
///   add      char type[6]   char mode[2]   the file's name and a NUL
///   others   char type[6]   two bytes      i32 major   i32 minor
/// response   i32 errno (0: done)   i32 length of what follows
///   add      i32 major   i32 minor
///   query    the file's name and a NUL
/// </code>
/// </summary>
internal static class ChaosProtocol
{
    public const int RequestHeader = 12;
    public const int ResponseHeader = 8;

    /// <summary>Bytes of a file's name with its NUL (PATH_MAX).</summary>
    public const int MaxName = 4096;

    public const int MaxPayload = Fixed + MaxName;

    public const int EINVAL = 22;
    public const int EMSGSIZE = 90;
    public const int EIO = 5;

    private const int Fixed = 8;
    private const int TypeSize = 6;

    private const int CommandAdd = 1;
    private const int CommandRemove = 2;
    private const int CommandQuery = 3;
    private const int DeviceDisk = 1;

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>How much follows a header; below 0, an errno: nothing that follows can be right.</summary>
    public static int ReadHeader(ReadOnlySpan<byte> header)
    {
        var command = BinaryPrimitives.ReadInt32LittleEndian(header);
        var length = BinaryPrimitives.ReadInt32LittleEndian(header[8..]);
        if (command is < CommandAdd or > CommandQuery || BinaryPrimitives.ReadInt32LittleEndian(header[4..]) != DeviceDisk || length < 0) return -EINVAL;
        return length <= (command == CommandAdd ? MaxPayload : Fixed + 8) ? length : -EMSGSIZE;
    }

    /// <summary>Reads a request; null for one that is malformed.</summary>
    public static ChaosRequest? Read(ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload)
    {
        if (payload.Length < Fixed || ReadWord(payload[..TypeSize]) is not { } word) return null;
        DiskType type;
        if (word == "phy") type = DiskType.Phy;
        else if (word == "file") type = DiskType.File;
        else return null;

        var command = BinaryPrimitives.ReadInt32LittleEndian(header);
        var rest = payload[Fixed..];
        if (command == CommandAdd)
        {
            DiskAccess access;
            var mode = ReadWord(payload[TypeSize..Fixed]);
            if (mode == "r") access = DiskAccess.ReadOnly;
            else if (mode == "w") access = DiskAccess.ReadWrite;
            else return null;
            return rest.IndexOf((byte)0) > 0 && ReadWord(rest) is { } name ? new ChaosRequest.Add(new DiskConfig(name, type, "", access)) : null;
        }

        if (rest.Length != 8) return null;
        int major = BinaryPrimitives.ReadInt32LittleEndian(rest), minor = BinaryPrimitives.ReadInt32LittleEndian(rest[4..]);
        if (major < 0 || minor < 0) return null;
        return command == CommandRemove ? new ChaosRequest.Remove(type, (uint)major, (uint)minor) : new ChaosRequest.Query(type, (uint)major, (uint)minor);
    }

    public static byte[] WriteResponse(int errno, ReadOnlySpan<byte> payload = default)
    {
        var response = new byte[ResponseHeader + payload.Length];
        BinaryPrimitives.WriteInt32LittleEndian(response, errno);
        BinaryPrimitives.WriteInt32LittleEndian(response.AsSpan(4), payload.Length);
        payload.CopyTo(response.AsSpan(ResponseHeader));
        return response;
    }

    public static byte[] WriteNumbers(uint major, uint minor)
    {
        Span<byte> payload = stackalloc byte[8];
        BinaryPrimitives.WriteInt32LittleEndian(payload, (int)major);
        BinaryPrimitives.WriteInt32LittleEndian(payload[4..], (int)minor);
        return WriteResponse(0, payload);
    }

    public static byte[] WriteName(string name) => WriteResponse(0, Encoding.UTF8.GetBytes(name + '\0'));

    /// <summary>Text up to a NUL, or all of a field; null for what is no UTF-8.</summary>
    private static string? ReadWord(ReadOnlySpan<byte> field)
    {
        var end = field.IndexOf((byte)0);
        try
        {
            return Strict.GetString(end < 0 ? field : field[..end]);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}
