using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>
/// A guest's interface: Xen's net rings (xen/io/netif.h) to a tap. Frames have one slot each: nothing else was offered to the guest. They are
/// copied by the hypervisor, out of the guest's pages and into them, so that nothing of the guest's is mapped but the rings.
/// </summary>
internal sealed unsafe class VifDevice : ControlledDevice
{
    private const int TransmitSlot = 12; // u32 grant, u16 offset, u16 flags, u16 id, u16 size
    private const int ReceiveSlot = 8; // u16 id, u16 padding, u32 grant; the response u16 id, u16 offset, u16 flags, s16 status

    private const ushort ChecksumBlank = 1;
    private const ushort BlankAndValid = 1 | 2; // of a response: the checksum is not there, and need not be looked at
    private const ushort MoreData = 4;
    private const ushort ExtraInfo = 8;
    private const short Okay = 0;
    private const short Error = -1;

    /// <summary>How often it may send <see cref="NetFrames.Count"/> frames before the others have their turn.</summary>
    private const int MostBatches = 4;

    /// <summary>Bytes of an Ethernet header.</summary>
    private const int ShortestFrame = 14;

    private readonly VifSettings _settings;
    private readonly NetFrames _frames;
    private ITap? _tap;
    private ulong _watch;
    private bool _wanted;
    private bool _isConnected;
    private bool _takesBlank;
    private IntPtr _transmitPage;
    private IntPtr _receivePage;
    private BackRing _transmit;
    private BackRing _receive;
    private PortPair _transmitPort;
    private PortPair _receivePort;

    /// <summary>Requests that an earlier daemon may have begun to answer: what they say need not be true.</summary>
    private uint _doubtful;

    public VifDevice(IWorker worker, ushort domain, uint id, DaemonLog log, in SharedPage page, uint port, in VifSettings settings, NetFrames frames)
        : base(worker, domain, id, log, page, port)
    {
        _settings = settings;
        _frames = frames;
    }

    public override DeviceType Type => DeviceType.Vif;

    public ref readonly VifSettings Settings => ref _settings;

    /// <summary>What the host calls it, as it does with any interface of a guest.</summary>
    public string InterfaceName => NameOf(Domain, Id);

    public bool IsConnected => _isConnected;

    private VifPage* Page => (VifPage*)Control;

    public static string NameOf(ushort domain, uint id) => $"vif{domain}.{id}";

    /// <summary>The ports that an earlier daemon had bound.</summary>
    public void Adopt(PortPair transmit, PortPair receive)
    {
        _transmitPort = transmit;
        _receivePort = receive;
        _doubtful = 2 * BackRing.NetSlots;
    }

    /// <summary>Gives it its end at the host, without which it does not connect.</summary>
    public void Attach(ITap tap)
    {
        _tap = tap;
        _watch = Worker.Watch(tap.File, this);
        Worker.Want(tap.File, _watch, false);
        Look();
    }

    /// <summary>It cannot have one.</summary>
    public void Fail(LvmException error)
    {
        Log.Error($"{Name}: {error.Message}");
        Break();
    }

    public override void OnPort(uint port)
    {
        base.OnPort(port);
        if (!_isConnected) return;
        if (_receive.Waiting != 0) ResumeReceiving();
        if (_isConnected) Transmit();
    }

    public override void OnFile(bool isBroken)
    {
        if (isBroken) LoseTap();
        else if (_isConnected && _wanted) Receive();
    }

    public override void OnTurn()
    {
        if (_isConnected) Transmit();
    }

    public override DeviceRecord Record() => base.Record() with
    {
        First = _transmitPort,
        Second = _receivePort,
        Settings = MemoryMarshal.AsBytes(new ReadOnlySpan<VifSettings>(in _settings)).ToArray(),
    };

    public override void Remove()
    {
        base.Remove();
        DropTap();
    }

    protected override void Fill()
    {
        Page->VifId = (int)Id;
        Page->BackendFeatures = VifBackendFeatures.ReceiveCopy | VifBackendFeatures.SplitEventChannels;
        Page->MaxQueues = 1;
        Page->Mac = _settings.Mac;
        Page->Address = _settings.Address;
        Page->Bridge = _settings.Bridge;
    }

    protected override Connecting Connect()
    {
        if (_tap is null)
        {
            Needed?.Invoke();
            return Connecting.Later;
        }

        uint transmitRing = Volatile.Read(ref Page->TransmitRing), receiveRing = Volatile.Read(ref Page->ReceiveRing);
        uint transmitPort = Volatile.Read(ref Page->TransmitPort), receivePort = Volatile.Read(ref Page->ReceivePort);
        if (Volatile.Read(ref Page->RequestReceiveCopy) == 0) return Refuse("it does not ask for copies, and has no other way to receive");
        if (Volatile.Read(ref Page->Queues) is < 0 or > 1) return Refuse("it has several queues, which were not offered");
        _transmitPage = Access.Map(Domain, transmitRing);
        if (_transmitPage == 0) return Refuse($"its transmit ring, reference {transmitRing}, cannot be mapped");
        _receivePage = Access.Map(Domain, receiveRing);
        if (_receivePage == 0) return Refuse($"its receive ring, reference {receiveRing}, cannot be mapped");
        _transmit = new BackRing(_transmitPage, TransmitSlot, BackRing.NetSlots);
        _receive = new BackRing(_receivePage, ReceiveSlot, BackRing.NetSlots);
        if (_transmit.Waiting > BackRing.NetSlots || _receive.Waiting > BackRing.NetSlots) return Refuse("its rings begin with more requests than they have room for");
        if (!Bind(ref _transmitPort, transmitPort)) return Refuse($"its port {transmitPort} cannot be bound");
        if (receivePort != transmitPort)
        {
            if (!Bind(ref _receivePort, receivePort)) return Refuse($"its port {receivePort} cannot be bound");
        }
        else if (_receivePort != _transmitPort)
        {
            Unbind(ref _receivePort);
            _receivePort = _transmitPort;
        }

        _isConnected = true;
        _takesBlank = ((VifFrontendFeatures)Volatile.Read(ref *(ushort*)&Page->FrontendFeatures) & VifFrontendFeatures.NoChecksumOffload) == 0;
        _tap.LeaveChecksums(_takesBlank);
        Changed?.Invoke();
        ResumeReceiving();
        Worker.Again(this); // whatever waits in the rings
        return Connecting.Done;
    }

    protected override void Disconnect()
    {
        var wasConnected = _isConnected;
        _isConnected = false;
        PauseReceiving();
        if (_receivePort.Local == _transmitPort.Local) _receivePort = default;
        Unbind(ref _transmitPort);
        Unbind(ref _receivePort);
        if (_transmitPage != 0) Access.Unmap(_transmitPage);
        if (_receivePage != 0) Access.Unmap(_receivePage);
        _transmitPage = _receivePage = 0;
        _transmit = _receive = default;
        _doubtful = 0;
        if (wasConnected) Changed?.Invoke();
    }

    // --- from the guest ---

    private void Transmit()
    {
        for (var batches = 0; _isConnected; batches++)
        {
            var waiting = _transmit.Waiting;
            if (waiting > _transmit.Slots)
            {
                Violate("its transmit ring has more requests than it has room for");
                return;
            }

            if (waiting == 0)
            {
                if (_transmit.AskForMore() == 0) return;
                continue;
            }

            if (batches == MostBatches)
            {
                Worker.Again(this);
                return;
            }

            if (!TransmitSome((int)Math.Min(waiting, NetFrames.Count))) return;
        }
    }

    private bool TransmitSome(int count)
    {
        var copies = 0;
        for (var i = 0; i < count; i++)
        {
            var slot = _transmit.Request((uint)i);
            // Once, all of it: the guest may change it while it is looked at.
            ulong first = Volatile.Read(ref Unsafe.AsRef<ulong>(slot));
            uint rest = Volatile.Read(ref Unsafe.AsRef<uint>(slot + 8));
            var grant = (uint)first;
            ushort offset = (ushort)(first >> 32), flags = (ushort)(first >> 48), size = (ushort)(rest >> 16);
            _frames.Ids[i] = (ushort)rest;
            _frames.Results[i] = Error;
            _frames.CopyOf[i] = -1;
            if ((flags & (MoreData | ExtraInfo)) != 0 || offset + size > DevicePage.Size)
            {
                if (Doubt(i)) continue;
                Violate($"it sends what was not offered (flags {flags}, offset {offset}, size {size})");
                return false;
            }

            if (size < ShortestFrame) continue; // half a header is no frame
            _frames.IsBlank[i] = (flags & ChecksumBlank) != 0;
            _frames.CopyOf[i] = copies;
            _frames.Copies[copies++] = new GrantCopy
            {
                Source = GrantCopy.GuestPlace(Domain, grant, offset),
                Destination = (ulong)_frames[i],
                Length = size,
                Flags = GrantCopy.FromGuest,
            };
        }

        if (copies > 0) Access.Copy(_frames.Copies.AsSpan(0, copies));
        for (var i = 0; i < count; i++)
        {
            if (_frames.CopyOf[i] < 0) continue;
            ref readonly var copy = ref _frames.Copies[_frames.CopyOf[i]];
            if (copy.Status == 0)
            {
                _tap!.Write(_frames[i], copy.Length, _frames.IsBlank[i]);
                _frames.Results[i] = Okay;
            }
            else if (!Doubt(i))
            {
                Violate($"reference {(uint)copy.Source}, from which it sends, cannot be read (status {copy.Status})");
                return false;
            }
        }

        for (var i = 0; i < count; i++)
        {
            var response = _transmit.NextResponse();
            *(ushort*)response = _frames.Ids[i];
            *(short*)(response + 2) = _frames.Results[i];
        }

        _transmit.Take((uint)count);
        _doubtful -= Math.Min(_doubtful, (uint)count);
        if (_transmit.Push()) Notify(_transmitPort);
        return true;

        bool Doubt(int i) => i < _doubtful;
    }

    // --- to the guest ---

    private void Receive()
    {
        var room = _receive.Waiting;
        if (room > _receive.Slots)
        {
            Violate("its receive ring has more requests than it has room for");
            return;
        }

        if (room == 0)
        {
            // Frames wait in the tap until the guest has room for them.
            PauseReceiving();
            if (_receive.AskForMore() != 0) ResumeReceiving();
            return;
        }

        var count = 0;
        for (; count < Math.Min(room, NetFrames.Count); count++)
        {
            var length = _tap!.Read(_frames[count], DevicePage.Size, out _frames.IsBlank[count]);
            if (length < 0)
            {
                LoseTap();
                return;
            }

            if (length == 0) break;
            var slot = _receive.Request((uint)count);
            ulong request = Volatile.Read(ref Unsafe.AsRef<ulong>(slot));
            _frames.Ids[count] = (ushort)request;
            _frames.Copies[count] = new GrantCopy
            {
                Source = (ulong)_frames[count],
                Destination = GrantCopy.GuestPlace(Domain, (uint)(request >> 32), 0),
                // What fills the room need not be all of it: a guest gets no half frames. (An error of length 0 below.)
                // Nor frames without a checksum that wants one: it was another guest's that such a frame has waited for.
                Length = (ushort)(length < DevicePage.Size && (_takesBlank || !_frames.IsBlank[count]) ? length : 0),
                Flags = GrantCopy.ToGuest,
            };
        }

        if (count == 0) return;
        Access.Copy(_frames.Copies.AsSpan(0, count));
        for (var i = 0; i < count; i++)
        {
            ref readonly var copy = ref _frames.Copies[i];
            if (copy.Status == 0 || i < _doubtful) continue;
            Violate($"reference {(uint)copy.Destination}, into which it receives, cannot be written (status {copy.Status})");
            return;
        }

        for (var i = 0; i < count; i++)
        {
            var response = _receive.NextResponse();
            var isGood = _frames.Copies[i].Status == 0 && _frames.Copies[i].Length > 0;
            ((ushort*)response)[0] = _frames.Ids[i];
            ((ushort*)response)[1] = 0;
            ((ushort*)response)[2] = _frames.IsBlank[i] ? BlankAndValid : (ushort)0;
            ((short*)response)[3] = isGood ? (short)_frames.Copies[i].Length : Error;
        }

        _receive.Take((uint)count);
        if (_receive.Push()) Notify(_receivePort);
    }

    private void ResumeReceiving()
    {
        if (_wanted || _tap is null || !_isConnected) return;
        _wanted = true;
        Worker.Want(_tap.File, _watch, true);
    }

    private void PauseReceiving()
    {
        if (!_wanted || _tap is null) return;
        _wanted = false;
        Worker.Want(_tap.File, _watch, false);
    }

    // --- ---

    private void LoseTap()
    {
        Complain($"interface '{InterfaceName}' is gone");
        DropTap();
        Break();
    }

    private void DropTap()
    {
        if (_tap is null) return;
        Worker.Unwatch(_tap.File, _watch);
        _tap.Close();
        _tap = null;
    }
}
