using LightVM.Host.Noxs;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>The guest's side of a disk, as a driver has it that keeps to the protocol, with its pages open to those who do not.</summary>
internal sealed unsafe class GuestVbd : GuestSide<GuestVbd>
{
    public const int Slots = 32;
    public const uint Port = 6;
    public const int Buffers = Slots * 11;

    private const uint RingGrant = 10;
    private const uint FirstBuffer = 1000;

    private uint _asked;
    private uint _answered;

    public GuestVbd(MemoryMachine machine, ushort domain, DevicePlace place)
        : base(machine, domain, place, Port)
    {
        Control = (VbdPage*)machine.Shared[place.Grant].Address;
        machine.Granted[(domain, RingGrant)] = Page = machine.NewPage();
        for (uint i = 0; i < Buffers; i++) machine.Granted[(domain, FirstBuffer + i)] = machine.NewPage();
        machine.Offered[(domain, Port)] = 0;
    }

    public VbdPage* Control { get; }

    public IntPtr Page { get; }

    public void Connect(uint port = Port)
    {
        Clear(Page);
        _asked = _answered = 0;
        *(uint*)((byte*)Control + VbdPage.RingsOffset + 4) = RingGrant;
        Control->RingPort = port;
        Control->Rings = 1;
        Control->RingPageOrder = 0;
        "x86_64-abi\0"u8.CopyTo(Control->Protocol);
        Say(SideState.Connected);
    }

    /// <summary>The page of a buffer.</summary>
    public Span<byte> Buffer(uint number) => new((void*)Machine.Granted[(Domain, FirstBuffer + number)], DevicePage.Size);

    /// <summary>Asks for something; the backend is told by <see cref="Tell"/>.</summary>
    /// <param name="first">The buffer of the first segment; the others follow.</param>
    /// <param name="segments">Sectors of the buffers, from and to.</param>
    public void Ask(DiskOperation operation, ulong id, ulong sector, uint first = 0, (byte First, byte Last)[]? segments = null, byte? count = null, uint? grant = null)
    {
        var request = (byte*)Page + Ring + _asked % Slots * VbdRequest.RingSize;
        new Span<byte>(request, VbdRequest.RingSize).Clear();
        segments ??= operation is DiskOperation.Read or DiskOperation.Write ? [(0, 7)] : [];
        request[0] = (byte)operation;
        request[1] = count ?? (byte)segments.Length;
        *(ulong*)(request + 8) = id;
        *(ulong*)(request + 16) = sector;
        for (var i = 0; i < segments.Length; i++)
        {
            *(uint*)(request + 24 + 8 * i) = grant ?? FirstBuffer + first + (uint)i;
            request[24 + 8 * i + 4] = segments[i].First;
            request[24 + 8 * i + 5] = segments[i].Last;
        }

        Index(Page, 0) = ++_asked;
    }

    public void AskDiscard(ulong id, ulong sector, ulong sectors, byte flags = 0)
    {
        Ask(DiskOperation.Discard, id, sector, count: flags);
        *(ulong*)((byte*)Page + Ring + (_asked - 1) % Slots * VbdRequest.RingSize + 24) = sectors;
    }

    public void Tell() => Machine.Fire(BackendPort == 0 ? Place.Port : BackendPort);

    /// <summary>What was answered, in the order of the answers.</summary>
    public List<(ulong Id, DiskOperation Operation, short Status)> Take()
    {
        var answers = new List<(ulong, DiskOperation, short)>();
        for (; _answered != Index(Page, 2); _answered++)
        {
            Assert.True(answers.Count < Slots);
            var response = (byte*)Page + Ring + _answered % Slots * VbdRequest.RingSize;
            answers.Add((*(ulong*)response, (DiskOperation)response[8], *(short*)(response + 10)));
        }

        Index(Page, 3) = _answered + 1;
        return answers;
    }

    /// <summary>Has it done, and gives the status.</summary>
    public short Do(DiskOperation operation, ulong sector, uint first = 0, (byte First, byte Last)[]? segments = null)
    {
        Ask(operation, 77, sector, first, segments);
        Tell();
        Machine.Settle();
        var (id, answered, status) = Assert.Single(Take());
        Assert.Equal((77ul, operation), (id, answered));
        return status;
    }
}
