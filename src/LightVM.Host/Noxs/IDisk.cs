using LightVM.Host.Devices;

namespace LightVM.Host.Noxs;

/// <summary>What a guest is told of a disk.</summary>
/// <param name="Sectors">How long it is, in units of 512 bytes.</param>
/// <param name="SectorSize">Bytes that are read and written as a whole.</param>
/// <param name="PhysicalSectorSize">Bytes that the medium writes as a whole.</param>
/// <param name="DiscardGranularity">Bytes in units of which space can be given back; 0 where it cannot be.</param>
internal readonly record struct DiskShape(ulong Sectors, uint SectorSize, uint PhysicalSectorSize, bool IsReadOnly, uint DiscardGranularity);

/// <summary>What is behind a guest's disk. Its calls may take long, and may be made by several threads at once; they give 0 or an errno.</summary>
internal unsafe interface IDisk
{
    DiskShape Shape { get; }

    DiskIdentity Identity { get; }

    /// <summary>By which a daemon that comes after this one finds it again.</summary>
    string Path { get; }

    /// <summary>Reads all pieces, which are changed.</summary>
    int Read(Span<SystemCalls.Piece> pieces, long offset);

    /// <summary>Writes all pieces, which are changed.</summary>
    int Write(Span<SystemCalls.Piece> pieces, long offset);

    /// <summary>All that was written is where it is kept when this is done.</summary>
    int Flush();

    /// <summary>What was in a part is of no use any more.</summary>
    int Discard(long offset, long length);

    void Close();
}
