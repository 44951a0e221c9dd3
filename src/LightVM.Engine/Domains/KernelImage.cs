using System.Buffers.Binary;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Domains;

/// <summary>What kind of file a kernel is.</summary>
public enum KernelFormat
{
    /// <summary>An ELF image: everything can be told from its headers.</summary>
    Elf,

    /// <summary>Linux' boot format; the ELF image is packed inside.</summary>
    BzImage,

    /// <summary>An image packed by gzip, bzip2, xz, lzma, lzo, lz4 or zstd.</summary>
    Compressed,
}

/// <summary>
/// A kernel as far as it can be judged before a domain exists: its format and, for plain ELF images, the guest types it
/// was built for and the memory it occupies. Unpacking and loading are libxenguest's.
/// </summary>
public sealed class KernelImage
{
    // Xen's ELF notes (xen/include/public/elfnote.h).
    private const uint NoteEntry = 1;
    private const uint NotePhys32Entry = 18;

    // Our own: what the guest's name is for its way to its devices.
    private const uint NoteDevices = 1;

    private const int ElfClass32 = 1;
    private const int ElfClass64 = 2;
    private const ushort Machine386 = 3;
    private const ushort MachineX64 = 62;

    private static readonly (byte[] Magic, string Name)[] Compressions =
    [
        ([0x1f, 0x8b], "gzip"),
        ("BZh"u8.ToArray(), "bzip2"),
        ([0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0], "xz"),
        ([0x5d, 0x00, 0x00], "lzma"),
        ([0x89, (byte)'L', (byte)'Z', (byte)'O', 0, 0x0d, 0x0a, 0x1a, 0x0a], "lzo"),
        ([0x02, 0x21, 0x4c, 0x18], "lz4"),
        ([0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    ];

    private KernelImage(KernelFormat format)
    {
        Format = format;
    }

    public KernelFormat Format { get; }

    /// <summary>Width of an ELF image, 32 or 64; 0 where it is packed.</summary>
    public int AddressSize { get; private init; }

    /// <summary>Whether an ELF image says that it boots as PV guest.</summary>
    public bool HasPvEntry { get; private init; }

    /// <summary>Whether an ELF image says that it boots as PVH guest.</summary>
    public bool HasPvhEntry { get; private init; }

    /// <summary>Whether an ELF image says, by a note of the name "LightVM", that its devices can come by noxs.</summary>
    public bool WantsNoxs { get; private init; }

    /// <summary>Bytes of memory that an ELF image occupies when loaded, uninitialised data included; 0 where it is packed.</summary>
    public long LoadedSize { get; private init; }

    /// <summary>Looks at an image. Errors: KernelInvalid.</summary>
    /// <param name="image">The whole file.</param>
    /// <param name="path">Its name, for messages.</param>
    public static KernelImage Inspect(ReadOnlySpan<byte> image, string path)
    {
        if (image.StartsWith("\x7f"u8) && image.Length >= 4 && image[1..4].SequenceEqual("ELF"u8)) return InspectElf(image, path);
        if (image.Length >= 0x206 && image.Slice(0x1fe, 2).SequenceEqual<byte>([0x55, 0xaa]) && image.Slice(0x202, 4).SequenceEqual("HdrS"u8))
            return new KernelImage(KernelFormat.BzImage);
        foreach (var (magic, _) in Compressions)
        {
            if (image.StartsWith(magic)) return new KernelImage(KernelFormat.Compressed);
        }

        throw Invalid(path, image.IsEmpty ? "the file is empty" : "it is neither an ELF image nor a bzImage nor a compressed one");
    }

    /// <summary>Refuses what this kernel cannot be: another guest type or width, or a memory it does not fit in.</summary>
    /// <param name="ramdiskSize">Bytes of the ramdisk as it is stored, which is the least that it needs.</param>
    public void CheckFits(GuestType type, int addressSize, int memoryMiB, long ramdiskSize, string path)
    {
        if (Format != KernelFormat.Elf) return;
        if (type == GuestType.PVH && !HasPvhEntry) throw Invalid(path, "it has no PVH entry (ELF note XEN_ELFNOTE_PHYS32_ENTRY)");
        if (type == GuestType.PV && !HasPvEntry) throw Invalid(path, "it has no PV entry (ELF note XEN_ELFNOTE_ENTRY)");
        if (type == GuestType.PV && AddressSize != addressSize) throw Invalid(path, $"it is a {AddressSize}-bit image, and the domain has an address size of {addressSize}");
        var needed = LoadedSize + ramdiskSize;
        if (needed > memoryMiB * 1048576L)
        {
            throw new LvmException(ErrorIds.MemoryTooSmall,
                $"kernel '{path}'{(ramdiskSize > 0 ? " and its ramdisk" : "")} need more than {(needed + 1048575) / 1048576} MiB, the domain has {memoryMiB} MiB");
        }
    }

    private static KernelImage InspectElf(ReadOnlySpan<byte> image, string path)
    {
        if (image.Length < 64) throw Invalid(path, "the ELF header is cut off");
        var wide = image[4] == ElfClass64;
        if (!wide && image[4] != ElfClass32) throw Invalid(path, "it is neither a 32-bit nor a 64-bit ELF image");
        if (image[5] != 1) throw Invalid(path, "it is a big-endian ELF image");
        if (U16(image, 18) is not (Machine386 or MachineX64)) throw Invalid(path, $"it is an ELF image for another machine ({U16(image, 18)})");

        var headers = wide ? (long)U64(image, 32) : U32(image, 28);
        int size = U16(image, wide ? 54 : 42), count = U16(image, wide ? 56 : 44);
        if (count == 0 || size < (wide ? 56 : 32) || headers <= 0 || headers + (long)size * count > image.Length)
            throw Invalid(path, "its program headers are missing or cut off");

        long low = long.MaxValue, high = 0;
        bool pv = false, pvh = false, noxs = false;
        for (var i = 0; i < count; i++)
        {
            var header = image.Slice((int)(headers + (long)i * size), size);
            var (offset, address, fileSize, memorySize) = wide
                ? (U64(header, 8), U64(header, 24), U64(header, 32), U64(header, 40))
                : (U32(header, 4), U32(header, 12), U32(header, 16), U32(header, 20));
            switch (U32(header, 0))
            {
                case 1: // PT_LOAD
                    if (offset > (ulong)image.Length || fileSize > (ulong)image.Length - offset || fileSize > memorySize || memorySize > 1L << 40 || address > 1L << 40)
                        throw Invalid(path, "a segment lies outside of the file: it is cut off or damaged");
                    low = Math.Min(low, (long)address);
                    high = Math.Max(high, (long)(address + memorySize));
                    break;
                case 4: // PT_NOTE
                    if (offset > (ulong)image.Length || fileSize > (ulong)image.Length - offset) throw Invalid(path, "its notes lie outside of the file: it is cut off or damaged");
                    FindEntries(image.Slice((int)offset, (int)fileSize), ref pv, ref pvh, ref noxs);
                    break;
            }
        }

        if (high == 0) throw Invalid(path, "it has nothing to load");
        // Kernels before the notes (and the oldest unikernels) carry a section "__xen_guest" instead; it is text.
        if (!pv && !pvh && image.IndexOf("XEN_VER=xen-3.0"u8) >= 0) pv = true;
        if (!pv && !pvh) throw Invalid(path, "it was not built for Xen: it carries no Xen ELF notes");
        return new KernelImage(KernelFormat.Elf)
        {
            AddressSize = wide ? 64 : 32,
            HasPvEntry = pv,
            HasPvhEntry = pvh,
            WantsNoxs = noxs,
            LoadedSize = high - low,
        };
    }

    private static void FindEntries(ReadOnlySpan<byte> notes, ref bool pv, ref bool pvh, ref bool noxs)
    {
        while (notes.Length >= 12)
        {
            uint nameSize = U32(notes, 0), dataSize = U32(notes, 4), type = U32(notes, 8);
            var whole = 12 + Align4(nameSize) + Align4(dataSize);
            if (whole > notes.Length) return;
            if (nameSize == 4 && notes.Slice(12, 4).SequenceEqual("Xen\0"u8))
            {
                pv |= type == NoteEntry;
                pvh |= type == NotePhys32Entry;
            }

            else if (type == NoteDevices && nameSize == 8 && dataSize == 5 && notes.Slice(12, 8).SequenceEqual("LightVM\0"u8) && notes.Slice(20, 5).SequenceEqual("noxs\0"u8))
            {
                noxs = true;
            }

            notes = notes[(int)whole..];
        }
    }

    private static long Align4(uint size) => (size + 3L) & ~3L;

    private static ushort U16(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[at..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]);

    private static LvmException Invalid(string path, string why) =>
        new(ErrorIds.KernelInvalid, $"'{path}' is not a kernel that can be started: {why}");
}
