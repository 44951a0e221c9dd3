using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>What a guest asks of its disk (xen/io/blkif.h).</summary>
internal enum DiskOperation : byte
{
    Read,
    Write,
    Barrier,
    Flush,
    Discard = 5,
}

/// <summary>One request of a guest's block ring, as it was copied from there, and what became of it.</summary>
internal sealed class VbdRequest
{
    /// <summary>Bytes in the ring of struct blkif_request of x86-64; a response is no longer.</summary>
    public const int RingSize = 112;

    public const int MostSegments = 11;
    public const int SectorSize = 512;

    public const short Okay = 0;
    public const short Error = -1;
    public const short NotSupported = -2;

    private const int SectorsOfPage = DevicePage.Size / SectorSize;
    private const int FirstSegment = 24; // of 8 bytes each: u32 grant, u8 first sector, u8 last sector
    private const byte Secure = 1;

    private SegmentList _segments;

    public ulong Id { get; private set; }

    public DiskOperation Operation { get; private set; }

    /// <summary>Where it begins, in units of 512 bytes.</summary>
    public ulong Sector { get; private set; }

    public ulong Sectors { get; private set; }

    public int Segments { get; private set; }

    public short Status { get; set; }

    public bool IsDone { get; set; }

    /// <summary>Where its data is; zero for none.</summary>
    public IntPtr Buffer { get; set; }

    /// <summary>The next of those that one thread does.</summary>
    public VbdRequest? Joined { get; set; }

    public int Length => (int)Sectors * SectorSize;

    public bool HasData => Operation is DiskOperation.Read or DiskOperation.Write;

    /// <summary>Takes a request over. What the guest may ask for and cannot have is done at once, with a status that says so.</summary>
    /// <returns>What the guest may not write; null where it kept to the protocol.</returns>
    public string? Read(ReadOnlySpan<byte> request, in DiskShape disk)
    {
        Operation = (DiskOperation)request[0];
        Id = BinaryPrimitives.ReadUInt64LittleEndian(request[8..]);
        Sector = BinaryPrimitives.ReadUInt64LittleEndian(request[16..]);
        (Sectors, Segments, Status, IsDone, Buffer, Joined) = (0, 0, Okay, false, 0, null);
        switch (Operation)
        {
            case DiskOperation.Read or DiskOperation.Write:
                if (ReadSegments(request) is { } violation) return violation;
                break;
            case DiskOperation.Discard:
                Sectors = BinaryPrimitives.ReadUInt64LittleEndian(request[FirstSegment..]);
                if (disk.DiscardGranularity == 0 || (request[1] & Secure) != 0) return Finish(NotSupported);
                break;
            case DiskOperation.Flush:
                return request[1] == 0 ? null : Finish(NotSupported); // to write with it was not offered
            default:
                return Finish(NotSupported);
        }

        var unit = disk.SectorSize / SectorSize;
        var isInside = Sectors > 0 && Sectors <= disk.Sectors && Sector <= disk.Sectors - Sectors && Sector % unit == 0 && Sectors % unit == 0;
        return isInside && !(disk.IsReadOnly && Operation != DiskOperation.Read) ? null : Finish(Error);
    }

    /// <summary>The copies between the guest's pages and the buffer.</summary>
    public unsafe int Copy(ushort domain, Span<GrantCopy> copies)
    {
        var buffer = (ulong)Buffer;
        for (var i = 0; i < Segments; i++)
        {
            var (grant, first, count) = _segments[i];
            var place = GrantCopy.GuestPlace(domain, grant, (ushort)(first * SectorSize));
            var length = (ushort)(count * SectorSize);
            copies[i] = Operation == DiskOperation.Write
                ? new GrantCopy { Source = place, Destination = buffer, Length = length, Flags = GrantCopy.FromGuest }
                : new GrantCopy { Source = buffer, Destination = place, Length = length, Flags = GrantCopy.ToGuest };
            buffer += length;
        }

        return Segments;
    }

    private string? ReadSegments(ReadOnlySpan<byte> request)
    {
        int count = request[1];
        if (count > MostSegments) return $"a request has {count} segments";
        for (var i = 0; i < count; i++)
        {
            var segment = request.Slice(FirstSegment + 8 * i, 8);
            byte first = segment[4], last = segment[5];
            if (last >= SectorsOfPage || first > last) return $"a segment is from sector {first} to {last} of its page";
            _segments[i] = (BinaryPrimitives.ReadUInt32LittleEndian(segment), first, (byte)(last - first + 1));
            Sectors += (ulong)(last - first + 1);
        }

        Segments = count;
        return null;
    }

    private string? Finish(short status)
    {
        (Status, IsDone) = (status, true);
        return null;
    }

    [InlineArray(MostSegments)]
    private struct SegmentList
    {
        private (uint Grant, byte First, byte Count) _first;
    }
}
