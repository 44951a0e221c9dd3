using System.Buffers.Binary;
using LightVM.Images;

namespace LightVM.Unit.Images;

/// <summary>Migration streams built record by record, as libxc writes them.</summary>
internal sealed class StreamSample
{
    private readonly List<byte> _bytes = [];

    /// <summary>Where each record begins, and the end.</summary>
    public List<int> Boundaries { get; } = [];

    public byte[] ToArray() => [.. _bytes];

    public static StreamSample Begin(int type, int version = 3)
    {
        var sample = new StreamSample();
        var header = new byte[40];
        header.AsSpan(0, 8).Fill(0xff);
        "XENF"u8.CopyTo(header.AsSpan(8));
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(12), version);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(24), type);
        header[28] = 12;
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(32), 4);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(36), 17);
        sample._bytes.AddRange(header);
        sample.Boundaries.Add(header.Length);
        return sample;
    }

    /// <summary>The stream of a PV guest with so many pages; every third has no contents.</summary>
    public static StreamSample Pv(int pages = 7, int version = 3, int addressSize = 64)
    {
        var wide = addressSize == 64;
        var sample = Begin(1, version).Add(MigrationRecord.X86_PV_INFO, [(byte)(wide ? 8 : 4), (byte)(wide ? 4 : 3), 0, 0, 0, 0, 0, 0]);
        sample.AddStaticData(version);
        sample.Add(MigrationRecord.X86_PV_P2M_FRAMES, [.. Words(0, (uint)pages - 1), .. Longs(new ulong[(pages - 1) / (wide ? 512 : 1024) + 1])]);
        sample.AddPages(0, pages);
        sample.Add(MigrationRecord.X86_TSC_INFO, new byte[24]);
        sample.Add(MigrationRecord.SHARED_INFO, new byte[4096]);
        for (uint vcpu = 0; vcpu < 2; vcpu++)
        {
            sample.Add(MigrationRecord.X86_PV_VCPU_BASIC, [.. Words(vcpu, 0), .. new byte[wide ? 5168 : 2800]]);
            sample.Add(MigrationRecord.X86_PV_VCPU_EXTENDED, [.. Words(vcpu, 0), .. new byte[128]]);
            sample.Add(MigrationRecord.X86_PV_VCPU_XSAVE, [.. Words(vcpu, 0), .. new byte[64]]);
            sample.Add(MigrationRecord.X86_PV_VCPU_MSRS, [.. Words(vcpu, 0), .. new byte[32]]);
        }

        return sample.Add(MigrationRecord.END, []);
    }

    /// <summary>The stream of a PVH guest.</summary>
    public static StreamSample Hvm(int pages = 7, int version = 3)
    {
        var sample = Begin(2, version);
        sample.AddStaticData(version);
        sample.AddPages(0, pages);
        sample.Add(MigrationRecord.X86_TSC_INFO, new byte[24]);
        sample.Add(MigrationRecord.HVM_PARAMS, [.. Words(2, 0), .. Longs(1, 0xfeff8, 17, 0xfeff9)]);
        // Of a length that takes padding.
        sample.Add(MigrationRecord.HVM_CONTEXT, Filled(2003));
        sample.Add((MigrationRecord)0x80000001, Filled(5));
        return sample.Add(MigrationRecord.END, []);
    }

    /// <summary>Two pages, the second of which is of a type and has something in one of its entries; where a page of that type has no contents, the first has it.</summary>
    public StreamSample AddTable(ulong type, int place, ulong entry)
    {
        var pages = new ulong[type is >= 0xd ? 512 : 1024];
        pages[pages.Length - 512 + place] = entry;
        return Add(MigrationRecord.PAGE_DATA, [.. Words(2, 0), .. Longs(0, type << 60 | 1), .. Longs(pages)]);
    }

    public StreamSample AddPages(uint first, int count)
    {
        var entries = Enumerable.Range(0, count).Select(i => (i % 3 == 2 ? 0xfUL : i % 3 == 1 ? 0x9UL : 0) << 60 | (first + (uint)i)).ToArray();
        var contents = Filled(entries.Count(entry => entry >> 60 != 0xf) * 4096);
        for (var at = 0; at < contents.Length; at += 8) contents[at] &= 0xfe; // some are page tables: nothing in them is present
        return Add(MigrationRecord.PAGE_DATA, [.. Words((uint)count, 0), .. Longs(entries), .. contents]);
    }

    public StreamSample Add(MigrationRecord type, byte[] body) => Add(type, (uint)body.Length, body);

    public StreamSample Add(MigrationRecord type, uint length, byte[] body)
    {
        _bytes.AddRange(Words((uint)type, length));
        _bytes.AddRange(body);
        _bytes.AddRange(new byte[-body.Length & 7]);
        Boundaries.Add(_bytes.Count);
        return this;
    }

    public static byte[] Words(params uint[] values) => values.SelectMany(BitConverter.GetBytes).ToArray();

    public static byte[] Longs(params ulong[] values) => values.SelectMany(BitConverter.GetBytes).ToArray();

    /// <summary>Bytes of which no eight are like their neighbours.</summary>
    public static byte[] Filled(int count)
    {
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }

    private void AddStaticData(int version)
    {
        if (version < 3) return;
        Add(MigrationRecord.X86_CPUID_POLICY, Filled(3 * 24));
        Add(MigrationRecord.X86_MSR_POLICY, Filled(2 * 16));
        Add(MigrationRecord.STATIC_DATA_END, []);
    }
}
