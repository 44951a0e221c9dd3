using System.Buffers.Binary;

namespace LightVM.Simulation;

/// <summary>A kernel that every simulated host has, so that trying it needs no file: the least that is one, for PV and PVH.</summary>
public static class SimulatedKernel
{
    /// <summary>The path under which a simulated host finds it.</summary>
    public const string Path = "/simulated/tiny.elf";

    private const int NotesAt = 512;

    /// <summary>An ELF header, one segment, and the Xen notes of a PV and of a PVH entry.</summary>
    public static byte[] Create()
    {
        var image = new byte[1024];
        void U16(int at, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(at), value);
        void U32(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(at), value);
        void U64(int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(image.AsSpan(at), value);
        void Note(int at, uint type)
        {
            U32(at, 4); // name, then eight bytes of description: an address of zero
            U32(at + 4, 8);
            U32(at + 8, type);
            "Xen\0"u8.CopyTo(image.AsSpan(at + 12));
        }

        new byte[] { 0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1 }.CopyTo(image, 0);
        U16(16, 2); // an executable
        U16(18, 62); // for x86-64
        U32(20, 1);
        U64(32, 64); // program headers: 2 of 56 bytes behind this header of 64
        U16(52, 64);
        U16(54, 56);
        U16(56, 2);
        U32(64, 1); // PT_LOAD: the whole file, and as much again of zeros
        U64(64 + 32, (ulong)image.Length);
        U64(64 + 40, (ulong)image.Length * 2);
        U32(120, 4); // PT_NOTE
        U64(120 + 8, NotesAt);
        U64(120 + 32, 48);
        Note(NotesAt, 1); // XEN_ELFNOTE_ENTRY
        Note(NotesAt + 24, 18); // XEN_ELFNOTE_PHYS32_ENTRY
        return image;
    }
}
