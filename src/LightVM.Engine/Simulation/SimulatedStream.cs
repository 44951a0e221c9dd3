using System.Buffers.Binary;
using System.Text;
using LightVM.Hypervisor;

namespace LightVM.Simulation;

/// <summary>What is kept of a simulated guest.</summary>
internal readonly record struct SimulatedMemory(long SizeKiB, GuestActivity Activity, bool Listens, string CommandLine);

/// <summary>
/// A simulated guest as a migration stream: a true one by its form (docs/specs/libxc-migration-stream.pandoc of the Xen tree), with one
/// page in it that says what there is to say of the guest. No Xen can do anything with it, nor this with one of Xen's.
/// </summary>
internal static class SimulatedStream
{
    private const int PageSize = 4096;
    private const uint TypePV = 1;
    private const uint TypeHvm = 2;

    // Records, and what is said of them where libxc cares.
    private const uint End = 0;
    private const uint PageData = 1;
    private const uint PVInfo = 2;
    private const uint PVP2mFrames = 3;
    private const uint PVVcpuBasic = 4;
    private const uint SharedInfo = 7;
    private const uint HvmContext = 9;
    private const uint StaticDataEnd = 0x10;

    /// <summary>struct vcpu_guest_context of x86-64, and of x86-32.</summary>
    private const int VcpuContextSize = 5168;
    private const int VcpuContext32Size = 2800;

    /// <summary>Bytes of a stream that say nothing of the guest's state yet: both headers and the record that ends what does not change.</summary>
    public const int BeginSize = 48;

    /// <summary>The bit of records that are passed over by whoever does not know them.</summary>
    private const uint Optional = 0x80000000;

    private static ReadOnlySpan<byte> Tag => "LightVM simulated guest\n"u8;

    public static byte[] Write(SimulatedDomain domain)
    {
        var stream = new MemoryStream();
        Span<byte> header = stackalloc byte[40];
        header.Clear();
        BinaryPrimitives.WriteUInt64BigEndian(header, ulong.MaxValue);
        BinaryPrimitives.WriteUInt32BigEndian(header[8..], 0x58454e46); // "XENF"
        BinaryPrimitives.WriteUInt32BigEndian(header[12..], 3);
        // Options 0: little-endian. Then the domain header.
        BinaryPrimitives.WriteUInt32LittleEndian(header[24..], domain.Type == GuestType.PV ? TypePV : TypeHvm);
        BinaryPrimitives.WriteUInt16LittleEndian(header[28..], 12);
        BinaryPrimitives.WriteUInt32LittleEndian(header[32..], 4);
        BinaryPrimitives.WriteUInt32LittleEndian(header[36..], 17);
        stream.Write(header);
        WriteRecord(stream, StaticDataEnd, []);
        if (domain.Type == GuestType.PV)
        {
            // Bytes of an address, levels of page tables.
            WriteRecord(stream, PVInfo, domain.AddressSize == 64 ? [8, 4, 0, 0, 0, 0, 0, 0] : [4, 3, 0, 0, 0, 0, 0, 0]);
            WriteRecord(stream, PVP2mFrames, new byte[16]); // of page 0
        }

        var page = new byte[16 + PageSize];
        page[0] = 1; // one page, the one with number 0
        Encoding.UTF8.GetBytes($"{Encoding.ASCII.GetString(Tag)}{domain.MemoryKiB}\n{(int)domain.Activity}\n{(domain.Listens ? 1 : 0)}\n{domain.Guest.CommandLine}\n", page.AsSpan(16));
        WriteRecord(stream, PageData, page);
        if (domain.Type == GuestType.PV)
        {
            WriteRecord(stream, SharedInfo, new byte[PageSize]);
            WriteRecord(stream, PVVcpuBasic, new byte[8 + (domain.AddressSize == 64 ? VcpuContextSize : VcpuContext32Size)]);
        }
        else
        {
            WriteRecord(stream, HvmContext, new byte[8]);
        }

        WriteRecord(stream, End, []);
        return stream.ToArray();
    }

    /// <exception cref="InvalidDataException">It is not a stream that <see cref="Write"/> has written.</exception>
    public static SimulatedMemory Read(Stream stream, GuestType type)
    {
        var header = new byte[40];
        stream.ReadExactly(header);
        if (BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(8)) != 0x58454e46) throw new InvalidDataException("it is not a migration stream");
        if (BinaryPrimitives.ReadUInt32LittleEndian(header.AsSpan(24)) != (type == GuestType.PV ? TypePV : TypeHvm)) throw new InvalidDataException("the stream is of another type of guest");
        SimulatedMemory? memory = null;
        var head = new byte[8];
        while (true)
        {
            stream.ReadExactly(head);
            var record = BinaryPrimitives.ReadUInt32LittleEndian(head);
            var length = BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(4));
            if ((record & Optional) != 0)
            {
                PassOver(stream, length);
                continue;
            }

            if (length > 8 + VcpuContextSize) throw new InvalidDataException("the stream is not of a simulated guest");
            var body = new byte[(length + 7) / 8 * 8];
            stream.ReadExactly(body);
            if (record == PageData) memory = Parse(body.AsSpan(16));
            if (record == End) return memory ?? throw new InvalidDataException("the stream has no memory in it");
        }
    }

    private static void PassOver(Stream stream, uint length)
    {
        var buffer = new byte[PageSize];
        for (var left = (length + 7L) / 8 * 8; left > 0;)
        {
            var count = (int)Math.Min(left, buffer.Length);
            stream.ReadExactly(buffer.AsSpan(0, count));
            left -= count;
        }
    }

    private static SimulatedMemory Parse(ReadOnlySpan<byte> page)
    {
        if (!page.StartsWith(Tag)) throw new InvalidDataException("the stream is not of a simulated guest");
        var lines = Encoding.UTF8.GetString(page[Tag.Length..]).Split('\n');
        return lines is [var size, var activity, var listens, var commandLine, ..] && long.TryParse(size, out var kib) && int.TryParse(activity, out var number)
            ? new SimulatedMemory(kib, (GuestActivity)number, listens == "1", commandLine)
            : throw new InvalidDataException("the stream's page makes no sense");
    }

    private static void WriteRecord(MemoryStream stream, uint type, ReadOnlySpan<byte> body)
    {
        Span<byte> head = stackalloc byte[8];
        BinaryPrimitives.WriteUInt32LittleEndian(head, type);
        BinaryPrimitives.WriteUInt32LittleEndian(head[4..], (uint)body.Length);
        stream.Write(head);
        stream.Write(body);
        stream.Write(stackalloc byte[(8 - body.Length % 8) % 8]);
    }
}
