using FsCheck;
using FsCheck.Fluent;
using LightVM.Host.Noxs;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>Frames of several slots, and those that are left to others to be cut, in both directions.</summary>
public sealed unsafe class VifSegmentTests : IDisposable
{
    private const VifFrontendFeatures TakesAll = VifFrontendFeatures.ScatterGather | VifFrontendFeatures.GsoTcp4 | VifFrontendFeatures.GsoTcp6;

    /// <summary>Slots that the largest frame takes, with what it is to be cut into.</summary>
    private const int LargestSlots = 18;

    private readonly MemoryMachine _machine = new();
    private readonly GuestVif _guest;

    public VifSegmentTests()
    {
        _guest = new GuestVif(_machine, 7, _machine.Service.Vif());
    }

    private MemoryTap Tap => _machine.Taps["vif7.0"];

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Frames_in_parts_go_out_whole_and_in_order_whenever_their_parts_come() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(60),
        Prop.ForAll<int>(seed =>
        {
            var random = new Random(seed);
            using var machine = new MemoryMachine();
            var guest = new GuestVif(machine, 7, machine.Service.Vif());
            guest.Connect();
            var sent = new List<(byte[] Frame, Unfinished Left)>();
            for (var i = 0; i < 30; i++)
            {
                var sizes = Enumerable.Range(0, random.Next(NetFrames.MostParts)).Select(_ => random.Next(DevicePage.Size + 1)).ToArray();
                while (sizes.Sum() > ushort.MaxValue - DevicePage.Size) sizes = sizes[1..];
                var frame = Frame(i, sizes.Sum() + random.Next(60, DevicePage.Size + 1));
                var left = random.Next(3) switch
                {
                    0 => new Unfinished(IsBlank: true, Segmentation.Tcp4, 1460),
                    1 => new Unfinished(IsBlank: true, Segmentation.Tcp6, 1),
                    _ => default,
                };
                ulong? extra = left.IsBlank ? GuestVif.Cut(left.Segmentation, left.SegmentSize) : null;
                var slots = 1 + sizes.Length + (extra is null ? 0 : 1);
                var some = random.Next(slots + 1);
                guest.SendParts(frame, sizes, extra, (ushort)(left.IsBlank ? 3 : 0), some);
                if (random.Next(2) == 0) machine.Fire(guest.BackendPort);
                Assert.True(some == slots || !machine.Taps["vif7.0"].FromGuest.Any(other => other.SequenceEqual(frame)));
                guest.PushRest();
                sent.Add((frame, left));
                if (random.Next(3) > 0) continue;
                machine.Fire(guest.BackendPort);
                Assert.All(guest.TakeSent(), result => Assert.InRange(result, 0, 1)); // TakeSent compares the names of slots
            }

            machine.Fire(guest.BackendPort);
            AssertSame(sent.Select(each => each.Frame), machine.Taps["vif7.0"].FromGuest);
            Assert.Equal(sent.Select(each => each.Left), machine.Taps["vif7.0"].LeftByGuest);
        }));

    [Fact]
    public void Each_slot_is_answered_and_an_extra_one_by_nothing()
    {
        _guest.Connect();
        _guest.SendParts(new byte[9000], [4096, 4096], GuestVif.Cut(Segmentation.Tcp4, 1460), 3);
        _guest.SendParts(new byte[13], [4, 4]); // less than a header
        _machine.Fire(_guest.BackendPort);
        Assert.Equal([(short)0, 1, 0, 0, -1, -1, -1], _guest.TakeSent());
        Assert.Equal(9000, Assert.Single(Tap.FromGuest).Length);
    }

    [Fact]
    public void What_is_missing_of_a_frame_is_waited_for_and_told_of()
    {
        _guest.Connect();
        var frame = Frame(1, 9000);
        _guest.SendParts(frame, [4096, 4096], slots: 2);
        _machine.Fire(_guest.BackendPort);
        Assert.Empty(Tap.FromGuest);
        Assert.Equal(3u, GuestVif.Index(_guest.Transmit, 1)); // the third request is the next to be told of
        Assert.Empty(_guest.TakeSent());
        _guest.PushRest();
        _machine.Fire(_guest.BackendPort);
        Assert.Equal(frame, Assert.Single(Tap.FromGuest));
        Assert.Equal([(short)0, 0, 0], _guest.TakeSent());
    }

    [Fact]
    public void Large_frames_come_in_whole_and_in_order_and_wait_for_room() => Check.One(
        Config.QuickThrowOnFailure.WithMaxTest(40),
        Prop.ForAll<int>(seed =>
        {
            var random = new Random(seed);
            using var machine = new MemoryMachine();
            var guest = new GuestVif(machine, 7, machine.Service.Vif());
            guest.Control->FrontendFeatures = TakesAll;
            guest.Connect();
            var tap = machine.Taps["vif7.0"];
            Assert.Equal(Offloads.Checksums | Offloads.Tcp4 | Offloads.Tcp6, tap.MayLeave);
            tap.Left = new Unfinished(IsBlank: true, random.Next(2) == 0 ? Segmentation.Tcp4 : Segmentation.Tcp6, (ushort)random.Next(1, 9000));
            var frames = Enumerable.Range(0, 30).Select(i => Frame(i, random.Next(14, 65550))).ToList();
            foreach (var frame in frames) tap.ToGuest.Enqueue(frame);
            var received = new List<GuestVif.Received?>();
            var free = 0;
            while (received.Count < frames.Count)
            {
                var more = Math.Min(random.Next(1, 60), GuestVif.Slots - free);
                free += more;
                guest.Offer(more);
                machine.Fire(guest.BackendPort);
                machine.Settle();
                var came = guest.TakeWhole();
                Assert.True(came.Count > 0 || free < LargestSlots);
                free -= came.Sum(each => each!.Slots);
                received.AddRange(came);
            }

            AssertSame(frames, received.Select(each => each!.Bytes));
            Assert.All(received, each => Assert.Equal(((each!.Bytes.Length + 4095) / 4096) + 1, each.Slots));
            Assert.All(received, each => Assert.True(each!.IsBlank));
            Assert.All(received, each => Assert.Equal(GuestVif.Cut(tap.Left.Segmentation, tap.Left.SegmentSize), each!.Extra));
        }));

    [Fact]
    public void As_long_as_the_largest_frame_has_no_room_none_is_taken_from_the_tap()
    {
        _guest.Control->FrontendFeatures = TakesAll;
        _guest.Connect();
        Tap.ToGuest.Enqueue(new byte[60]);
        _guest.Offer(LargestSlots - 1);
        _machine.Fire(_guest.BackendPort);
        _machine.Settle();
        Assert.Single(Tap.ToGuest);
        Assert.True(_guest.Offer(1)); // it wants to know of that one
        _machine.Fire(_guest.BackendPort);
        _machine.Settle();
        var came = Assert.Single(_guest.TakeWhole())!;
        Assert.Equal((60, 1, 0ul), (came.Bytes.Length, came.Slots, came.Extra));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData((int)VifFrontendFeatures.ScatterGather, 1)]
    [InlineData((int)VifFrontendFeatures.GsoTcp4, 1)] // in one slot there is no room
    [InlineData((int)(VifFrontendFeatures.ScatterGather | VifFrontendFeatures.GsoTcp4), 3)]
    [InlineData((int)(VifFrontendFeatures.ScatterGather | VifFrontendFeatures.GsoTcp6), 5)]
    [InlineData((int)(VifFrontendFeatures.ScatterGather | VifFrontendFeatures.GsoTcp4 | VifFrontendFeatures.NoChecksumOffload), 0)]
    public void A_guest_gets_no_work_that_it_has_not_asked_for(int features, uint offloads)
    {
        _guest.Control->FrontendFeatures = (VifFrontendFeatures)features;
        _guest.Connect();
        Assert.Equal((Offloads)offloads, Tap.MayLeave);
        _guest.Offer(100);
        foreach (var kind in new[] { Segmentation.Tcp4, Segmentation.Tcp6 })
        {
            // From before: the tap may have had another guest.
            Tap.Left = new Unfinished(IsBlank: true, kind, 1460);
            Tap.ToGuest.Enqueue(new byte[3000]);
            _machine.Fire(_guest.BackendPort);
            _machine.Settle();
            Assert.Empty(Tap.ToGuest);
            Assert.Equal(Tap.MayLeave.HasFlag(Tap.Left.Needs) ? 1 : 0, _guest.TakeWhole().Count);
        }
    }

    [Fact]
    public void Frames_that_are_not_to_be_cut_come_in_parts_to_who_takes_those()
    {
        _guest.Control->FrontendFeatures = VifFrontendFeatures.ScatterGather;
        _guest.Connect();
        var frame = Frame(1, 9014); // of a wire that takes more
        Tap.ToGuest.Enqueue(frame);
        _guest.Offer(100);
        _machine.Fire(_guest.BackendPort);
        _machine.Settle();
        var came = Assert.Single(_guest.TakeWhole())!;
        Assert.Equal((3, 0ul), (came.Slots, came.Extra));
        Assert.Equal(frame, came.Bytes);
    }

    public static TheoryData<string, Action<VifTests.GuestVifHolder>> Violations => new()
    {
        { "more than 18 parts", holder => holder.Guest.SendParts(new byte[2000], [.. Enumerable.Repeat(100, 18)]) },
        { "parts that are larger", holder => { holder.Guest.Send(new byte[60], flags: 4); holder.Guest.Send(new byte[61]); } },
        { "was not offered", holder => { holder.Guest.Send(new byte[100], flags: 4, size: ushort.MaxValue); holder.Guest.Send(new byte[100]); } }, // the first would be too long
        { "was not offered", holder => { holder.Guest.Send(new byte[100], flags: 4); holder.Guest.Send([], offset: 4090, size: 7); } },
        { "was not offered", holder => { holder.Guest.Send(new byte[6], flags: 4, offset: 4090, size: 97); holder.Guest.Send(new byte[90]); } },
        { "was not offered", holder => { holder.Guest.Send(new byte[100], flags: 4); holder.Guest.Send(new byte[40], flags: 8); } },
        { "extra slot of type 0", holder => Extra(holder, GuestVif.Cut(Segmentation.Tcp4, 1460, type: 0)) },
        { "extra slot of type 2", holder => Extra(holder, GuestVif.Cut(Segmentation.Tcp4, 1460, type: 2)) },
        { "flags 1", holder => Extra(holder, GuestVif.Cut(Segmentation.Tcp4, 1460, flags: 1)) }, // another behind it
        { "in a way that there is not", holder => Extra(holder, GuestVif.Cut(Segmentation.Tcp4, 0)) },
        { "in a way that there is not", holder => Extra(holder, GuestVif.Cut(Segmentation.None, 1460)) },
        { "in a way that there is not", holder => Extra(holder, GuestVif.Cut((Segmentation)3, 1460)) },
        { "cannot be read", holder => { holder.Guest.Send(new byte[100], flags: 4); holder.Guest.Send(new byte[40], grant: 99999); } },
    };

    [Theory]
    [MemberData(nameof(Violations))]
    public void Who_sends_what_is_no_frame_is_disconnected_alone(string message, Action<VifTests.GuestVifHolder> violate)
    {
        var other = new GuestVif(_machine, 8, _machine.Service.Vif(domain: 8));
        other.Connect();
        _guest.Connect();
        _guest.SendParts(new byte[5000], [4096]); // is good

        violate(new VifTests.GuestVifHolder(_guest, () => { }));
        _machine.Fire(_guest.BackendPort);

        Assert.Equal(SideState.Closed, _guest.Backend);
        Assert.Contains(message, _machine.Messages.ToString(), StringComparison.Ordinal);
        Assert.All(Tap.FromGuest, frame => Assert.Equal(5000, frame.Length));
        other.SendParts(new byte[7777], [4000]);
        _machine.Fire(other.BackendPort);
        Assert.Equal(7777, Assert.Single(_machine.Taps["vif8.0"].FromGuest).Length);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void A_frame_in_parts_goes_once_when_the_daemon_is_killed_while_it_answers(int answered)
    {
        _guest.Connect();
        var (first, second) = (Frame(1, 9000), Frame(2, 9001));
        _guest.SendParts(first, [4096, 4096], GuestVif.Cut(Segmentation.Tcp4, 1460), 3);
        _guest.SendParts(second, [4096, 4096], GuestVif.Cut(Segmentation.Tcp4, 1460), 3, slots: 3);

        // So far the one that was killed had come with its answers, which it had not shown.
        for (var i = 0; i < answered; i++)
        {
            var slot = (byte*)_guest.Transmit + 64 + i * 12;
            if (i == 1) *(short*)(slot + 2) = 1;
            else *(uint*)slot = *(ushort*)(slot + 8);
        }

        using var next = Succeed();
        var guest = _guest.At(next);
        next.Fire(guest.BackendPort);
        next.Settle();
        Assert.Equal([(short)0, 1, 0, 0], guest.TakeSent());
        guest.PushRest();
        next.Fire(guest.BackendPort);

        Assert.Equal(SideState.Connected, guest.Backend);
        Assert.Equal([(short)0, 1, 0, 0], guest.TakeSent());
        Assert.Equal(answered == 0 ? [first, second] : [second], next.Taps["vif7.0"].FromGuest);
        Assert.All(next.Taps["vif7.0"].LeftByGuest, left => Assert.Equal(new Unfinished(IsBlank: true, Segmentation.Tcp4, 1460), left));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void Frames_come_whole_when_the_daemon_was_killed_while_it_gave_one(int given)
    {
        _guest.Control->FrontendFeatures = TakesAll;
        _guest.Connect();
        _guest.Offer(200);
        for (var i = 0; i < given; i++)
        {
            // A frame of three parts, not shown yet.
            var slot = (ulong*)((byte*)_guest.Receive + 64 + i * 8);
            *slot = i == 1 ? GuestVif.Cut(Segmentation.Tcp4, 1460) : (uint)i | (4ul << 32) | (4096ul << 48);
        }

        // The reference that an extra slot looks like is somebody's.
        var strange = _machine.NewPage();
        _machine.Granted[(7, (uint)Segmentation.Tcp4)] = strange;
        using var next = Succeed();
        var guest = _guest.At(next);
        var frames = Enumerable.Range(0, 9).Select(i => Frame(i, 9000 + i)).ToList();
        next.Taps["vif7.0"].Left = new Unfinished(IsBlank: true, Segmentation.Tcp4, 1460);
        foreach (var frame in frames) next.Taps["vif7.0"].ToGuest.Enqueue(frame);
        next.Fire(guest.BackendPort);
        next.Settle();

        // An extra slot was one without a name, and nobody who takes those looks at that.
        if (given > 1) *((ushort*)guest.Receive + 32 + 4) = 1;
        var came = guest.TakeWhole();
        Assert.Equal(SideState.Connected, guest.Backend);
        Assert.Equal(frames[^came.Count(each => each is not null)..], came.Where(each => each is not null).Select(each => each!.Bytes));
        Assert.InRange(came.Count(each => each is not null), given == 0 ? 9 : 8, given == 0 ? 9 : 8);
        Assert.Equal(new byte[DevicePage.Size], new ReadOnlySpan<byte>((void*)strange, DevicePage.Size).ToArray());
    }

    private MemoryMachine Succeed()
    {
        var next = _machine.Successor();
        foreach (var record in _machine.Notes[7]) Assert.True(next.Service.Adopt(7, next, record, each => next.Shared[each.Grant]));
        return next;
    }

    private static void Extra(VifTests.GuestVifHolder holder, ulong extra) => holder.Guest.SendParts(new byte[3000], [1500], extra, 3);

    /// <summary>In a moment, where xunit's comparison takes seconds.</summary>
    private static void AssertSame(IEnumerable<byte[]> expected, IEnumerable<byte[]> frames)
    {
        Assert.Equal(expected.Count(), frames.Count());
        Assert.All(expected.Zip(frames), each => Assert.True(each.First.AsSpan().SequenceEqual(each.Second)));
    }

    private static byte[] Frame(int number, int length)
    {
        var frame = new byte[length];
        new Random(number).NextBytes(frame);
        return frame;
    }
}
