using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Linux;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>What a character device does that a program provides.</summary>
internal interface ICallHandler
{
    /// <summary>Whether a process may open the device; an errno where not.</summary>
    int Open(uint user, int process);

    /// <summary>Does an ioctl, and leaves the answer where the argument was; an errno where it could not.</summary>
    /// <param name="process">Who asks: a process, or a thread of it.</param>
    int Call(uint call, Span<byte> argument, int process);
}

/// <summary>
/// A character device in userland, by the kernel's own protocol (/dev/cuse, linux/fuse.h): requests are read and answers are written, one
/// a call. Ioctls are "unrestricted": the kernel first asks where the argument is and how long, then sends it along.
/// </summary>
internal sealed unsafe class CuseDevice : IDaemonTask, IDisposable
{
    private const string Path = "/dev/cuse";
    private const int InHeader = 40; // u32 length, u32 opcode, u64 unique, u64 node, u32 user, u32 group, u32 process, u32 reserved
    private const int OutHeader = 16; // u32 length, s32 error, u64 unique
    private const int IoctlIn = 32; // u64 handle, u32 flags, u32 call, u64 argument, u32 in, u32 out
    private const int IoctlOut = 16; // s32 result, u32 flags, u32 in, u32 out
    private const int IoctlVector = 16; // u64 base, u64 length
    private const int InitOut = 72;
    private const uint Major = 7;
    private const uint LeastMinor = 11;
    private const uint OurMinor = 36;
    private const uint Unrestricted = 1; // of CUSE_INIT
    private const uint Retry = 4; // FUSE_IOCTL_RETRY
    private const int BufferSize = 64 * 1024;

    private readonly string _name;
    private readonly ICallHandler _handler;
    private readonly int _file;
    private readonly byte[] _request = new byte[BufferSize];
    private readonly byte[] _answer = new byte[OutHeader + IoctlOut + 0x3fff];

    /// <summary>Begins a device. Errors: ServiceFailure.</summary>
    /// <param name="name">Below /dev.</param>
    public CuseDevice(string name, ICallHandler handler)
        : this(name, handler, Libc.Open(Path, Libc.OpenReadWrite | Libc.OpenCloseOnExec))
    {
        if (_file < 0) throw new LvmException(ErrorIds.ServiceFailure, $"'{Path}' cannot be opened; the kernel's module for it has to be loaded (modprobe cuse)") { Errno = Marshal.GetLastPInvokeError() };
    }

    internal CuseDevice(string name, ICallHandler handler, int file)
    {
        _name = name;
        _handler = handler;
        _file = file;
    }

    public string Name => "calls";

    /// <summary>Makes the device, and returns when it is there. Errors: ServiceFailure.</summary>
    public void Begin()
    {
        if (!ServeOne(CancellationToken.None)) throw new LvmException(ErrorIds.ServiceFailure, $"'/dev/{_name}' cannot be made");
    }

    public void Run(CancellationToken cancellation)
    {
        using var readiness = new Readiness(cancellation);
        while (true)
        {
            readiness.Await(_file);
            if (!ServeOne(cancellation)) throw new LvmException(ErrorIds.ServiceFailure, $"the kernel has closed '/dev/{_name}'");
        }
    }

    public void Dispose()
    {
        if (_file >= 0) _ = Libc.Close(_file);
    }

    /// <summary>Answers a request; the length of the answer, 0 for none.</summary>
    internal int Answer(ReadOnlySpan<byte> request, Span<byte> answer)
    {
        if (request.Length < InHeader) return 0;
        var opcode = BinaryPrimitives.ReadUInt32LittleEndian(request[4..]);
        var unique = request.Slice(8, 8);
        var body = request[InHeader..];
        var room = answer[OutHeader..];
        int length, error = 0;
        switch (opcode)
        {
            case 4096:
                (error, length) = Init(body, room);
                break;
            case 14: // open
                error = _handler.Open(BinaryPrimitives.ReadUInt32LittleEndian(request[24..]), BinaryPrimitives.ReadInt32LittleEndian(request[32..]));
                length = 16;
                room[..length].Clear();
                break;
            case 18 or 25 or 20: // release, flush, fsync
                length = 0;
                break;
            case 39:
                (error, length) = Ioctl(body, room, BinaryPrimitives.ReadInt32LittleEndian(request[32..]));
                break;
            case 2 or 36 or 42: // forget, interrupt: nothing takes so long that it would be given up
                return 0;
            default:
                (error, length) = (ErrnoText.ENOSYS, 0);
                break;
        }

        if (error != 0) length = 0;
        length += OutHeader;
        BinaryPrimitives.WriteInt32LittleEndian(answer, length);
        BinaryPrimitives.WriteInt32LittleEndian(answer[4..], -error);
        unique.CopyTo(answer[8..]);
        return length;
    }

    private bool ServeOne(CancellationToken cancellation)
    {
        while (true)
        {
            nint count;
            fixed (byte* request = _request) count = Libc.Read(_file, request, BufferSize);
            if (count < 0)
            {
                // A request that was given up before it was read.
                if (Marshal.GetLastPInvokeError() is Libc.EINTR or Libc.EAGAIN or ErrnoText.ENOENT && !cancellation.IsCancellationRequested) return true;
                return false;
            }

            var length = Answer(_request.AsSpan(0, (int)count), _answer);
            if (length == 0) return true;
            fixed (byte* answer = _answer)
            {
                // ENOENT: whoever asked has gone.
                return Libc.Write(_file, answer, (nuint)length) == length || Marshal.GetLastPInvokeError() is ErrnoText.ENOENT or Libc.EINTR;
            }
        }
    }

    private (int Error, int Length) Init(ReadOnlySpan<byte> body, Span<byte> room)
    {
        const int EPROTO = 71;
        if (body.Length < 16) return (ErrnoText.EINVAL, 0);
        uint major = BinaryPrimitives.ReadUInt32LittleEndian(body), minor = BinaryPrimitives.ReadUInt32LittleEndian(body[4..]);
        if (major != Major || minor < LeastMinor) return (EPROTO, 0);
        room[..InitOut].Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(room, Major);
        BinaryPrimitives.WriteUInt32LittleEndian(room[4..], Math.Min(minor, OurMinor));
        BinaryPrimitives.WriteUInt32LittleEndian(room[12..], Unrestricted);
        BinaryPrimitives.WriteUInt32LittleEndian(room[16..], DevicePage.Size); // the longest read
        BinaryPrimitives.WriteUInt32LittleEndian(room[20..], DevicePage.Size); // the longest write
        return (0, InitOut + Encoding.ASCII.GetBytes($"DEVNAME={_name}\0", room[InitOut..]));
    }

    private (int Error, int Length) Ioctl(ReadOnlySpan<byte> body, Span<byte> room, int process)
    {
        if (body.Length < IoctlIn) return (ErrnoText.EINVAL, 0);
        var call = BinaryPrimitives.ReadUInt32LittleEndian(body[12..]);
        uint sent = BinaryPrimitives.ReadUInt32LittleEndian(body[24..]), wanted = BinaryPrimitives.ReadUInt32LittleEndian(body[28..]);
        var size = NoxsCalls.SizeOf(call);
        room[..IoctlOut].Clear();
        if (!NoxsCalls.Has(call)) return (ErrnoText.ENOTTY, 0);
        if (sent < size || wanted < size)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(room[4..], Retry);
            BinaryPrimitives.WriteUInt32LittleEndian(room[8..], 1);
            BinaryPrimitives.WriteUInt32LittleEndian(room[12..], 1);
            for (var i = 0; i < 2; i++)
            {
                var vector = room.Slice(IoctlOut + i * IoctlVector, IoctlVector);
                body.Slice(16, 8).CopyTo(vector);
                BinaryPrimitives.WriteUInt64LittleEndian(vector[8..], (ulong)size);
            }

            return (0, IoctlOut + 2 * IoctlVector);
        }

        if (body.Length < IoctlIn + size) return (ErrnoText.EINVAL, 0);
        var argument = room.Slice(IoctlOut, size);
        body.Slice(IoctlIn, size).CopyTo(argument);
        var error = _handler.Call(call, argument, process);
        return error != 0 ? (error, 0) : (0, IoctlOut + size);
    }
}
