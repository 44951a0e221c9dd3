using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>The guest's side of an interface, as a driver has it that keeps to the protocol, with its pages open to those who do not.</summary>
internal sealed unsafe class GuestVif : GuestSide<GuestVif>
{
    public const int Slots = 256;
    public const uint Port = 5;

    private const uint TransmitRing = 8;
    private const uint ReceiveRing = 9;
    private const uint FirstBuffer = 100;

    private uint _sent;
    private uint _sentDone;
    private uint _offered;
    private uint _received;

    public GuestVif(MemoryMachine machine, ushort domain, DevicePlace place)
        : base(machine, domain, place, Port)
    {
        Control = (VifPage*)machine.Shared[place.Grant].Address;
        machine.Granted[(domain, TransmitRing)] = Transmit = machine.NewPage();
        machine.Granted[(domain, ReceiveRing)] = Receive = machine.NewPage();
        for (uint i = 0; i < Slots; i++) machine.Granted[(domain, FirstBuffer + i)] = machine.NewPage();
        machine.Offered[(domain, Port)] = 0;
    }

    public VifPage* Control { get; }

    public IntPtr Transmit { get; }

    public IntPtr Receive { get; }

    public void Connect(uint port = Port)
    {
        Restart();
        Control->TransmitRing = TransmitRing;
        Control->ReceiveRing = ReceiveRing;
        Control->TransmitPort = Control->ReceivePort = port;
        Control->RequestReceiveCopy = 1;
        Control->Queues = 1;
        Say(SideState.Connected);
    }

    /// <summary>Empty rings, in which both sides want to be told of the first thing that happens.</summary>
    public void Restart()
    {
        Clear(Transmit);
        Clear(Receive);
        _sent = _sentDone = _offered = _received = 0;
    }

    /// <summary>Puts a frame into the ring; whether the backend wants to be told.</summary>
    public bool Send(ReadOnlySpan<byte> frame, ushort flags = 0, ushort offset = 0, uint? grant = null, ushort? size = null)
    {
        var slot = _sent % Slots;
        frame.CopyTo(new Span<byte>((byte*)Machine.Granted[(Domain, FirstBuffer + slot)] + offset, DevicePage.Size - offset));
        var request = (byte*)Transmit + Ring + slot * 12;
        *(uint*)request = grant ?? FirstBuffer + slot;
        *(ushort*)(request + 4) = offset;
        *(ushort*)(request + 6) = flags;
        *(ushort*)(request + 8) = (ushort)(slot + 1000);
        *(ushort*)(request + 10) = size ?? (ushort)frame.Length;
        return Push(Transmit, ref _sent);
    }

    /// <summary>The results of what was sent, in their order.</summary>
    public List<short> TakeSent()
    {
        var results = new List<short>();
        for (; _sentDone != Index(Transmit, 2); _sentDone++)
        {
            var response = (byte*)Transmit + Ring + _sentDone % Slots * 12;
            Assert.Equal(_sentDone % Slots + 1000, *(ushort*)response);
            results.Add(*(short*)(response + 2));
        }

        return results;
    }

    /// <summary>Puts buffers at the backend's disposal; whether it wants to be told.</summary>
    public bool Offer(int count, uint? grant = null)
    {
        var wanted = false;
        for (var i = 0; i < count; i++)
        {
            var slot = _offered % Slots;
            var request = (byte*)Receive + Ring + slot * 8;
            *(ushort*)request = (ushort)slot;
            *(uint*)(request + 4) = grant ?? FirstBuffer + slot;
            wanted |= Push(Receive, ref _offered);
        }

        return wanted;
    }

    /// <summary>The frames that came; null for an error.</summary>
    public List<byte[]?> TakeReceived()
    {
        var frames = new List<byte[]?>();
        for (; _received != Index(Receive, 2); _received++)
        {
            var response = (byte*)Receive + Ring + _received % Slots * 8;
            Assert.Equal(_received % Slots, *(ushort*)response);
            var status = *(short*)(response + 6);
            frames.Add(status < 0 ? null : new ReadOnlySpan<byte>((void*)Machine.Granted[(Domain, FirstBuffer + _received % Slots)], status).ToArray());
        }

        return frames;
    }

    private static bool Push(IntPtr ring, ref uint produced)
    {
        var before = produced++;
        Index(ring, 0) = produced;
        return produced - Index(ring, 1) < produced - before;
    }
}
