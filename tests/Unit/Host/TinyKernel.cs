using System.Buffers.Binary;

namespace LightVM.Unit.Host;

/// <summary>The least that passes for a 64-bit PV kernel: one segment to load, and the note that tells Xen where it begins.</summary>
internal static class TinyKernel
{
    private const int HeaderSize = 64;
    private const int ProgramHeaderSize = 56;
    private const int NotesAt = HeaderSize + 2 * ProgramHeaderSize;
    private const int NotesSize = 24;

    public static byte[] Bytes { get; } = Make();

    private static byte[] Make()
    {
        var image = new byte[4096];
        byte[] ident = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1];
        ident.CopyTo(image, 0);
        U16(16, 2); // ET_EXEC
        U16(18, 62); // EM_X86_64
        U32(20, 1);
        U64(24, 0x100000); // entry
        U64(32, HeaderSize);
        U16(52, HeaderSize);
        U16(54, ProgramHeaderSize);
        U16(56, 2);
        Segment(HeaderSize, 1, 0, image.Length); // PT_LOAD
        Segment(HeaderSize + ProgramHeaderSize, 4, NotesAt, NotesSize); // PT_NOTE
        U32(NotesAt, 4);
        U32(NotesAt + 4, 8);
        U32(NotesAt + 8, 1); // XEN_ELFNOTE_ENTRY
        "Xen\0"u8.CopyTo(image.AsSpan(NotesAt + 12));
        U64(NotesAt + 16, 0x100000);
        return image;

        void Segment(int at, uint type, long offset, long size)
        {
            U32(at, type);
            U64(at + 8, offset);
            U64(at + 16, 0x100000 + offset);
            U64(at + 24, 0x100000 + offset);
            U64(at + 32, size);
            U64(at + 40, size);
        }

        void U16(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(at), value);
        void U32(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(at), value);
        void U64(int at, long value) => BinaryPrimitives.WriteInt64LittleEndian(image.AsSpan(at), value);
    }
}
