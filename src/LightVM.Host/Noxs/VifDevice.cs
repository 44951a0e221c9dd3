using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>
/// A guest's interface: Xen's net rings (xen/io/netif.h) to a tap. Frames are copied by the hypervisor, out of the guest's pages and into them, so that nothing
/// of the guest's is mapped but the rings.
/// </summary>
internal sealed unsafe class VifDevice : ControlledDevice
{
    private readonly VifSettings _settings;
    private readonly VifTransmit _transmit;
    private readonly VifReceive _receive;
    private ITap? _tap;
    private ulong _watch;
    private bool _wanted;
    private bool _isConnected;
    private bool _isAdopted;
    private IntPtr _transmitPage;
    private IntPtr _receivePage;
    private PortPair _transmitPort;
    private PortPair _receivePort;

    public VifDevice(IWorker worker, ushort domain, uint id, DaemonLog log, in SharedPage page, uint port, in VifSettings settings, NetFrames frames)
        : base(worker, domain, id, log, page, port)
    {
        _settings = settings;
        _transmit = new VifTransmit(Access, domain, frames);
        _receive = new VifReceive(Access, domain, frames);
    }

    public override DeviceType Type => DeviceType.Vif;

    /// <summary>Initialising until it has its end at the host, which the guest need not know.</summary>
    public override SideState State => base.State == SideState.InitialisingWait && _tap is null ? SideState.Initialising : base.State;

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
        _isAdopted = true;
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
        if (_receive.HasRoom) ResumeReceiving();
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
        Page->BackendFeatures = VifBackendFeatures.ReceiveCopy | VifBackendFeatures.SplitEventChannels | VifBackendFeatures.ChecksumOffloadIPv6
            | VifBackendFeatures.ScatterGather | VifBackendFeatures.GsoTcp4 | VifBackendFeatures.GsoTcp6;
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
        var features = (VifFrontendFeatures)Volatile.Read(ref *(ushort*)&Page->FrontendFeatures);
        var takenWork = WorkTaken(features);
        var areRings = _transmit.Begin(_transmitPage, _isAdopted);
        areRings &= _receive.Begin(_receivePage, takenWork, (features & VifFrontendFeatures.ScatterGather) != 0, _isAdopted);
        if (!areRings) return Refuse("its rings begin with more requests than they have room for");
        if (_receivePort.Local == _transmitPort.Local) _receivePort = default; // one port is closed once: its number may be another guest's after that
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
        _tap.Leave(takenWork);
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
        _isAdopted = false;
        if (wasConnected) Changed?.Invoke();
    }

    /// <summary>What of the work with frames for it a guest takes over. Cutting includes all else: the parts have checksums, and a frame of parts has several slots.</summary>
    private static Offloads WorkTaken(VifFrontendFeatures features)
    {
        if ((features & VifFrontendFeatures.NoChecksumOffload) != 0) return Offloads.None;
        var taken = Offloads.Checksums;
        if ((features & VifFrontendFeatures.ScatterGather) == 0) return taken;
        if ((features & VifFrontendFeatures.GsoTcp4) != 0) taken |= Offloads.Tcp4;
        if ((features & VifFrontendFeatures.GsoTcp6) != 0) taken |= Offloads.Tcp6;
        return taken;
    }

    private void Transmit()
    {
        var isMore = _transmit.Send(_tap!, out var isAwaited);
        if (isAwaited) Notify(_transmitPort);
        if (_transmit.Violation is { } violation) Violate(violation);
        else if (isMore) Worker.Again(this);
    }

    private void Receive()
    {
        var went = _receive.Receive(_tap!, out var isAwaited);
        if (isAwaited) Notify(_receivePort);
        switch (went)
        {
            case Receiving.Full:
                PauseReceiving();
                break;
            case Receiving.Lost:
                LoseTap();
                break;
            case Receiving.Violated:
                Violate(_receive.Violation!);
                break;
        }
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
