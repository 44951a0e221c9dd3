using System.Runtime.InteropServices;

namespace LightVM.Host.Noxs;

/// <summary>A page of this domain that a guest may map.</summary>
/// <param name="Address">Where it is here.</param>
/// <param name="Index">What the driver calls it.</param>
/// <param name="Grant">What the guest calls it.</param>
internal readonly record struct SharedPage(IntPtr Address, ulong Index, uint Grant);

/// <summary>One copy between a page that a guest grants and memory of this process (struct gntdev_grant_copy_segment).</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GrantCopy
{
    public const ushort FromGuest = 1;
    public const ushort ToGuest = 2;

    /// <summary>An address, or a <see cref="GuestPlace"/>.</summary>
    public ulong Source;
    public ulong Destination;
    public ushort Length;
    public ushort Flags;

    /// <summary>0 where it was done.</summary>
    public short Status;

    public static ulong GuestPlace(ushort domain, uint grant, ushort offset) => grant | ((ulong)offset << 32) | ((ulong)domain << 48);
}

/// <summary>
/// What backends ask of Xen: pages, and event channels. <see cref="XenAccess"/> is the real one; tests have one in memory. Whatever a guest
/// causes to fail is a result; errors that are not its doing are an <see cref="Errors.LvmException"/>.
/// </summary>
internal interface IGuestAccess
{
    /// <summary>Allocates pages, zeroed, that a guest may map and write: all, or none. Errors: NoxsFailure, GrantsExhausted.</summary>
    void Share(ushort domain, Span<SharedPage> pages);

    /// <summary>Frees a page. As long as the guest maps it, the kernel keeps it.</summary>
    void Unshare(in SharedPage page);

    /// <summary>Maps a page that a guest grants; zero where it does not.</summary>
    IntPtr Map(ushort domain, uint grant);

    void Unmap(IntPtr page);

    /// <summary>Does copies, each of which has its own result.</summary>
    void Copy(Span<GrantCopy> copies);

    /// <summary>A new port that a guest may bind. Errors: EventChannelsExhausted, NoxsFailure.</summary>
    uint OfferPort(ushort domain);

    /// <summary>A new port that leads to a guest's; 0 where the guest did not offer that.</summary>
    uint BindPort(ushort domain, uint port);

    void ClosePort(uint port);

    void Notify(uint port);
}
