using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace LightVM.Noxs;

/// <summary>Devices as <c>/dev/xen/noxs_backend</c> numbers them, which the device page does otherwise (<see cref="EntryType"/>).</summary>
internal enum DeviceType
{
    None,
    Sysctl,

    /// <summary>The guest's console, which has no entry in the device page: the guest has its ring by itself.</summary>
    Console,
    Vif,
    Vbd,
}

/// <summary>What a guest is asked by its sysctl device. (LightVM's kernel knows no reboot.)</summary>
internal enum CloseRequest
{
    None,
    PowerOff,
    Suspend,
    Reboot,
}

/// <summary>
/// The ioctls of <c>/dev/xen/noxs_backend</c>: their numbers have direction none, letter P, and the argument's size. Those from 0x40 on are
/// <c>lightvm noxsd</c>'s own: what is asked of it costs two changes of processes each time.
/// </summary>
internal static class NoxsCalls
{
    public const uint Create = 0x305000;
    public const uint Destroy = 0x0c5001;
    public const uint List = 0x905002;
    public const uint Query = 0x285003;
    public const uint GuestClose = 0x085005;

    /// <summary>Removes all devices of a domain.</summary>
    public const uint DestroyAll = 0x045041;

    /// <summary>How far a domain's devices of a type are.</summary>
    public const uint States = 0x10c5042;

    /// <summary>Takes back what a guest was asked; ENOENT where it has seen it, or there is nothing. The argument is that of <see cref="GuestClose"/>, without a request.</summary>
    public const uint Withdraw = 0x085043;

    /// <summary>Tells a guest to look at its device page again. The argument is that of <see cref="GuestClose"/>, without a request.</summary>
    public const uint TellOfPage = 0x085044;

    /// <summary>Asks a guest to let go of a device, which is removed when it does. The argument is that of <see cref="Destroy"/>.</summary>
    public const uint AskToLetGo = 0x0c5045;

    /// <summary>Devices that can be made in one call: as many as a device page has room for, and a console.</summary>
    public const int MostAtOnce = DevicePage.MaxDevices + 1;

    private const uint CreateManyNumber = 0x5040;

    /// <summary>Makes several devices of one domain, or none: its argument is as many <see cref="CreateArgument"/>.</summary>
    public static uint CreateMany(int count) => (uint)(count * Unsafe.SizeOf<CreateArgument>()) << 16 | CreateManyNumber;

    public static bool IsCreateMany(uint call) => (call & 0xc000ffff) == CreateManyNumber && SizeOf(call) % Unsafe.SizeOf<CreateArgument>() == 0;

    /// <summary>Whether it is any of them.</summary>
    public static bool Has(uint call) => call is Create or Destroy or List or Query or GuestClose or DestroyAll or States or Withdraw or TellOfPage or AskToLetGo || IsCreateMany(call);

    /// <summary>Bytes of a call's argument (_IOC_SIZE).</summary>
    public static int SizeOf(uint call) => (int)((call >> 16) & 0x3fff);
}

[StructLayout(LayoutKind.Sequential)]
internal struct VifSettings
{
    public HardwareAddress Mac;

    /// <summary>In the network's order; 0 for none.</summary>
    public uint Address;
    public InterfaceName Bridge;

    /// <param name="mac">"00:16:3e:00:00:01".</param>
    /// <param name="address">The guest's IPv4 address, where its interface is to be told one.</param>
    /// <param name="bridge">At most 15 bytes; null for none.</param>
    public static VifSettings Of(string mac, IPAddress? address, string? bridge)
    {
        VifSettings settings = default;
        Span<byte> hardware = settings.Mac;
        var i = 0;
        foreach (var part in mac.Split(':')) hardware[i++] = byte.Parse(part, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        if (address is not null) settings.Address = MemoryMarshal.Read<uint>(address.MapToIPv4().GetAddressBytes());
        Encoding.ASCII.GetBytes(bridge ?? "", ((Span<byte>)settings.Bridge)[..(InterfaceName.Length - 1)]);
        return settings;
    }

    public readonly string MacText()
    {
        ReadOnlySpan<byte> mac = Mac;
        return string.Create(CultureInfo.InvariantCulture, $"{mac[0]:x2}:{mac[1]:x2}:{mac[2]:x2}:{mac[3]:x2}:{mac[4]:x2}:{mac[5]:x2}");
    }

    /// <summary>Null where it has none.</summary>
    public readonly string? AddressText() => Address == 0 ? null : new IPAddress(Address).ToString();

    /// <summary>Null for none, and for one that is no text.</summary>
    public readonly string? BridgeText()
    {
        ReadOnlySpan<byte> name = Bridge;
        var length = name.IndexOf((byte)0);
        return length > 0 && Ascii.IsValid(name[..length]) ? Encoding.ASCII.GetString(name[..length]) : null;
    }
}

[StructLayout(LayoutKind.Sequential)]
internal struct VbdSettings
{
    /// <summary>Of a block device of this host its number; of a file 0, and the calling process's descriptor of it.</summary>
    public uint Major;
    public uint Minor;
    public VbdType Type;
    public VbdMode Mode;
}

/// <summary>What is told of a device when it is made, by its type: 28 bytes.</summary>
[StructLayout(LayoutKind.Explicit, Size = 28)]
internal struct DeviceSettings
{
    [FieldOffset(0)]
    public VifSettings Vif;

    [FieldOffset(0)]
    public VbdSettings Vbd;
}

[StructLayout(LayoutKind.Sequential)]
internal struct CreateArgument
{
    public DeviceType Type;
    public ushort Backend;
    public ushort Frontend;
    public DeviceSettings Settings;

    /// <summary>Of vif and vbd an input, of sysctl an output.</summary>
    public uint Id;

    /// <summary>An output, for the device page; of a console an input: the guest's reference of its ring.</summary>
    public uint Grant;

    /// <summary>An output, for the device page; of a console an input: the guest's port.</summary>
    public uint Port;

    /// <summary>The device by which a guest is asked to power off, suspend, reboot.</summary>
    public static CreateArgument Sysctl(ushort domain) => new() { Type = DeviceType.Sysctl, Frontend = domain };

    /// <summary>The guest's console.</summary>
    /// <param name="ringGrant">The guest's reference of its ring, which the domain's builder seeds.</param>
    /// <param name="port">The guest's port, which this domain may bind.</param>
    public static CreateArgument Console(ushort domain, uint ringGrant, uint port) => new() { Type = DeviceType.Console, Frontend = domain, Grant = ringGrant, Port = port };

    public static CreateArgument Vif(ushort domain, uint id, in VifSettings settings) => new() { Type = DeviceType.Vif, Frontend = domain, Id = id, Settings = new DeviceSettings { Vif = settings } };

    public static CreateArgument Vbd(ushort domain, uint id, in VbdSettings settings) => new() { Type = DeviceType.Vbd, Frontend = domain, Id = id, Settings = new DeviceSettings { Vbd = settings } };
}

[StructLayout(LayoutKind.Sequential)]
internal struct DestroyAllArgument
{
    public ushort Backend;
    public ushort Frontend;
}

[StructLayout(LayoutKind.Sequential)]
internal struct DestroyArgument
{
    public DeviceType Type;
    public ushort Backend;
    public ushort Frontend;
    public uint Id;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct ListArgument
{
    public DeviceType Type;
    public ushort Backend;
    public ushort Frontend;
    public uint Id;
    public uint Count;
    public fixed uint Ids[DevicePage.MaxDevices];
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct StatesArgument
{
    public DeviceType Type;
    public ushort Backend;
    public ushort Frontend;
    public uint Count;
    public fixed uint Ids[DevicePage.MaxDevices];
    public fixed uint States[DevicePage.MaxDevices];
}

[StructLayout(LayoutKind.Sequential)]
internal struct QueryArgument
{
    public DeviceType Type;
    public ushort Backend;
    public ushort Frontend;
    public uint Id;
    public DeviceSettings Settings;
}

[StructLayout(LayoutKind.Sequential)]
internal struct CloseArgument
{
    public CloseRequest Request;
    public ushort Domain;
}
