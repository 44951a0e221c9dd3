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
    private const uint RecordEnd = 0;
    private const uint RecordPageData = 1;
    private const uint RecordPVInfo = 2;
    private const uint RecordP2mFrames = 3;
    private const uint RecordVcpuBasic = 4;
    private const uint RecordHvmContext = 9;
    private const uint RecordStaticDataEnd = 0x10;

    // A vCPU's id, and what Xen has of one that is 32 or 64 bits wide.
    private const int Vcpu32Size = 8 + 2800;
    private const int Vcpu64Size = 8 + 5168;

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
        var isPV = domain.Type == GuestType.PV;
        var isWide = domain.AddressSize == 64;
        if (isPV) WriteRecord(stream, RecordPVInfo, [(byte)(isWide ? 8 : 4), (byte)(isWide ? 4 : 3), 0, 0, 0, 0, 0, 0]); // bytes of an address, levels of page tables
        WriteRecord(stream, RecordStaticDataEnd, []);
        if (isPV) WriteRecord(stream, RecordP2mFrames, new byte[16]); // the page with number 0, described by that with number 0
        var page = new byte[16 + PageSize];
        page[0] = 1; // one page, the one with number 0
        Encoding.UTF8.GetBytes($"{Encoding.ASCII.GetString(Tag)}{domain.MemoryKiB}\n{(int)domain.Activity}\n{(domain.Listens ? 1 : 0)}\n{domain.Guest.CommandLine}\n", page.AsSpan(16));
        WriteRecord(stream, RecordPageData, page);
        if (isPV) WriteRecord(stream, RecordVcpuBasic, new byte[isWide ? Vcpu64Size : Vcpu32Size]);
        else WriteRecord(stream, RecordHvmContext, new byte[8]);
        WriteRecord(stream, RecordEnd, []);
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
            if (length > Vcpu64Size) throw new InvalidDataException("the stream is not of a simulated guest");
            var body = new byte[(length + 7) / 8 * 8];
            stream.ReadExactly(body);
            if (record == RecordPageData) memory = Parse(body.AsSpan(16));
            if (record == RecordEnd) return memory ?? throw new InvalidDataException("the stream has no memory in it");
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
