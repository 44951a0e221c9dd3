using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LightVM.Noxs;

/// <summary>How far one side of a device is (xen/io/xenbus.h).</summary>
internal enum SideState
{
    Unknown,
    Initialising,
    InitialisingWait,
    Initialised,
    Connected,
    Closing,
    Closed,
}

/// <summary>Whether a side of a device is to be told of changes: it requests that, and is told by "updated" and an event.</summary>
internal enum WatchState
{
    None,
    Requested,
    Updated,
}

/// <summary>How every control page begins.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ControlHeader
{
    public int DeviceId;
    public SideState Backend;
    public SideState Frontend;
    public WatchState FrontendWatch;
    public WatchState BackendWatch;
}

/// <summary>What a guest can be asked by its sysctl device, and says that it can do.</summary>
[Flags]
internal enum SysctlBits : byte
{
    PowerOff = 1,
    Reboot = 2,
    Suspend = 4,

    /// <summary>Of a request: the guest crashes; of features: it can suspend with several processors.</summary>
    CrashOrMultiprocessorSuspend = 8,
    Watchdog = 16,
}

[StructLayout(LayoutKind.Sequential)]
internal struct SysctlPage
{
    public ControlHeader Header;
    public SysctlBits Features;
    public SysctlBits Request;
}

[Flags]
internal enum VifBackendFeatures : ushort
{
    ReceiveNotify = 1 << 0,
    ScatterGather = 1 << 1,
    GsoTcp4 = 1 << 2,
    GsoTcp4Prefix = 1 << 3,
    GsoTcp6 = 1 << 4,
    GsoTcp6Prefix = 1 << 5,
    NoChecksumOffload = 1 << 6,
    ChecksumOffloadIPv6 = 1 << 7,
    ReceiveCopy = 1 << 8,
    ReceiveFlip = 1 << 9,
    MulticastControl = 1 << 10,
    DynamicMulticastControl = 1 << 11,
    SplitEventChannels = 1 << 12,
    ControlRing = 1 << 13,
    Netmap = 1 << 14,
}

[Flags]
internal enum VifFrontendFeatures : ushort
{
    ReceiveNotify = 1 << 0,
    Persistent = 1 << 1,
    ScatterGather = 1 << 2,
    GsoTcp4 = 1 << 3,
    GsoTcp4Prefix = 1 << 4,
    GsoTcp6 = 1 << 5,
    GsoTcp6Prefix = 1 << 6,
    NoChecksumOffload = 1 << 7,
    ChecksumOffloadIPv6 = 1 << 8,
    ControlRing = 1 << 9,
}

[StructLayout(LayoutKind.Sequential)]
internal struct VifPage
{
    public ControlHeader Header;
    public int VifId;
    public VifBackendFeatures BackendFeatures;
    public int MaxQueues;
    public int Queues;
    public uint TransmitRing;
    public uint ReceiveRing;

    /// <summary>The guest's ports for its rings, which may be one; 0 where the device's own does for both.</summary>
    public uint TransmitPort;
    public uint ReceivePort;
    public uint RequestReceiveCopy;
    public VifFrontendFeatures FrontendFeatures;
    public uint ControlRing;
    public uint ControlPort;
    public HardwareAddress Mac;

    /// <summary>In the network's order; 0 for none.</summary>
    public uint Address;
    public InterfaceName Bridge;
}

/// <summary>What a disk's backend can do: a number of 16 bits, and bits behind it.</summary>
[StructLayout(LayoutKind.Sequential, Size = 4)]
internal struct VbdBackendFeatures
{
    public const byte Persistent = 1;
    public const byte Barrier = 2;
    public const byte FlushCache = 4;
    public const byte Discard = 8;

    public ushort MaxIndirectSegments;
    public byte Bits;
}

[StructLayout(LayoutKind.Sequential)]
internal struct VbdPage
{
    public const byte FrontendPersistent = 1;
    public const int ProtocolSize = 64;

    /// <summary>Where the first ring's port and, behind it, its reference are.</summary>
    public const int RingsOffset = 172;

    public ControlHeader Header;
    public VbdBackendFeatures BackendFeatures;
    public uint Major;
    public uint Minor;
    public VbdType Type;
    public VbdMode Mode;
    public uint Info;
    public ulong Sectors;
    public ulong SectorSize;
    public ulong PhysicalSectorSize;
    public int DiscardEnabled;
    public int DiscardGranularity;
    public int DiscardAlignment;
    public int DiscardSecure;
    public byte FrontendFeatures;
    public ProtocolName Protocol;
    public int MaxRings;
    public int MaxRingPageOrder;
    public int Rings;
    public int RingPageOrder;

    /// <summary>Of the first ring; the references of its pages follow.</summary>
    public uint RingPort;

    [InlineArray(ProtocolSize)]
    public struct ProtocolName
    {
        private byte _first;
    }
}

internal enum VbdType : uint
{
    None,
    Physical,
    File,
}

internal enum VbdMode : uint
{
    None,
    ReadOnly,
    ReadWrite,
}

[InlineArray(Length)]
internal struct HardwareAddress
{
    public const int Length = 6;

    private byte _first;
}

/// <summary>The name of an interface, with zeros behind it.</summary>
[InlineArray(Length)]
internal struct InterfaceName
{
    public const int Length = 16;

    private byte _first;
}
