using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using LightVM.Errors;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Host.Devices;

/// <summary>Interfaces and bridges of this host, by the ioctls of netdevice(7). Members may be called from several threads.</summary>
internal sealed unsafe class NetworkInterfaces : IDisposable
{
    private const string Folder = "/sys/class/net";

    /// <summary>Bytes of a name, less its NUL (IFNAMSIZ).</summary>
    private const int MaxName = 15;

    private const int DefaultMtu = 1500;

    /// <summary>No address is higher, so that a bridge, which takes the lowest of its ports', never takes this one.</summary>
    private static readonly byte[] PortAddress = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff];

    // linux/sockios.h
    private const nuint GetFlags = 0x8913;
    private const nuint SetFlags = 0x8914;
    private const nuint GetMtu = 0x8921;
    private const nuint SetMtu = 0x8922;
    private const nuint SetAddress = 0x8924;
    private const nuint GetIndex = 0x8933;
    private const nuint AddToBridge = 0x89a2;
    private const nuint RemoveFromBridge = 0x89a3;

    private const short Up = 1;
    private const ushort Ethernet = 1;

    private readonly SafeFileHandle _socket;

    public NetworkInterfaces()
    {
        const int AF_UNIX = 1, SOCK_DGRAM = 2, SOCK_CLOEXEC = 0x80000;
        _socket = SystemCalls.NewSocket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (_socket.IsInvalid) throw new LvmException(ErrorIds.HostFileFailure, "a socket for interfaces cannot be made") { Errno = Marshal.GetLastPInvokeError() };
    }

    public static bool IsBridge(string name) => IsName(name) && Directory.Exists($"{Folder}/{name}/bridge");

    /// <summary>The bridge that an interface is on; null for none.</summary>
    public static string? BridgeOf(string name) =>
        IsName(name) && Directory.ResolveLinkTarget($"{Folder}/{name}/master", returnFinalTarget: false) is { Name: var master } && IsBridge(master) ? master : null;

    /// <summary>
    /// Makes an interface a port, as Xen's vif-bridge does: the address that no bridge takes over, no IPv6 of its own, the bridge's MTU, a
    /// place on the bridge, up. With no bridge it is just set up. Errors: BridgeNotFound, DeviceFailure.
    /// </summary>
    public void Attach(string name, string? bridge)
    {
        if (!IsName(name)) throw new LvmException(ErrorIds.DeviceFailure, "that is no name of an interface");
        if (bridge is not null && !IsBridge(bridge)) throw new LvmException(ErrorIds.BridgeNotFound, $"there is no bridge '{bridge}'");
        var address = Request.For(name);
        BinaryPrimitives.WriteUInt16LittleEndian(address.Value, Ethernet);
        PortAddress.CopyTo(address.Value[2..]);
        // Not every driver lets an address be changed, and one that was up before has had its own so far.
        _ = Do(SetAddress, ref address);
        DisableIPv6(name);
        if (bridge is not null)
        {
            CopyMtu(bridge, name);
            var port = Request.For(bridge);
            BinaryPrimitives.WriteInt32LittleEndian(port.Value, IndexOf(name));
            var errno = Do(AddToBridge, ref port);
            if (errno == ErrnoText.EBUSY && BridgeOf(name) == bridge) errno = 0;
            if (errno is ErrnoText.EOPNOTSUPP or ENODEV) throw new LvmException(ErrorIds.BridgeNotFound, $"there is no bridge '{bridge}'") { Errno = errno };
            if (errno != 0) throw Failure($"interface '{name}' cannot join bridge '{bridge}'", errno);
        }

        ChangeFlags(name, flags => (short)(flags | Up));
    }

    /// <summary>Takes an interface down and off its bridge. Errors: DeviceFailure.</summary>
    public void Detach(string name)
    {
        if (!IsName(name)) throw new LvmException(ErrorIds.DeviceFailure, "that is no name of an interface");
        ChangeFlags(name, flags => (short)(flags & ~Up));
        if (BridgeOf(name) is not { } bridge) return;
        var port = Request.For(bridge);
        BinaryPrimitives.WriteInt32LittleEndian(port.Value, IndexOf(name));
        if (Do(RemoveFromBridge, ref port) is not 0 and var errno) throw Failure($"interface '{name}' cannot leave bridge '{bridge}'", errno);
    }

    public void Dispose() => _socket.Dispose();

    private const int ENODEV = 19;

    /// <summary>Whether it may be a name of an interface at all, and nothing that leads out of a folder.</summary>
    private static bool IsName(string name) =>
        name is not ("" or "." or "..") && Encoding.UTF8.GetByteCount(name) <= MaxName && !name.Any(letter => letter is '/' or ':' or '\0' || char.IsWhiteSpace(letter));

    private static void DisableIPv6(string name)
    {
        try
        {
            File.WriteAllText($"/proc/sys/net/ipv6/conf/{name}/disable_ipv6", "1");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // A kernel without IPv6 has nothing to disable.
        }
    }

    /// <summary>A port with a smaller MTU than its bridge would make the bridge's smaller, one with a larger would send what no other port takes.</summary>
    private void CopyMtu(string bridge, string name)
    {
        var mtu = Request.For(bridge);
        if (Do(GetMtu, ref mtu) != 0) return;
        var value = BinaryPrimitives.ReadInt32LittleEndian(mtu.Value);
        if (value == DefaultMtu) return;
        var request = Request.For(name);
        BinaryPrimitives.WriteInt32LittleEndian(request.Value, value);
        _ = Do(SetMtu, ref request); // a size that the driver has not got is no reason to leave the guest alone
    }

    private int IndexOf(string name)
    {
        var request = Request.For(name);
        if (Do(GetIndex, ref request) is not 0 and var errno) throw Failure($"there is no interface '{name}'", errno);
        return BinaryPrimitives.ReadInt32LittleEndian(request.Value);
    }

    private void ChangeFlags(string name, Func<short, short> change)
    {
        var request = Request.For(name);
        var errno = Do(GetFlags, ref request);
        if (errno == 0)
        {
            BinaryPrimitives.WriteInt16LittleEndian(request.Value, change(BinaryPrimitives.ReadInt16LittleEndian(request.Value)));
            errno = Do(SetFlags, ref request);
        }

        if (errno != 0) throw Failure($"interface '{name}' cannot be set up or down", errno);
    }

    private int Do(nuint code, ref Request request)
    {
        fixed (Request* argument = &request)
            return SystemCalls.Control(_socket, code, argument) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    private static LvmException Failure(string problem, int errno) => new(ErrorIds.DeviceFailure, problem) { Errno = errno };

    /// <summary>struct ifreq: a name, and what is asked or told of it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Request
    {
        private fixed byte _name[MaxName + 1];
        private fixed byte _value[24];

        public static Request For(string name)
        {
            Request request = default;
            Encoding.UTF8.GetBytes(name, new Span<byte>(request._name, MaxName));
            return request;
        }

        [System.Diagnostics.CodeAnalysis.UnscopedRef]
        public Span<byte> Value => MemoryMarshal.CreateSpan(ref _value[0], 24);
    }
}
