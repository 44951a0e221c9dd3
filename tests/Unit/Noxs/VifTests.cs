using LightVM.Host.Noxs;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>An interface's rings, with a guest that keeps to the protocol, and with ones that do not.</summary>
public sealed unsafe class VifTests : IDisposable
{
    private readonly MemoryMachine _machine = new();
    private readonly GuestVif _guest;

    public VifTests()
    {
        _guest = new GuestVif(_machine, 7, _machine.Service.Vif());
    }

    private MemoryTap Tap => _machine.Taps["vif7.0"];

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_guest_is_told_what_its_interface_is()
    {
        Assert.Equal(SideState.InitialisingWait, _guest.Backend);
        var offered = VifBackendFeatures.ReceiveCopy | VifBackendFeatures.SplitEventChannels | VifBackendFeatures.ScatterGather
            | VifBackendFeatures.GsoTcp4 | VifBackendFeatures.GsoTcp6 | VifBackendFeatures.ChecksumOffloadIPv6;
        Assert.Equal(offered, _guest.Control->BackendFeatures);
        Assert.Equal(new byte[] { 0x00, 0x16, 0x3e, 0, 0, 7 }, ((ReadOnlySpan<byte>)_guest.Control->Mac).ToArray());
        Assert.Equal(1, _guest.Control->MaxQueues);
    }

    [Theory]
    [InlineData(GuestVif.Port)]
    [InlineData(0u)] // the device's own does for all
    public void Frames_go_out_whole_and_in_order(uint port)
    {
        _guest.Connect(port);
        Assert.Equal(SideState.Connected, _guest.Backend);
        var frames = Enumerable.Range(0, 300).Select(i => Frame(i, 14 + i * 4)).ToList();
        foreach (var part in frames.Chunk(100))
        {
            foreach (var frame in part) _guest.Send(frame);
            _machine.Fire(port == 0 ? _guest.Place.Port : _guest.BackendPort);
            Assert.All(_guest.TakeSent(), result => Assert.Equal(0, result));
        }

        Assert.Equal(frames, Tap.FromGuest);
    }

    [Fact]
    public void Frames_come_in_whole_and_in_order_and_wait_for_room()
    {
        _guest.Connect();
        var frames = Enumerable.Range(0, 500).Select(i => Frame(i, 60 + i)).ToList();
        foreach (var frame in frames) Tap.ToGuest.Enqueue(frame);
        var received = new List<byte[]?>();
        _guest.Offer(10);
        _machine.Fire(_guest.BackendPort);
        while (received.Count < frames.Count)
        {
            _machine.Settle();
            var came = _guest.TakeReceived();
            Assert.NotEmpty(came);
            received.AddRange(came);
            // The backend has said that it waits for buffers.
            if (Tap.ToGuest.Count > 0)
            {
                Assert.True(_guest.Offer(100));
                _machine.Fire(_guest.BackendPort);
            }
        }

        Assert.Equal(frames, received!);
    }

    [Fact]
    public void Nobody_is_told_of_what_he_need_not_know()
    {
        _guest.Connect();
        Assert.True(_guest.Send(new byte[60])); // nothing was under way: the backend sleeps
        Assert.False(_guest.Send(new byte[60])); // and is told once
        GuestVif.Index(_guest.Transmit, 3) = 100; // the guest wants to know when its hundredth frame has gone
        var notified = _guest.Notifications;
        _machine.Fire(_guest.BackendPort);
        Assert.Equal(notified, _guest.Notifications);
        Assert.True(_guest.Send(new byte[60]));

        _guest.Offer(100);
        Assert.False(_guest.Offer(1)); // the backend has no frame that waits
        Tap.ToGuest.Enqueue(new byte[60]);
        _machine.Fire(_guest.BackendPort);
        _machine.Settle();
        Assert.Single(_guest.TakeReceived());
        Assert.Equal(notified + 1, _guest.Notifications); // of 100 frames together it had one event, and here is one
        Tap.ToGuest.Enqueue(new byte[60]);
        _machine.Settle();
        Assert.Equal(notified + 1, _guest.Notifications); // it has not asked again
    }

    [Fact]
    public void Checksums_are_left_to_others_where_the_guest_can_do_that()
    {
        _guest.Connect();
        Assert.Equal(Offloads.Checksums, Tap.MayLeave);
        _guest.Send(new byte[60], flags: 3);
        _guest.Send(new byte[60], flags: 2);
        _guest.Send(new byte[60]);
        _guest.Offer(2);
        Tap.Left = new Unfinished(IsBlank: true);
        Tap.ToGuest.Enqueue(new byte[60]);
        _machine.Fire(_guest.BackendPort);
        _machine.Settle();
        Assert.Equal([true, false, false], Tap.LeftByGuest.Select(left => left.IsBlank));
        Assert.Equal(3, *((ushort*)(_guest.Receive + 64) + 2)); // it is blank, and good
        Assert.Single(_guest.TakeReceived());

        _guest.Say(SideState.Closed);
        _guest.Say(SideState.Initialising);
        _guest.Control->FrontendFeatures = VifFrontendFeatures.NoChecksumOffload;
        _guest.Connect();
        Assert.Equal(Offloads.None, Tap.MayLeave);
        _guest.Offer(2);
        Tap.ToGuest.Enqueue(new byte[60]); // from before
        _machine.Fire(_guest.BackendPort);
        _machine.Settle();
        Assert.Empty(Tap.ToGuest);
        Assert.Empty(_guest.TakeReceived());
    }

    [Fact]
    public void What_is_no_frame_is_dropped()
    {
        _guest.Connect();
        _guest.Send(new byte[13]); // less than a header
        _guest.Send(new byte[4096]);
        _guest.Send(new byte[60], offset: 4036);
        _guest.Offer(3);
        Tap.ToGuest.Enqueue(new byte[4096]); // has no room, with what may be cut off
        Tap.ToGuest.Enqueue(new byte[4095]);
        _machine.Fire(_guest.BackendPort);
        _machine.Settle();

        Assert.Equal([(short)-1, 0, 0], _guest.TakeSent());
        Assert.Equal([4096, 60], Tap.FromGuest.Select(frame => frame.Length));
        Assert.Equal([4095], _guest.TakeReceived().Select(frame => frame?.Length));
    }

    [Fact]
    public void It_connects_when_its_interface_is_there()
    {
        using var machine = new MemoryMachine { FailsInterfaces = true };
        var guest = new GuestVif(machine, 7, machine.Service.Vif());
        guest.Connect();
        Assert.Equal(SideState.Closed, guest.Backend);
        Assert.Contains("no more interfaces", machine.Messages.ToString(), StringComparison.Ordinal);
        Assert.Equal(0, machine.Service.Destroy(DeviceType.Vif));
        machine.AssertEmpty();
    }

    [Fact]
    public void It_disconnects_and_connects_as_often_as_it_likes()
    {
        for (var i = 0; i < 3; i++)
        {
            _guest.Connect();
            Assert.Equal(2, _machine.Mapped);
            _guest.Say(SideState.Closing);
            Assert.Equal(SideState.Closing, _guest.Backend);
            Assert.Equal((0, 1), (_machine.Mapped, _machine.Ports.Count));
            _guest.Say(SideState.Closed);
            Assert.Equal(SideState.Closed, _guest.Backend);
            _guest.Say(SideState.Initialising);
            Assert.Equal(SideState.InitialisingWait, _guest.Backend);
        }

        _machine.Service.DropEnded(() => _ => false);
        _machine.AssertEmpty();
    }

    [Theory]
    [InlineData(6u, 6u)]
    [InlineData(5u, 6u)]
    [InlineData(6u, 5u)]
    public void A_guest_with_other_ports_for_the_next_daemon_has_its_old_one_closed_once(uint transmit, uint receive)
    {
        _guest.Connect();
        var record = Assert.Single(_machine.Notes[7]);
        Assert.Equal(record.First, record.Second);
        using var next = _machine.Successor(); // whose ports are closed once, or it fails
        next.Offered[(7, 6)] = 0;
        (_guest.Control->TransmitPort, _guest.Control->ReceivePort) = (transmit, receive);

        Assert.True(next.Service.Adopt(7, next, record, each => next.Shared[each.Grant]));

        Assert.Equal(SideState.Connected, _guest.At(next).Backend);
        Assert.Equal(transmit == receive ? 2 : 3, next.Ports.Count);
        next.Service.DropEnded(() => _ => false);
        next.AssertEmpty();
    }

    public static TheoryData<string, Action<GuestVifHolder>> Violations => new()
    {
        { "more requests than it has room for", holder => GuestVif.Index(holder.Guest.Transmit, 0) += 257 },
        { "more requests than it has room for", holder => GuestVif.Index(holder.Guest.Transmit, 0)-- },
        { "more requests than it has room for", holder => { GuestVif.Index(holder.Guest.Receive, 0) += 400; holder.Frame(); } },
        { "was not offered", holder => holder.Guest.Send([], offset: 4090, size: 7) },
        { "was not offered", holder => holder.Guest.Send(new byte[10], size: ushort.MaxValue) },
        { "cannot be read", holder => holder.Guest.Send(new byte[60], grant: 99999) },
        { "cannot be written", holder => { holder.Guest.Offer(1, grant: 99999); holder.Frame(); } },
    };

    [Theory]
    [MemberData(nameof(Violations))]
    public void Who_does_what_it_may_not_is_disconnected_alone(string message, Action<GuestVifHolder> violate)
    {
        var other = new GuestVif(_machine, 8, _machine.Service.Vif(domain: 8));
        other.Connect();
        _guest.Connect();

        violate(new GuestVifHolder(_guest, () => Tap.ToGuest.Enqueue(new byte[60])));
        _machine.Fire(_guest.BackendPort);
        _machine.Settle();

        Assert.Equal(SideState.Closed, _guest.Backend);
        Assert.Contains($"vif 0 of domain 7: ", _machine.Messages.ToString(), StringComparison.Ordinal);
        Assert.Contains(message, _machine.Messages.ToString(), StringComparison.Ordinal);
        Assert.Equal(2, _machine.Mapped);
        other.Send(new byte[77]);
        _machine.Fire(other.BackendPort);
        Assert.Equal(77, Assert.Single(_machine.Taps["vif8.0"].FromGuest).Length);

        // From its beginning it may try again.
        _guest.Say(SideState.Initialising);
        _guest.Connect();
        Assert.Equal(SideState.Connected, _guest.Backend);
    }

    [Fact]
    public void What_cannot_be_connected_is_not()
    {
        Action[] wrongs =
        [
            () => _guest.Control->TransmitRing = 4711,
            () => _guest.Control->ReceiveRing = 4711,
            () => _guest.Control->ReceiveRing = _guest.Control->TransmitRing,
            () => _guest.Control->TransmitPort = 4711,
            () => _guest.Control->ReceivePort = 4711,
            () => _guest.Control->RequestReceiveCopy = 0,
            () => _guest.Control->Queues = 2,
            () => GuestVif.Index(_guest.Transmit, 0) = 1000,
        ];
        foreach (var wrong in wrongs)
        {
            _guest.Say(SideState.Initialising);
            _guest.Connect();
            Assert.Equal(SideState.Connected, _guest.Backend);
            _guest.Say(SideState.Closed);
            _guest.Say(SideState.Initialising);
            wrong();
            _guest.Say(SideState.Connected);
            Assert.Equal(SideState.Closed, _guest.Backend);
            Assert.Equal((0, 1), (_machine.Mapped, _machine.Ports.Count));
        }
    }

    [Fact]
    public void Of_a_guest_that_never_stops_some_lines_are_logged()
    {
        for (var i = 0; i < 100; i++)
        {
            _guest.Say(SideState.Initialising);
            _guest.Connect();
            _guest.Send(new byte[60], offset: 4000, size: 97);
            _machine.Fire(_guest.BackendPort);
        }

        Assert.InRange(_machine.Messages.ToString().Split('\n').Length, 2, 12);
    }

    [Fact]
    public void Who_fills_its_ring_for_ever_leaves_the_others_their_turn()
    {
        _guest.Connect();
        for (var i = 0; i < GuestVif.Slots; i++) _guest.Send(new byte[60]);
        var before = Tap.FromGuest.Count;
        _machine.FireOnce(_guest.BackendPort);
        Assert.InRange(Tap.FromGuest.Count - before, 1, GuestVif.Slots);
    }

    private static byte[] Frame(int number, int length)
    {
        var frame = new byte[length];
        new Random(number).NextBytes(frame);
        return frame;
    }

    /// <summary>For test data, which has no pointers.</summary>
    public sealed class GuestVifHolder
    {
        internal GuestVifHolder(GuestVif guest, Action frame)
        {
            Guest = guest;
            Frame = frame;
        }

        /// <summary>A frame waits for the guest.</summary>
        public Action Frame { get; }

        internal GuestVif Guest { get; }
    }
}
