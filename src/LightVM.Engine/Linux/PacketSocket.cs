using System.Net;
using System.Runtime.InteropServices;
using LightVM.Errors;

namespace LightVM.Linux;

/// <summary>Hears the ARP frames of one interface, before the bridge that it is a port of takes them, and sends some (packet(7)).</summary>
internal sealed unsafe partial class PacketSocket : IDisposable
{
    private const int PacketFamily = 17;
    private const int Raw = 3;
    private const int NonBlocking = 0x800;
    private const int CloseOnExec = 0x80000;
    private const int SocketLevel = 1;
    private const int AttachFilter = 26;

    /// <summary>ETH_P_ALL in network order: whoever listens for one protocol hears nothing of a bridge's ports.</summary>
    private static readonly ushort AllProtocols = (ushort)IPAddress.HostToNetworkOrder((short)3);

    private int _file;

    private PacketSocket(int file)
    {
        _file = file;
    }

    /// <summary>What to poll for <see cref="Libc.PollIn"/>.</summary>
    public int File => _file;

    /// <summary>Opens a socket on an interface; null where there is no such. Errors: XenNotPrivileged, HostFileFailure.</summary>
    public static PacketSocket? Open(string networkInterface)
    {
        var index = IndexOf(networkInterface);
        if (index == 0) return null;
        // Of no protocol at first: it would hear all interfaces, and unfiltered.
        var socket = new PacketSocket(Create(PacketFamily, Raw | NonBlocking | CloseOnExec, 0));
        try
        {
            if (socket._file < 0) throw Failure("socket");
            // The frame's EtherType, ARP or nothing.
            var filter = stackalloc Instruction[]
            {
                new() { Code = 0x28, Value = 12 }, // ldh [12]
                new() { Code = 0x15, WhenFalse = 1, Value = ArpFrame.EtherType }, // jeq
                new() { Code = 0x06, Value = ArpFrame.Size }, // ret: so many bytes of it
                new() { Code = 0x06, Value = 0 },
            };
            var program = new FilterProgram { Length = 4, Instructions = filter };
            if (SetOption(socket._file, SocketLevel, AttachFilter, &program, (uint)sizeof(FilterProgram)) != 0) throw Failure("setsockopt");
            var address = new LinkAddress { Family = PacketFamily, Protocol = AllProtocols, Index = (int)index };
            if (Bind(socket._file, &address, (uint)sizeof(LinkAddress)) != 0)
            {
                if (Marshal.GetLastPInvokeError() is NoDevice or NoSuchDevice) return null;
                throw Failure("bind");
            }

            var open = socket;
            socket = null;
            return open;
        }
        finally
        {
            socket?.Dispose();
        }
    }

    /// <summary>The next frame that has arrived, cut to the buffer; 0 when there is none, negative when the interface is gone. Does not wait.</summary>
    public int Receive(Span<byte> buffer)
    {
        fixed (byte* bytes = buffer)
        {
            var count = Receive(_file, bytes, (nuint)buffer.Length, 0);
            if (count >= 0) return (int)count;
            return Marshal.GetLastPInvokeError() is Libc.EAGAIN or Libc.EINTR or NetworkDown ? 0 : -1;
        }
    }

    /// <summary>Sends a frame, if the interface takes one now.</summary>
    public void Send(ReadOnlySpan<byte> frame)
    {
        fixed (byte* bytes = frame) _ = Send(_file, bytes, (nuint)frame.Length, 0);
    }

    public void Dispose()
    {
        if (_file >= 0) _ = Libc.Close(_file);
        _file = -1;
    }

    private const int NoSuchDevice = 6; // ENXIO
    private const int NoDevice = 19;
    private const int NetworkDown = 100;

    private static LvmException Failure(string call)
    {
        var errno = Marshal.GetLastPInvokeError();
        return new LvmException(errno is ErrnoText.EPERM or ErrnoText.EACCES ? ErrorIds.XenNotPrivileged : ErrorIds.HostFileFailure, $"guests' interfaces cannot be listened to ({call})") { Errno = errno };
    }

    [LibraryImport("libc", EntryPoint = "if_nametoindex", StringMarshalling = StringMarshalling.Utf8)]
    private static partial uint IndexOf(string networkInterface);

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int Create(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    private static partial int SetOption(int file, int level, int name, void* value, uint size);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    private static partial int Bind(int file, LinkAddress* address, uint size);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    private static partial nint Receive(int file, byte* buffer, nuint size, int flags);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    private static partial nint Send(int file, byte* buffer, nuint size, int flags);

    /// <summary>struct sock_filter.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Instruction
    {
        public ushort Code;
        public byte WhenTrue;
        public byte WhenFalse;
        public uint Value;
    }

    /// <summary>struct sock_fprog.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct FilterProgram
    {
        public ushort Length;
        public Instruction* Instructions;
    }

    /// <summary>struct sockaddr_ll.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 20)]
    private struct LinkAddress
    {
        public ushort Family;
        public ushort Protocol;
        public int Index;
    }
}
