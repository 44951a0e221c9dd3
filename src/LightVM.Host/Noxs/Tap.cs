using System.Runtime.InteropServices;
using System.Text;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Linux;

namespace LightVM.Host.Noxs;

/// <summary>A tap (Documentation/networking/tuntap.rst), which stays when the process that opened it dies, and is found again by its name.</summary>
internal sealed unsafe class Tap : ITap
{
    private const string Folder = "/sys/class/net";
    private const nuint SetInterface = 0x400454ca;
    private const nuint SetPersistent = 0x400454cb;
    private const short IsTap = 2;
    private const short NoInformation = 0x1000;
    private const short WithHeader = 0x4000; // a struct virtio_net_hdr in front of each frame
    private const nuint SetOffload = 0x400454d0;
    private const int EIO = 5;

    private readonly int _file;

    private Tap(int file)
    {
        _file = file;
    }

    public int File => _file;

    /// <summary>Opens a tap, which is made where there is none of this name. Errors: DeviceFailure.</summary>
    public static Tap Open(string name)
    {
        var file = Libc.Open("/dev/net/tun", Libc.OpenReadWrite | Libc.OpenNonBlocking | Libc.OpenCloseOnExec);
        if (file < 0) throw Failure("'/dev/net/tun' cannot be opened", Marshal.GetLastPInvokeError());
        var request = new Request { Flags = IsTap | NoInformation | WithHeader };
        Encoding.ASCII.GetBytes(name, new Span<byte>(request.Name, 15));
        if (SystemCalls.Control(file, SetInterface, &request) == 0 && SystemCalls.Control(file, SetPersistent, (void*)1) == 0) return new Tap(file);
        var errno = Marshal.GetLastPInvokeError();
        _ = Libc.Close(file);
        throw Failure($"interface '{name}' cannot be made", errno);
    }

    /// <summary>Removes a tap. One that is not there, or is no tap, is left alone.</summary>
    public static void Remove(string name)
    {
        if (!Exists(name)) return;
        try
        {
            var tap = Open(name);
            _ = SystemCalls.Control(tap._file, SetPersistent, null);
            tap.Close();
        }
        catch (LvmException)
        {
            // Somebody else has it open, or it went meanwhile.
        }
    }

    public static bool Exists(string name) => System.IO.File.Exists($"{Folder}/{name}/tun_flags");

    /// <summary>The taps of guests, by their names.</summary>
    public static IEnumerable<string> OfGuests() =>
        Directory.EnumerateDirectories(Folder).Select(folder => Path.GetFileName(folder)).Where(name => name.StartsWith("vif", StringComparison.Ordinal) && Exists(name)).ToList();

    public void Leave(Offloads offloads) => _ = SystemCalls.Control(_file, SetOffload, (void*)(nuint)offloads);

    public int Read(byte* frame, int size, out Unfinished left)
    {
        var header = (NetHeader*)(frame - sizeof(NetHeader));
        left = default;
        while (true)
        {
            var count = Libc.Read(_file, (byte*)header, (nuint)(sizeof(NetHeader) + size));
            if (count > sizeof(NetHeader))
            {
                left = header->Left;
                return (int)count - sizeof(NetHeader);
            }

            var errno = count == 0 ? EIO : Marshal.GetLastPInvokeError();
            if (errno == Libc.EAGAIN) return 0;
            if (errno != Libc.EINTR) return -errno;
        }
    }

    public void Write(byte* frame, int length, in Unfinished left)
    {
        var header = (NetHeader*)(frame - sizeof(NetHeader));
        if (NetHeader.TryMake(new Span<byte>(frame, length), left, out *header)) _ = Libc.Write(_file, (byte*)header, (nuint)(sizeof(NetHeader) + length));
    }

    public void Close() => _ = Libc.Close(_file);

    private static LvmException Failure(string problem, int errno) => new(ErrorIds.DeviceFailure, problem) { Errno = errno };

    /// <summary>struct ifreq.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 40)]
    private struct Request
    {
        public fixed byte Name[16];
        public short Flags;
    }
}
