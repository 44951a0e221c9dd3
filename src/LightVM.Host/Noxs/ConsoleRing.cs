namespace LightVM.Host.Noxs;

/// <summary>A guest's console ring (xen/io/console.h): two buffers of bytes, and an index of each side for each.</summary>
internal readonly unsafe struct ConsoleRing(IntPtr page)
{
    public const int InputSize = 1024;
    public const int OutputSize = 2048;

    private readonly byte* _page = (byte*)page;

    private uint* Indexes => (uint*)(_page + InputSize + OutputSize); // in_cons, in_prod, out_cons, out_prod

    /// <summary>Takes what the guest has written; negative where its index is none.</summary>
    public int Read(Span<byte> into)
    {
        uint begin = Indexes[2], end = Volatile.Read(ref Indexes[3]);
        var count = end - begin;
        if (count > OutputSize) return -1;
        for (var i = 0; i < count; i++) into[i] = _page[InputSize + ((begin + (uint)i) & (OutputSize - 1))];
        Interlocked.MemoryBarrier();
        Volatile.Write(ref Indexes[2], end);
        return (int)count;
    }

    /// <summary>How much the guest can be given; negative where its index is none.</summary>
    public int Room
    {
        get
        {
            var used = Indexes[1] - Volatile.Read(ref Indexes[0]);
            return used > InputSize ? -1 : InputSize - (int)used;
        }
    }

    /// <summary>Gives the guest what there is <see cref="Room"/> for.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        var begin = Indexes[1];
        for (var i = 0; i < bytes.Length; i++) _page[(begin + (uint)i) & (InputSize - 1)] = bytes[i];
        Volatile.Write(ref Indexes[1], begin + (uint)bytes.Length);
    }
}
