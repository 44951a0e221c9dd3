using System.Runtime.InteropServices;

namespace LightVM.Noxs;

/// <summary>What <see cref="DeviceListCall"/> asks for.</summary>
internal enum DeviceListCommand : uint
{
    /// <summary>The machine address of the page: what a guest asks for itself, and nobody here.</summary>
    Get = 1,
    Add,
    Remove,
    List,
}

/// <summary>The argument of hypercall 41 ("devctl") of LightVM's own hypervisor, 664 bytes: a head, and behind it what the command takes or gives.</summary>
[StructLayout(LayoutKind.Explicit, Size = 664)]
internal struct DeviceListCall
{
    public const uint CurrentVersion = 1;

    [FieldOffset(0)]
    public uint Version;

    [FieldOffset(4)]
    public DeviceListCommand Command;

    [FieldOffset(8)]
    public ushort Domain;

    /// <summary>Of <see cref="DeviceListCommand.Add"/>.</summary>
    [FieldOffset(16)]
    public DeviceEntry Added;

    /// <summary>Of <see cref="DeviceListCommand.Remove"/>.</summary>
    [FieldOffset(16)]
    public DeviceListKey Removed;

    /// <summary>Of <see cref="DeviceListCommand.List"/>, with <see cref="Entries"/>.</summary>
    [FieldOffset(16)]
    public uint Count;

    [FieldOffset(20)]
    public DevicePage.EntryList Entries;
}

/// <summary>By what a device is removed.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct DeviceListKey
{
    public EntryType Type;
    public ushort Backend;
    public ushort Frontend;
    public uint Id;
}
