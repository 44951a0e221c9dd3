using LightVM.Errors;
using LightVM.Host.Noxs;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>A disk's ring, with a guest that keeps to the protocol, and with ones that do not.</summary>
public sealed unsafe class VbdTests : IDisposable
{
    private const int Sectors = 4096;

    private readonly MemoryMachine _machine = new();
    private readonly MemoryDisk _disk = new(1, Sectors);
    private readonly GuestVbd _guest;

    public VbdTests()
    {
        _machine.Disks[1] = _disk;
        _machine.Disks[2] = new MemoryDisk(2, 64, sectorSize: 4096, canDiscard: false);
        Random.Shared.NextBytes(_disk.Content);
        _guest = new GuestVbd(_machine, 7, _machine.Service.Vbd(1));
    }

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void A_guest_is_told_what_its_disk_is()
    {
        Assert.Equal(SideState.InitialisingWait, _guest.Backend);
        var page = _guest.Control;
        Assert.Equal((Sectors, 512ul, 4096ul, 0u, VbdMode.ReadWrite), ((int)page->Sectors, page->SectorSize, page->PhysicalSectorSize, page->Info, page->Mode));
        Assert.Equal(VbdBackendFeatures.FlushCache | VbdBackendFeatures.Discard, page->BackendFeatures.Bits);
        Assert.Equal((1, 4096, 0), (page->DiscardEnabled, page->DiscardGranularity, page->DiscardSecure));

        var readOnly = new GuestVbd(_machine, 8, _machine.Service.Vbd(2, VbdMode.ReadOnly, domain: 8));
        Assert.Equal((64, 4096ul, 4u, VbdMode.ReadOnly), ((int)readOnly.Control->Sectors, readOnly.Control->SectorSize, readOnly.Control->Info, readOnly.Control->Mode));
        Assert.Equal(VbdBackendFeatures.FlushCache, readOnly.Control->BackendFeatures.Bits);
    }

    [Theory]
    [InlineData(GuestVbd.Port)]
    [InlineData(0u)] // the device's own does for all
    public void What_is_written_is_read_in_parts_of_any_shape(uint port)
    {
        _guest.Connect(port);
        Assert.Equal(SideState.Connected, _guest.Backend);
        var expected = _disk.Content.ToArray();
        var random = new Random(1);
        for (var round = 0; round < 300; round++)
        {
            var segments = Enumerable.Range(0, random.Next(1, 12)).Select(_ => Segment(random)).ToArray();
            var length = segments.Sum(segment => segment.Last - segment.First + 1);
            var sector = random.Next(Sectors - length);
            var isWrite = random.Next(2) == 0;
            for (uint i = 0; i < segments.Length; i++)
            {
                random.NextBytes(_guest.Buffer(i));
                var here = expected.AsSpan(sector * 512, (segments[i].Last - segments[i].First + 1) * 512);
                if (isWrite) Part(i).CopyTo(here);
                sector += here.Length / 512;
            }

            sector -= length;
            Assert.Equal(0, _guest.Do(isWrite ? DiskOperation.Write : DiskOperation.Read, (ulong)sector, 0, segments));
            Assert.Equal(expected, _disk.Content);
            for (uint i = 0; i < segments.Length && !isWrite; i++)
            {
                Assert.True(Part(i).SequenceEqual(expected.AsSpan(sector * 512, Part(i).Length)));
                sector += Part(i).Length / 512;
            }

            Span<byte> Part(uint i) => _guest.Buffer(i)[(segments[i].First * 512)..((segments[i].Last + 1) * 512)];
        }
    }

    [Fact]
    public void Requests_are_answered_in_their_order_whichever_is_done_first()
    {
        _guest.Connect();
        for (ulong i = 0; i < 4; i++) _guest.Ask(DiskOperation.Read, i + 100, i * 100, (uint)i * 11);
        _guest.Tell();
        Assert.Equal(4, _machine.DiskWork.Count);
        var work = _machine.DiskWork.ToArray();
        _machine.DiskWork.Clear();
        work[1].Do();
        work[3].Do();
        Assert.Empty(_guest.Take());
        work[0].Do();
        Assert.Equal([100, 101], _guest.Take().Select(answer => answer.Id));
        work[2].Do();
        Assert.Equal([102, 103], _guest.Take().Select(answer => answer.Id));
    }

    [Fact]
    public void What_follows_on_is_done_in_one_go_and_what_fails_of_it_is_found()
    {
        _guest.Connect();
        _disk.Bad.Add(17);
        for (ulong i = 0; i < 8; i++) _guest.Ask(DiskOperation.Write, i, i * 8, (uint)i);
        _guest.Ask(DiskOperation.Write, 8, 1000, 8);
        _guest.Tell();
        _machine.Settle();

        Assert.Equal([(short)0, 0, -1, 0, 0, 0, 0, 0, 0], _guest.Take().Select(answer => answer.Status));
        Assert.Contains("write at sector 16", _machine.Messages.ToString(), StringComparison.Ordinal);
        _disk.Bad.Clear();
        _disk.Done.Clear();
        // Shared out among eight threads.
        for (ulong i = 0; i < 32; i++) _guest.Ask(DiskOperation.Read, i, i * 8, (uint)i);
        _guest.Tell();
        _machine.Settle();
        Assert.Equal((0, 32 * 4096), (_disk.Done[0].Offset, _disk.Done.Sum(done => done.Length)));
        Assert.InRange(_disk.Done.Count, 4, 16);
        Assert.All(_guest.Take(), answer => Assert.Equal(0, answer.Status));
    }

    [Fact]
    public void Flushes_and_discards_reach_the_disk()
    {
        _guest.Connect();
        Assert.Equal(0, _guest.Do(DiskOperation.Flush, 0));
        _guest.AskDiscard(5, 8, 16);
        _guest.AskDiscard(6, 8, 16, flags: 1); // securely
        _guest.AskDiscard(7, Sectors - 8, 16);
        _guest.Tell();
        _machine.Settle();
        Assert.Equal([(short)0, -2, -1], _guest.Take().Select(answer => answer.Status));
        Assert.Equal([('f', 0, 0), ('d', 8 * 512, 16 * 512)], _disk.Done);
    }

    [Fact]
    public void What_a_guest_may_not_have_is_refused_and_nothing_else()
    {
        _guest.Connect();
        (byte, byte)[] all = [(0, 7)];
        Assert.Equal(-1, _guest.Do(DiskOperation.Read, Sectors));
        Assert.Equal(-1, _guest.Do(DiskOperation.Write, Sectors - 7, 0, all));
        Assert.Equal(-1, _guest.Do(DiskOperation.Read, ulong.MaxValue - 3, 0, all));
        Assert.Equal(-1, _guest.Do(DiskOperation.Read, ulong.MaxValue / 512, 0, all));
        Assert.Equal(-1, _guest.Do(DiskOperation.Read, 0, 0, []));
        Assert.Equal(-2, _guest.Do(DiskOperation.Barrier, 0, 0, all));
        Assert.Equal(-2, _guest.Do((DiskOperation)6, 0)); // indirect, which was not offered
        Assert.Equal(-2, _guest.Do((DiskOperation)255, 0));
        Assert.Empty(_disk.Done);
        Assert.Equal(0, _guest.Do(DiskOperation.Read, Sectors - 8, 0, all));

        var readOnly = new GuestVbd(_machine, 8, _machine.Service.Vbd(2, VbdMode.ReadOnly, domain: 8));
        readOnly.Connect();
        Assert.Equal(-1, readOnly.Do(DiskOperation.Write, 0, 0, all));
        Assert.Equal(-2, readOnly.Do(DiskOperation.Discard, 0));
        Assert.Equal(-1, readOnly.Do(DiskOperation.Read, 1, 0, all)); // half of a sector of this disk
        Assert.Equal(-1, readOnly.Do(DiskOperation.Read, 0, 0, [(0, 6)]));
        Assert.Equal(0, readOnly.Do(DiskOperation.Read, 8, 0, all));
        Assert.Equal((SideState.Connected, SideState.Connected), (_guest.Backend, readOnly.Backend));
    }

    [Theory]
    [InlineData("segments")]
    [InlineData("sectors")]
    [InlineData("order")]
    [InlineData("grant")]
    [InlineData("readgrant")]
    [InlineData("index")]
    public void Who_breaks_the_rules_is_disconnected_and_may_begin_again(string how)
    {
        _guest.Connect();
        _guest.Ask(DiskOperation.Write, 1, 0);
        switch (how)
        {
            case "segments":
                _guest.Ask(DiskOperation.Read, 2, 0, count: 12);
                break;
            case "sectors":
                _guest.Ask(DiskOperation.Read, 2, 0, 0, [(0, 8)]);
                break;
            case "order":
                _guest.Ask(DiskOperation.Read, 2, 0, 0, [(3, 2)]);
                break;
            case "grant":
                _guest.Ask(DiskOperation.Write, 2, 8, grant: 99);
                break;
            case "readgrant":
                _guest.Ask(DiskOperation.Read, 2, 8, grant: 99);
                break;
            case "index":
                GuestVif.Index(_guest.Page, 0) = 34;
                break;
        }

        _guest.Tell();
        _machine.Settle();
        Assert.Equal(SideState.Closed, _guest.Backend);
        Assert.Contains("vbd 51712 of domain 7: ", _machine.Messages.ToString(), StringComparison.Ordinal);
        Assert.Equal(4 * GuestVbd.Slots, _machine.FreeBuffers);
        Assert.Equal(0, _machine.Mapped);

        _guest.Say(SideState.Initialising);
        Assert.Equal(SideState.InitialisingWait, _guest.Backend);
        _guest.Connect();
        Assert.Equal(0, _guest.Do(DiskOperation.Read, 0));
    }

    [Fact]
    public void What_is_offered_wrongly_is_refused()
    {
        _guest.Connect();
        Action[] mistakes =
        [
            () => *(uint*)((byte*)_guest.Control + VbdPage.RingsOffset + 4) = 99,
            () => _guest.Control->Rings = 2,
            () => _guest.Control->RingPageOrder = 1,
            () => _guest.Control->RingPort = 99,
            () => "x86_32-abi\0"u8.CopyTo(_guest.Control->Protocol),
            () => GuestVif.Index(_guest.Page, 0) = 33,
        ];
        foreach (var mistake in mistakes)
        {
            _guest.Say(SideState.Closed);
            _guest.Say(SideState.Initialising);
            Assert.Equal(SideState.InitialisingWait, _guest.Backend);
            mistake();
            _guest.Say(SideState.Connected);
            Assert.Equal(SideState.Closed, _guest.Backend);
            Assert.Equal(0, _machine.Mapped);
            _guest.Say(SideState.Initialising);
            _guest.Connect();
            Assert.Equal(SideState.Connected, _guest.Backend);
        }
    }

    [Fact]
    public void A_guest_that_closes_is_followed_when_all_is_done()
    {
        _guest.Connect();
        _guest.Ask(DiskOperation.Write, 1, 0);
        _guest.Tell();
        _guest.Say(SideState.Closing);
        Assert.Equal(SideState.Connected, _guest.Backend);
        _machine.Settle();
        Assert.Equal(SideState.Closing, _guest.Backend);
        Assert.Equal((1ul, DiskOperation.Write, (short)0), Assert.Single(_guest.Take()));
        _guest.Say(SideState.Closed);
        Assert.Equal(SideState.Closed, _guest.Backend);
        Assert.Equal(0, _machine.Mapped);
    }

    [Fact]
    public void A_disk_that_is_removed_has_nothing_more_to_write()
    {
        _guest.Connect();
        _guest.Ask(DiskOperation.Write, 1, 0);
        _guest.Tell();
        var work = _machine.DiskWork.Dequeue();
        using var begun = new ManualResetEventSlim();
        var late = new Thread(() =>
        {
            begun.Set();
            Thread.Sleep(50);
            work.Do();
        });
        late.Start();
        begun.Wait(TestContext.Current.CancellationToken);
        Assert.Equal(0, _machine.Service.Destroy(DeviceType.Vbd, 51712));
        Assert.Equal([('w', 0, 4096)], _disk.Done);
        Assert.False(_disk.IsOpen);
        late.Join();
        _machine.AssertEmpty();
    }

    [Fact]
    public void Who_asks_again_whenever_it_is_answered_leaves_the_others_their_turn()
    {
        const uint All = 100_000;
        _guest.Connect();
        var page = _guest.Page;
        var asking = new Thread(() =>
        {
            for (uint asked = 1; asked <= All; asked++)
            {
                *(byte*)(page + 64 + (int)((asked - 1) % GuestVbd.Slots) * VbdRequest.RingSize) = 255; // answered at once: there is no such request
                Volatile.Write(ref GuestVif.Index(page, 0), asked);
                for (var i = 0; Volatile.Read(ref GuestVif.Index(page, 2)) != asked; i++) Thread.SpinWait(i % 8);
            }
        })
        { IsBackground = true };
        asking.Start();
        var most = 0u;
        for (var answered = 0u; answered < All;)
        {
            _machine.FireOnce(_guest.BackendPort);
            var now = GuestVif.Index(page, 2);
            (most, answered) = (Math.Max(most, now - answered), now);
        }

        asking.Join();
        Assert.InRange(most, 1u, 4u);
    }

    [Fact]
    public void Many_disks_share_the_room_there_is_and_all_are_served()
    {
        // Five disks ask for more than there are buffers.
        var guests = new List<GuestVbd>();
        for (uint i = 0; i < 5; i++)
        {
            _machine.Disks[10 + i] = new MemoryDisk(10 + i, Sectors);
            _machine.Domains.Add((ushort)(20 + i));
            var guest = new GuestVbd(_machine, (ushort)(20 + i), _machine.Service.Vbd(10 + i, domain: (ushort)(20 + i)));
            guest.Connect();
            for (uint request = 0; request < GuestVbd.Slots; request++) guest.Ask(DiskOperation.Read, request, request * 100, request);
            guest.Tell();
            guests.Add(guest);
        }

        Assert.Equal(0, _machine.FreeBuffers);
        _machine.Settle();
        Assert.All(guests, guest => Assert.Equal(Enumerable.Range(0, GuestVbd.Slots).Select(id => ((ulong)id, DiskOperation.Read, (short)0)), guest.Take()));
        Assert.Equal(4 * GuestVbd.Slots, _machine.FreeBuffers);
    }

    [Fact]
    public void The_next_daemon_does_what_was_not_answered()
    {
        _guest.Connect();
        for (ulong i = 0; i < 6; i++)
        {
            _guest.Buffer((uint)i).Fill((byte)(i + 1));
            _guest.Ask(DiskOperation.Write, i, i * 100, (uint)i);
        }

        _guest.Tell();
        var work = _machine.DiskWork.ToArray();
        work[2].Do(); // not answered: those before it are not done
        Assert.Empty(_guest.Take());

        using var next = Succeed();
        next.Settle();
        Assert.Equal(Enumerable.Range(0, 6).Select(id => ((ulong)id, DiskOperation.Write, (short)0)), _guest.Take());
        for (var i = 0; i < 6; i++) Assert.Equal(i + 1, _disk.Content[i * 100 * 512]);
        Assert.Equal(0, _guest.At(next).Do(DiskOperation.Flush, 0));
    }

    [Fact]
    public void An_answer_that_was_half_written_is_written_and_no_request_is_made_of_it()
    {
        // An id of which the bytes would be a write of one segment, as the response of a daemon that died before it showed it.
        const ulong Id = 0x0000_0000_0000_0101;
        _guest.Connect();
        _guest.Ask(DiskOperation.Read, Id, 8);
        _guest.Tell();
        _machine.Settle();
        GuestVif.Index(_guest.Page, 2) = 0;
        var before = _disk.Content.ToArray();

        using var next = Succeed();
        next.Settle();
        Assert.Equal((Id, DiskOperation.Read, (short)0), Assert.Single(_guest.Take()));
        Assert.Equal(before, _disk.Content);
        Assert.Empty(next.DiskWork);
        Assert.Equal(0, _guest.At(next).Do(DiskOperation.Read, 0));
    }

    [Fact]
    public void A_disk_that_is_gone_when_the_next_daemon_comes_is_told_to_the_guest()
    {
        _guest.Connect();
        _machine.Disks.Remove(1);
        using var next = Succeed();
        Assert.Equal(SideState.Closed, _guest.Backend);
        Assert.Contains("vbd 51712 of domain 7: no such disk", next.Messages.ToString(), StringComparison.Ordinal);
        next.Service.DropEnded(() => _ => false);
        next.AssertEmpty();
    }

    [Fact]
    public void A_disk_is_written_by_one_or_read_by_many()
    {
        Assert.Equal(ErrnoText.EBUSY, Refused(1, VbdMode.ReadOnly, 8));
        Assert.Contains("vbd 51712 of domain 7 has it", _machine.Messages.ToString(), StringComparison.Ordinal);
        _machine.Disks[1].Open(VbdMode.ReadWrite); // what was refused has closed it, as it is one object here
        _machine.Service.Vbd(2, VbdMode.ReadOnly, id: 51728);
        _machine.Service.Vbd(2, VbdMode.ReadOnly, domain: 8);
        Assert.Equal(ErrnoText.EBUSY, Refused(2, VbdMode.ReadWrite, 8));
        Assert.Equal(ErrnoText.ENODEV, Refused(3, VbdMode.ReadWrite, 8));
        Assert.Equal(ErrnoText.EINVAL, Refused(2, (VbdMode)3, 8));

        int Refused(uint disk, VbdMode mode, ushort domain)
        {
            var argument = CreateArgument.Vbd(domain, 51728, new VbdSettings { Minor = disk, Type = VbdType.Physical, Mode = mode });
            return _machine.Service.Do(NoxsCalls.Create, ref argument);
        }
    }

    private static (byte First, byte Last) Segment(Random random)
    {
        var first = random.Next(8);
        return ((byte)first, (byte)random.Next(first, 8));
    }

    private MemoryMachine Succeed()
    {
        var records = _machine.Notes[7];
        var next = _machine.Successor();
        foreach (var record in records) Assert.True(next.Service.Adopt(7, next, record, each => next.Shared[each.Grant]));
        _guest.At(next);
        return next;
    }
}
