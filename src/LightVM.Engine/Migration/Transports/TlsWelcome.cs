using System.Buffers.Binary;
using System.Net.Security;
using System.Text;
using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Migration;

/// <summary>
/// The server's first words inside of TLS: one byte, 0 for "go on", or a refusal: 1 for a host that is not admitted, 2 for one that is to
/// come later, then the length (u16, little-endian) of a sentence in UTF-8 for people. TLS itself cannot tell a client why: it is through
/// with the handshake before the server has seen its certificate.
/// </summary>
/// <param name="Refusal">An id of the catalogue; null when the client is let in.</param>
internal readonly record struct TlsWelcome(string? Refusal, string Text)
{
    private const byte GoOn = 0;
    private const byte Unknown = 1;
    private const byte Busy = 2;
    private const int LongestText = 400;

    public static TlsWelcome In { get; } = new(null, "");

    public byte[] ToBytes()
    {
        if (Refusal is null) return [GoOn];
        var text = Encoding.UTF8.GetBytes(Text.Length <= LongestText ? Text : Text[..LongestText]);
        var bytes = new byte[3 + text.Length];
        bytes[0] = Refusal == ErrorIds.PeerBusy ? Busy : Unknown;
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(1), (ushort)text.Length);
        text.CopyTo(bytes, 3);
        return bytes;
    }

    public static TlsWelcome Read(SslStream stream)
    {
        var header = new byte[3];
        stream.ReadExactly(header.AsSpan(0, 1));
        if (header[0] == GoOn) return In;
        stream.ReadExactly(header.AsSpan(1));
        var text = new byte[TextLength(header)];
        stream.ReadExactly(text);
        return Refused(header, text);
    }

    public static async ValueTask<TlsWelcome> ReadAsync(SslStream stream)
    {
        var header = new byte[3];
        await stream.ReadExactlyAsync(header.AsMemory(0, 1));
        if (header[0] == GoOn) return In;
        await stream.ReadExactlyAsync(header.AsMemory(1));
        var text = new byte[TextLength(header)];
        await stream.ReadExactlyAsync(text);
        return Refused(header, text);
    }

    private static int TextLength(byte[] header)
    {
        var length = BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(1));
        return header[0] is Unknown or Busy && length <= 4 * LongestText ? length : throw new IOException("it speaks another protocol");
    }

    /// <summary>The text is another machine's: no control characters for a terminal to obey.</summary>
    private static TlsWelcome Refused(byte[] header, byte[] text) =>
        new(header[0] == Busy ? ErrorIds.PeerBusy : ErrorIds.PeerRefused, Quoted.Line(Encoding.UTF8.GetString(text)));
}
