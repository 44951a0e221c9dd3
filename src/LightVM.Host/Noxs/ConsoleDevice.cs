using System.Runtime.InteropServices;
using LightVM.Consoles;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Linux;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>Where a guest's console leads to.</summary>
internal interface IConsoleOutput
{
    /// <summary>Keeps what the guest wrote.</summary>
    void Write(ushort domain, ReadOnlySpan<byte> bytes);

    /// <summary>The guest has ended, or its console has.</summary>
    void Close(ushort domain);
}

/// <summary>
/// A guest's console: what it writes goes to the file that all readers of the console read, what they type comes by a FIFO. The indexes of both
/// sides are in the guest's page, so that it goes on wherever an earlier daemon was.
/// </summary>
internal sealed unsafe class ConsoleDevice : GuestDevice
{
    private const uint OwnerOnly = 0x180;

    private readonly uint _grant;
    private readonly uint _guestPort;
    private readonly IConsoleOutput _output;
    private readonly string _fifo;
    private readonly byte[] _buffer = new byte[ConsoleRing.OutputSize];
    private uint _port;
    private IntPtr _page;
    private int _input = -1;
    private ulong _watch;
    private bool _wanted = true;
    private bool _isBroken;

    public ConsoleDevice(IWorker worker, ushort domain, uint grant, uint guestPort, DaemonLog log, IConsoleOutput output, string fifo)
        : base(worker, domain, 0, log)
    {
        _grant = grant;
        _guestPort = guestPort;
        _output = output;
        _fifo = fifo;
    }

    public override DeviceType Type => DeviceType.Console;

    /// <summary>Binds its port, if that was not done yet; whether it was done now. What the guest has written before that is told of by Xen.</summary>
    public bool Begin()
    {
        if (_port != 0 || _isBroken) return false;
        _port = Access.BindPort(Domain, _guestPort);
        if (_port != 0) Worker.Listen(_port, this);
        else
        {
            Complain($"its guest does not offer port {_guestPort}");
            _isBroken = true;
        }

        return true;
    }

    /// <summary>Goes on where an earlier daemon was; false where the guest does not offer its port.</summary>
    /// <param name="port">The port that it had bound; 0 for none.</param>
    public bool GoOn(uint port)
    {
        _port = port;
        if (port == 0) _ = Begin();
        else Worker.Listen(port, this);
        if (_isBroken) return false;
        OnPort(_port);
        return true;
    }

    public override void OnPort(uint port)
    {
        if (!Map()) return;
        var ring = new ConsoleRing(_page);
        var count = ring.Read(_buffer);
        if (count < 0)
        {
            Violate();
            return;
        }

        if (count > 0)
        {
            Access.Notify(_port); // it may be waiting for room
            _output.Write(Domain, _buffer.AsSpan(0, count));
        }

        if (!_wanted && ring.Room > 0) Want(true);
    }

    public override void OnFile(bool isBroken)
    {
        if (!Map())
        {
            Want(false); // until the guest is there
            return;
        }

        var ring = new ConsoleRing(_page);
        var room = ring.Room;
        if (room < 0)
        {
            Violate();
            return;
        }

        nint count = 0;
        if (room > 0)
        {
            fixed (byte* bytes = _buffer) count = Libc.Read(_input, bytes, (nuint)room);
            if (count > 0)
            {
                ring.Write(_buffer.AsSpan(0, (int)count));
                Access.Notify(_port);
            }
        }

        if (count == room) Want(false); // until the guest has read some
    }

    public override DeviceRecord Record() => new(Type, 0, 0, _grant, _port) { First = new PortPair(_guestPort, _port) };

    public override void Remove()
    {
        if (_port != 0) OnPort(_port); // its last words
        Break();
        _output.Close(Domain);
    }

    protected override void Break()
    {
        _isBroken = true;
        if (_port != 0)
        {
            Worker.Ignore(_port);
            Access.ClosePort(_port);
        }

        _port = 0;
        if (_page != 0) Access.Unmap(_page);
        _page = 0;
        if (_input < 0) return;
        Worker.Unwatch(_input, _watch);
        _ = Libc.Close(_input);
        _input = -1;
        _ = Libc.Unlink(_fifo);
    }

    /// <summary>The ring is granted only when the guest is built, which may be after its console was attached.</summary>
    private bool Map()
    {
        if (_page == 0 && !_isBroken) _page = Access.Map(Domain, _grant);
        return _page != 0;
    }

    /// <summary>Has a FIFO for what is typed, if it has none yet. Errors: HostFileFailure.</summary>
    public void OpenInput()
    {
        if (_input >= 0 || _isBroken) return;
        if (SystemCalls.NewFifo(_fifo, OwnerOnly) != 0 && Marshal.GetLastPInvokeError() != ErrnoText.EEXIST) throw Failure();
        // Opened for both: there is a reader as long as there is a guest, and no end when a writer leaves.
        _input = Libc.Open(_fifo, Libc.OpenReadWrite | Libc.OpenNonBlocking | Libc.OpenCloseOnExec);
        if (_input < 0) throw Failure();
        _watch = Worker.Watch(_input, this);

        LvmException Failure() => new(ErrorIds.HostFileFailure, $"'{_fifo}' cannot be made") { Errno = Marshal.GetLastPInvokeError() };
    }

    private void Want(bool wanted)
    {
        _wanted = wanted;
        if (_input >= 0) Worker.Want(_input, _watch, wanted);
    }

    private void Violate()
    {
        Complain("its ring's indexes are none; it is disconnected");
        Break();
    }
}
