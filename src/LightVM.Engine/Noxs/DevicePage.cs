using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LightVM.Noxs;

/// <summary>What an entry of the device page is about.</summary>
internal enum EntryType : uint
{
    None,
    Sysctl,
    Vif,
    Vbd,
}

/// <summary>One device of a guest, as its device page names it.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct DeviceEntry
{
    public EntryType Type;
    public uint Id;

    /// <summary>The backend's domain.</summary>
    public ushort Backend;

    /// <summary>Differs from that of the entry that had this place before: all else may be the same, for grants and ports are given anew.</summary>
    public ushort Serial;

    /// <summary>The reference by which the backend grants the device's control page.</summary>
    public uint Grant;

    /// <summary>A port of the backend's that the guest binds; 0 is none.</summary>
    public uint Port;
}

/// <summary>
/// The page that lists a guest's devices, which takes the place of the store's ring. What is not in the structure is zero, but for
/// <see cref="Tag"/> at its end, by which a guest can tell the page from a ring.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct DevicePage
{
    public const int MaxDevices = 32;

    /// <summary>Bytes of the page.</summary>
    public const int Size = 4096;

    public const uint CurrentVersion = 1;

    public uint Version;
    public uint Count;
    public EntryList Entries;

    /// <summary>The last bytes of the page.</summary>
    public static ReadOnlySpan<byte> Tag => "noxsPAGE"u8;

    [InlineArray(MaxDevices)]
    public struct EntryList
    {
        private DeviceEntry _first;
    }
}
