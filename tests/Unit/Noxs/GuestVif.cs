using LightVM.Host.Noxs;
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

    private const ushort MoreData = 4;
    private const ushort ExtraInfo = 8;

    private readonly HashSet<uint> _extras = [];
    private uint _sent;
    private uint _written;
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
        _extras.Clear();
    }

    /// <summary>Puts a frame into the ring; whether the backend wants to be told.</summary>
    public bool Send(ReadOnlySpan<byte> frame, ushort flags = 0, ushort offset = 0, uint? grant = null, ushort? size = null)
    {
        var at = _sent;
        Write(ref at, frame, flags, offset, grant, size);
        return Push(Transmit, ref _sent);
    }

    /// <summary>Puts a frame into the ring, in parts of these sizes (the first part's is what is left), to be cut as an extra slot says.</summary>
    /// <param name="slots">How many of its slots are written; the rest is for another time, by <see cref="PushRest"/>.</param>
    public void SendParts(ReadOnlySpan<byte> frame, int[] sizes, ulong? extra = null, ushort flags = 0, int? slots = null)
    {
        var written = _sent;
        var rest = sizes.Sum();
        var begin = frame.Length - rest;
        Write(ref written, frame[..begin], (ushort)(flags | (sizes.Length > 0 ? MoreData : 0) | (extra is null ? 0 : ExtraInfo)), size: (ushort)frame.Length);
        if (extra is { } info) *(ulong*)((byte*)Transmit + Ring + written++ % Slots * 12) = info;
        for (var i = 0; i < sizes.Length; i++)
        {
            Write(ref written, frame.Slice(begin, sizes[i]), i < sizes.Length - 1 ? MoreData : (ushort)0);
            begin += sizes[i];
        }

        _extras.UnionWith(extra is null ? [] : [_sent + 1]);
        _sent = slots is { } some ? _sent + (uint)some : written;
        _written = written;
        Index(Transmit, 0) = _sent;
    }

    /// <summary>Writes a word of a transmit slot, counted back from the next one.</summary>
    public void Scribble(int back, int word, uint value) => ((uint*)((byte*)Transmit + Ring + (_sent - (uint)back) % Slots * 12))[word] = value;

    /// <summary>The rest of the slots that were written goes to the backend.</summary>
    public void PushRest() => Index(Transmit, 0) = _sent = _written;

    /// <summary>An extra slot that says how a frame is to be cut.</summary>
    public static ulong Cut(Segmentation kind, ushort size, byte type = 1, byte flags = 0) => type | ((ulong)flags << 8) | ((ulong)size << 16) | ((ulong)kind << 32);

    /// <summary>The results of what was sent, in their order: one for each slot, 1 for an extra slot.</summary>
    public List<short> TakeSent()
    {
        var results = new List<short>();
        for (; _sentDone != Index(Transmit, 2); _sentDone++)
        {
            var response = (byte*)Transmit + Ring + _sentDone % Slots * 12;
            if (_extras.Remove(_sentDone)) Assert.Equal(1, *(short*)(response + 2));
            else Assert.Equal(_sentDone % Slots + 1000, *(ushort*)response);
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
    public List<byte[]?> TakeReceived() => TakeWhole().ConvertAll(frame => frame?.Bytes);

    /// <summary>The frames that came, put together, and what they are to be cut into; null for an error.</summary>
    public List<Received?> TakeWhole()
    {
        var frames = new List<Received?>();
        while (_received != Index(Receive, 2))
        {
            var slots = _received;
            var bytes = new List<byte>();
            ulong extra = 0;
            ushort flags, all = 0;
            do
            {
                Assert.NotEqual(Index(Receive, 2), _received); // no half frames
                var buffer = _received % Slots;
                var response = (byte*)Receive + Ring + _received++ % Slots * 8;
                flags = *(ushort*)(response + 4);
                all |= flags;
                var status = *(short*)(response + 6);
                Assert.Equal(buffer, *(ushort*)response);
                if (status < 0)
                {
                    Assert.Equal(0, flags);
                    bytes = null;
                    break;
                }

                bytes.AddRange(new ReadOnlySpan<byte>((void*)Machine.Granted[(Domain, FirstBuffer + buffer)], status));
                if ((flags & ExtraInfo) == 0) continue;
                extra = *(ulong*)((byte*)Receive + Ring + _received++ % Slots * 8);
            }
            while ((flags & MoreData) != 0);
            frames.Add(bytes is null ? null : new Received([.. bytes], (all & 2) != 0, extra, (int)(_received - slots)));
        }

        return frames;
    }

    private void Write(ref uint at, ReadOnlySpan<byte> bytes, ushort flags, ushort offset = 0, uint? grant = null, ushort? size = null)
    {
        var slot = at++ % Slots;
        bytes.CopyTo(new Span<byte>((byte*)Machine.Granted[(Domain, FirstBuffer + slot)] + offset, DevicePage.Size - offset));
        var request = (byte*)Transmit + Ring + slot * 12;
        *(uint*)request = grant ?? FirstBuffer + slot;
        *(ushort*)(request + 4) = offset;
        *(ushort*)(request + 6) = flags;
        *(ushort*)(request + 8) = (ushort)(slot + 1000);
        *(ushort*)(request + 10) = size ?? (ushort)bytes.Length;
    }

    private static bool Push(IntPtr ring, ref uint produced)
    {
        var before = produced++;
        Index(ring, 0) = produced;
        return produced - Index(ring, 1) < produced - before;
    }

    /// <summary>A frame that came.</summary>
    /// <param name="Extra">What its extra slot says; 0 where it has none.</param>
    public sealed record Received(byte[] Bytes, bool IsBlank, ulong Extra, int Slots);
}
