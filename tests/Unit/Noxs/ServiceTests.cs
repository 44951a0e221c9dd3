using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Host.Noxs;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>The calls of /dev/xen/noxs_backend: what they do, and what they refuse.</summary>
public sealed unsafe class ServiceTests : IDisposable
{
    private readonly MemoryMachine _machine = new();

    private NoxsService Service => _machine.Service;

    public void Dispose() => _machine.Dispose();

    [Fact]
    public void Devices_are_made_listed_asked_for_and_removed()
    {
        var sysctl = Service.Sysctl();
        var vif = Service.Vif(3);

        Assert.Equal(0u, sysctl.Id);
        Assert.Equal(3u, vif.Id);
        Assert.Equal([0u], Service.List(DeviceType.Sysctl));
        Assert.Equal([3u], Service.List(DeviceType.Vif));
        var query = new QueryArgument { Type = DeviceType.Vif, Frontend = 7, Id = 3 };
        Assert.Equal(0, Service.Do(NoxsCalls.Query, ref query));
        Assert.Equal(("00:16:3e:00:00:07", "xenbr0"), (query.Settings.Vif.MacText(), query.Settings.Vif.BridgeText()));
        Assert.Equal(["vif7.3"], _machine.Taps.Keys);

        Assert.Equal(0, Service.Destroy(DeviceType.Vif, 3));
        Assert.Equal(ErrnoText.ENOENT, Service.Destroy(DeviceType.Vif, 3));
        Assert.Equal(0, Service.Destroy(DeviceType.Sysctl));
        _machine.AssertEmpty();
    }

    [Fact]
    public void What_makes_no_sense_is_refused_and_leaves_nothing()
    {
        (CreateArgument Argument, int Errno)[] cases =
        [
            (new CreateArgument { Type = DeviceType.None, Frontend = 7 }, ErrnoText.EINVAL),
            (new CreateArgument { Type = (DeviceType)99, Frontend = 7 }, ErrnoText.EINVAL),
            (new CreateArgument { Type = (DeviceType)(-1), Frontend = 7 }, ErrnoText.EINVAL),
            (new CreateArgument { Type = DeviceType.Sysctl, Frontend = 0 }, ErrnoText.EINVAL),
            (new CreateArgument { Type = DeviceType.Sysctl, Frontend = 0x7ff0 }, ErrnoText.EINVAL),
            (new CreateArgument { Type = DeviceType.Sysctl, Frontend = 7, Backend = 1 }, ErrnoText.EINVAL),
            (new CreateArgument { Type = DeviceType.Sysctl, Frontend = 9 }, ErrnoText.ESRCH),
            (new CreateArgument { Type = DeviceType.Vif, Frontend = 7, Id = 256, Settings = Vif("00:16:3e:00:00:01", null) }, ErrnoText.EINVAL),
            (new CreateArgument { Type = DeviceType.Vif, Frontend = 7, Settings = Vif("00:00:00:00:00:00", null) }, ErrnoText.EINVAL),
            (new CreateArgument { Type = DeviceType.Vif, Frontend = 7, Settings = Vif("01:00:00:00:00:00", null) }, ErrnoText.EINVAL),
            (new CreateArgument { Type = DeviceType.Vif, Frontend = 7, Settings = Vif("00:16:3e:00:00:01", "nobr") }, ErrnoText.ENODEV),
            (new CreateArgument { Type = DeviceType.Console, Frontend = 7 }, ErrnoText.EINVAL),
        ];
        foreach (var (argument, errno) in cases)
        {
            var sent = argument;
            Assert.Equal(errno, Service.Do(NoxsCalls.Create, ref sent));
        }

        Assert.Equal(ErrnoText.EINVAL, Service.Close(CloseRequest.None));
        Assert.Equal(ErrnoText.EINVAL, Service.Close((CloseRequest)4));
        Assert.Equal(ErrnoText.ENOENT, Service.Close(CloseRequest.PowerOff));
        Assert.Equal(ErrnoText.ENOTTY, Service.Call(NoxsCalls.Create, new byte[12], process: 1));
        Assert.Equal(ErrnoText.ENOTTY, Service.Call(0x5401, new byte[48], process: 1));
        _machine.AssertEmpty();

        static DeviceSettings Vif(string mac, string? bridge) => new() { Vif = VifSettings.Of(mac, null, bridge) };
    }

    [Fact]
    public void A_device_is_made_once_and_a_guest_has_no_more_than_its_page_has_room_for()
    {
        Service.Sysctl();
        var again = new CreateArgument { Type = DeviceType.Sysctl, Frontend = 7 };
        Assert.Equal(ErrnoText.EEXIST, Service.Do(NoxsCalls.Create, ref again));
        for (uint i = 0; i < DevicePage.MaxDevices - 1; i++) Service.Vif(i);
        var more = new CreateArgument { Type = DeviceType.Vif, Frontend = 7, Id = 40, Settings = new DeviceSettings { Vif = VifSettings.Of("00:16:3e:00:00:01", null, null) } };
        Assert.Equal(ErrnoText.ENOSPC, Service.Do(NoxsCalls.Create, ref more));
        Service.Sysctl(8); // another guest has room of its own
    }

    [Fact]
    public void A_request_is_taken_back_as_long_as_the_guest_has_not_seen_it()
    {
        var page = (SysctlPage*)_machine.Shared[Service.Sysctl().Grant].Address;
        Assert.Equal(ErrnoText.ENOENT, Withdraw()); // it was asked nothing
        Assert.Equal(0, Service.Close(CloseRequest.PowerOff));
        Assert.Equal(SysctlBits.PowerOff, page->Request);
        Assert.Equal(0, Withdraw());
        Assert.Equal(default, page->Request);
        Assert.Equal(0, Service.Close(CloseRequest.Reboot));
        page->Request = default; // it takes it away when it sees it
        Assert.Equal(ErrnoText.ENOENT, Withdraw());
        Assert.Equal(ErrnoText.ENOENT, Withdraw(8));
        Assert.Equal(ErrnoText.EINVAL, Withdraw(0));

        int Withdraw(ushort domain = 7)
        {
            var argument = new CloseArgument { Domain = domain };
            return Service.Do(NoxsCalls.Withdraw, ref argument);
        }
    }

    [Fact]
    public void Several_devices_are_made_in_one_call()
    {
        _machine.Offered[(7, 3)] = 0;
        CreateArgument[] devices = [CreateArgument.Sysctl(7), Vif(0), Vif(5), CreateArgument.Console(7, 0, 3)];

        Assert.Equal(0, CreateMany(devices));

        Assert.Equal((0u, 0u, 5u), (devices[0].Id, devices[1].Id, devices[2].Id));
        Assert.Equal(3, devices[..3].Select(device => device.Grant).Distinct().Count());
        Assert.All(devices[..3], device => Assert.Contains(device.Port, _machine.Ports));
        Assert.Equal([0u, 5u], Service.List(DeviceType.Vif));
        Assert.Equal([0u], Service.List(DeviceType.Console));
        Assert.Equal(4, _machine.Notes[7].Count);

        var all = new DestroyAllArgument { Frontend = 7 };
        Assert.Equal(0, Service.Do(NoxsCalls.DestroyAll, ref all));
        Assert.Equal(0, Service.Do(NoxsCalls.DestroyAll, ref all)); // there are none
        _machine.AssertEmpty();
    }

    [Fact]
    public void Of_several_devices_all_are_made_or_none()
    {
        var there = Service.Vif(3);
        CreateArgument[][] cases =
        [
            [CreateArgument.Sysctl(7), Vif(0), Vif(3)], // there already
            [CreateArgument.Sysctl(7), Vif(0), Vif(0)],
            [CreateArgument.Sysctl(7), Vif(0, "nobr")],
            [CreateArgument.Sysctl(7), CreateArgument.Console(7, 0, 0)],
            [CreateArgument.Sysctl(7), Vif(0) with { Frontend = 8 }],
            [CreateArgument.Sysctl(7), Vif(0) with { Type = (DeviceType)99 }],
            [.. Enumerable.Range(10, DevicePage.MaxDevices).Select(id => Vif((uint)id))],
            [],
        ];
        foreach (var devices in cases)
        {
            Assert.NotEqual(0, CreateMany(devices));
            Assert.Equal([there.Grant], _machine.Shared.Keys);
            Assert.Single(_machine.Notes[7]);
        }

        Assert.Equal(ErrnoText.ENOTTY, Service.Call(NoxsCalls.CreateMany(2), new byte[48], process: 1));
    }

    [Fact]
    public void Nothing_is_left_of_devices_for_which_there_are_not_enough_pages_or_ports()
    {
        CreateArgument[] devices = [CreateArgument.Sysctl(7), Vif(0), Vif(1)];
        _machine.MostShared = 2;
        Assert.Equal(ErrnoText.ENOMEM, CreateMany(devices));
        _machine.AssertEmpty();

        _machine.MostShared = 3;
        for (var ports = 0; ports < devices.Length; ports++)
        {
            _machine.PortsLeft = ports;
            Assert.Equal(ErrnoText.ENOMEM, CreateMany(devices));
            _machine.AssertEmpty();
        }

        _machine.PortsLeft = devices.Length;
        Assert.Equal(0, CreateMany(devices));
    }

    [Fact]
    public void Devices_that_cannot_be_noted_are_not_made()
    {
        _machine.FailsNotes = true;
        Assert.Equal(LightVM.Linux.Libc.EIO, CreateMany([CreateArgument.Sysctl(7), Vif(0), Vif(1)]));
        _machine.AssertEmpty();

        _machine.FailsNotes = false;
        var there = Service.Vif(3);
        _machine.FailsNotes = true;
        Assert.Equal(LightVM.Linux.Libc.EIO, CreateMany([CreateArgument.Sysctl(7), Vif(0), Vif(1)]));
        Assert.Equal([there.Grant], _machine.Shared.Keys);
        Assert.Equal([3u], Service.List(DeviceType.Vif));
    }

    [Fact]
    public void What_is_made_goes_on_where_it_cannot_be_noted_and_is_noted_later()
    {
        Service.Sysctl();
        var guest = new GuestVif(_machine, 7, Service.Vif());
        guest.Connect();
        _machine.FailsNotes = true;

        for (var i = 0; i < 10; i++)
        {
            guest.Say(SideState.Closed);
            guest.Say(SideState.Initialising);
            guest.Connect();
        }

        Assert.Equal(SideState.Connected, guest.Backend);
        Assert.Equal(0, Service.Destroy(DeviceType.Sysctl));
        Assert.Equal(0, Service.AskToLetGo(DeviceType.Vif));
        Assert.Equal(2, _machine.Notes[7].Count);
        Assert.Single(_machine.Messages.ToString().TrimEnd().Split('\n'));

        _machine.FailsNotes = false;
        Service.DropEnded(() => _ => true);
        Assert.True(Assert.Single(_machine.Notes[7]).IsLeaving);
        _machine.FailsNotes = true;
        Service.DropEnded(() => _ => false);
        _machine.AssertEmpty();
    }

    [Fact]
    public void A_device_that_cannot_be_freed_in_whole_keeps_none_of_the_others()
    {
        (_machine.Offered[(7, 3)], _machine.FailsConsoles) = (0, true);
        Assert.Equal(0, CreateMany([CreateArgument.Console(7, 0, 3), CreateArgument.Sysctl(7), Vif(0)]));
        Service.DropEnded(() => _ => false);
        Assert.Contains("console 0 of domain 7 could not be freed in whole: no console", _machine.Messages.ToString(), StringComparison.Ordinal);
        _machine.AssertEmpty();
    }

    [Fact]
    public void A_device_that_fails_and_fails_to_end_is_no_concern_of_its_worker()
    {
        var device = new Unending(_machine);
        for (var i = 0; i < 10; i++) device.OnFailure(new InvalidOperationException("first"));
        Assert.Contains("cannot be disconnected: second", _machine.Messages.ToString(), StringComparison.Ordinal);
        Assert.Equal(8, _machine.Messages.ToString().TrimEnd().Split('\n').Length);
    }

    private sealed class Unending(MemoryMachine machine) : GuestDevice(machine, 7, 0, machine.Log)
    {
        public override DeviceType Type => DeviceType.Vif;

        public override void OnPort(uint port) => throw new NotSupportedException();

        public override DeviceRecord Record() => throw new NotSupportedException();

        public override void Remove() => throw new NotSupportedException();

        protected override void Break() => throw new InvalidOperationException("second");
    }

    private static CreateArgument Vif(uint id, string? bridge = "xenbr0") => CreateArgument.Vif(7, id, VifSettings.Of("00:16:3e:00:00:07", null, bridge));

    private int CreateMany(CreateArgument[] devices) => Service.Call(NoxsCalls.CreateMany(devices.Length), MemoryMarshal.AsBytes(devices.AsSpan()), process: 1);

    [Fact]
    public void The_devices_of_a_domain_go_with_it()
    {
        Service.Sysctl();
        Service.Vif();
        var other = Service.Sysctl(8);

        Service.DropEnded(() => domain => domain == 8);

        Assert.Equal([other.Grant], _machine.Shared.Keys);
        Service.DropEnded(() => _ => false);
        _machine.AssertEmpty();
    }

    [Fact]
    public void A_domain_that_comes_while_it_is_looked_which_have_ended_keeps_its_devices()
    {
        Service.Sysctl();
        var other = default(DevicePlace);

        Service.DropEnded(() =>
        {
            other = Service.Sysctl(8);
            return _ => false; // as of before it came
        });

        Assert.Equal([other.Grant], _machine.Shared.Keys);
    }

    [Fact]
    public void A_domain_of_an_id_that_is_in_use_again_keeps_its_devices()
    {
        Service.Sysctl();
        var next = default(DevicePlace);

        Service.DropEnded(() =>
        {
            Service.DropEnded(() => _ => false);
            next = Service.Sysctl();
            return _ => false;
        });

        Assert.Equal([next.Grant], _machine.Shared.Keys);
    }

    [Theory]
    [InlineData(CloseRequest.PowerOff, SysctlBits.PowerOff)]
    [InlineData(CloseRequest.Suspend, SysctlBits.Suspend)]
    [InlineData(CloseRequest.Reboot, SysctlBits.Reboot)]
    public void A_guest_is_asked_and_its_answer_ends_the_request(object request, object bit)
    {
        var place = Service.Sysctl();
        var page = (SysctlPage*)_machine.Shared[place.Grant].Address;
        Assert.Equal(SideState.InitialisingWait, page->Header.Backend);
        Say(SideState.Connected);
        Assert.Equal(SideState.Connected, page->Header.Backend);
        page->Header.FrontendWatch = WatchState.Requested;
        var notified = _machine.Notified[place.Port];

        Assert.Equal(0, Service.Close((CloseRequest)request));

        Assert.Equal((SysctlBits)bit, page->Request);
        Assert.Equal(WatchState.Updated, page->Header.FrontendWatch);
        Assert.Equal(notified + 1, _machine.Notified[place.Port]);
        // So a guest goes before it suspends, and comes back where the suspension was cancelled.
        foreach (var (said, answered) in new[] { (SideState.Closing, SideState.Closing), (SideState.Closed, SideState.Closed), (SideState.Initialising, SideState.InitialisingWait), (SideState.Connected, SideState.Connected) })
        {
            Say(said);
            Assert.Equal(answered, page->Header.Backend);
            Assert.Equal(WatchState.Updated, page->Header.FrontendWatch);
        }

        Assert.Equal((SysctlBits)0, page->Request);

        void Say(SideState state)
        {
            page->Header.Frontend = state;
            page->Header.FrontendWatch = WatchState.Requested;
            _machine.Fire(place.Port);
            Assert.Equal(WatchState.Requested, page->Header.BackendWatch);
        }
    }

    [Fact]
    public void A_guest_is_told_that_its_page_has_changed()
    {
        Assert.Equal(ErrnoText.ENOENT, Service.TellOfPage());
        var sysctl = Service.Sysctl();
        var before = _machine.Notified.GetValueOrDefault(sysctl.Port);
        Assert.Equal(0, Service.TellOfPage());
        Assert.Equal(before + 1, _machine.Notified[sysctl.Port]);
        Assert.Equal(default, ((SysctlPage*)_machine.Shared[sysctl.Grant].Address)->Request); // it is asked nothing
        Assert.Equal(ErrnoText.ENOENT, Service.TellOfPage(8));
        Assert.Equal(ErrnoText.EINVAL, Service.TellOfPage(0));
    }

    [Fact]
    public void A_guest_that_is_asked_to_let_go_of_a_device_has_it_until_it_does()
    {
        Assert.Equal(ErrnoText.ENOENT, Service.AskToLetGo(DeviceType.Vif));
        Assert.Equal(ErrnoText.EINVAL, Service.AskToLetGo(DeviceType.Sysctl));
        Service.Sysctl();
        var guest = new GuestVif(_machine, 7, Service.Vif());
        guest.Connect();

        Assert.Equal(0, Service.AskToLetGo(DeviceType.Vif));
        Assert.Equal(SideState.Closing, guest.Backend);
        Assert.Equal(0, Service.AskToLetGo(DeviceType.Vif)); // once more
        guest.Send(new byte[60]);
        _machine.Fire(guest.BackendPort);
        Assert.Equal([(short)0], guest.TakeSent());
        Assert.Equal([0u], Service.List(DeviceType.Vif));

        guest.Say(SideState.Closed);
        Assert.Empty(Service.List(DeviceType.Vif));
        Assert.Empty(_machine.Taps);
        Assert.Equal(ErrnoText.ENOENT, Service.Destroy(DeviceType.Vif));
        Service.Destroy(DeviceType.Sysctl);
        _machine.AssertEmpty();
    }

    [Fact]
    public void A_disk_that_a_guest_lets_go_of_answers_what_is_under_way_first()
    {
        _machine.Disks[1] = new MemoryDisk(1, 64);
        var guest = new GuestVbd(_machine, 7, Service.Vbd(1));
        guest.Connect();
        guest.Ask(DiskOperation.Write, 1, 0);
        _machine.FireOnce(guest.BackendPort);
        Assert.NotEmpty(_machine.DiskWork);

        Assert.Equal(0, Service.AskToLetGo(DeviceType.Vbd, 51712));
        guest.Say(SideState.Closed);
        Assert.Equal([51712u], Service.List(DeviceType.Vbd)); // it waits for its disk
        _machine.Settle();
        Assert.Empty(Service.List(DeviceType.Vbd));
        Assert.Equal([(1ul, DiskOperation.Write, VbdRequest.Okay)], guest.Take());
        _machine.AssertEmpty();
    }

    [Fact]
    public void A_device_that_no_guest_has_taken_is_removed_at_once()
    {
        Service.Vif();
        Assert.Equal(0, Service.AskToLetGo(DeviceType.Vif));
        _machine.AssertEmpty();
    }

    [Theory]
    [InlineData(SideState.Initialising)]
    [InlineData(SideState.Closed)]
    public void A_daemon_that_comes_later_knows_what_the_guest_was_asked_for(object says)
    {
        var guest = new GuestVif(_machine, 7, Service.Vif());
        guest.Connect();
        Service.AskToLetGo(DeviceType.Vif);
        var record = Assert.Single(_machine.Notes[7]);

        using var next = _machine.Successor();
        Assert.True(next.Service.Adopt(7, next, record, each => next.Shared[each.Grant]));
        guest = guest.At(next);
        Assert.Equal(SideState.Closing, guest.Backend);
        guest.Say((SideState)says); // it begins anew, or lets go: there is nothing more for it
        Assert.Empty(next.Service.List(DeviceType.Vif));
        next.AssertEmpty();
    }

    [Fact]
    public void What_a_guest_let_go_of_while_there_was_no_daemon_is_removed_by_the_next()
    {
        var guest = new GuestVif(_machine, 7, Service.Vif());
        guest.Connect();
        Service.AskToLetGo(DeviceType.Vif);
        var record = Assert.Single(_machine.Notes[7]);
        ((ControlHeader*)guest.Control)->Frontend = SideState.Closed;

        using var next = _machine.Successor();
        Assert.True(next.Service.Adopt(7, next, record, each => next.Shared[each.Grant]));
        next.AssertEmpty();
    }

    [Fact]
    public void An_interface_begins_until_the_host_has_its_end()
    {
        _machine.HoldsInterfaces = true;
        var guest = new GuestVif(_machine, 7, Service.Vif());
        Assert.Equal(SideState.Initialising, Service.StateOf(DeviceType.Vif));
        guest.Connect();
        Assert.Equal((SideState.Initialising, SideState.InitialisingWait), (Service.StateOf(DeviceType.Vif), guest.Backend));
        _machine.MakeHeld();
        Assert.Equal(SideState.Connected, Service.StateOf(DeviceType.Vif));
    }

    [Fact]
    public void Of_each_device_it_is_told_how_far_it_is()
    {
        var place = Service.Vif(2);
        Assert.Equal([(2u, SideState.InitialisingWait)], States());
        ((ControlHeader*)_machine.Shared[place.Grant].Address)->Frontend = SideState.Closed;
        _machine.Fire(place.Port);
        Assert.Equal([(2u, SideState.Closed)], States());
        Service.Destroy(DeviceType.Vif, 2);
        Assert.Empty(States());

        (uint, SideState)[] States()
        {
            var argument = new StatesArgument { Type = DeviceType.Vif, Frontend = 7 };
            Assert.Equal(0, Service.Do(NoxsCalls.States, ref argument));
            var states = new (uint, SideState)[argument.Count];
            for (var i = 0; i < states.Length; i++) states[i] = (argument.Ids[i], (SideState)argument.States[i]);
            return states;
        }
    }

    [Fact]
    public void What_the_guest_writes_into_this_sides_state_changes_nothing()
    {
        var place = Service.Sysctl();
        var page = (SysctlPage*)_machine.Shared[place.Grant].Address;
        page->Header.Backend = SideState.Connected;
        page->Header.Frontend = SideState.Connected;
        _machine.Fire(place.Port);
        page->Header.Backend = SideState.InitialisingWait;
        var notified = _machine.Notified[place.Port];
        _machine.Fire(place.Port);
        Assert.Equal(notified, _machine.Notified[place.Port]); // it is connected, whatever is written there
    }

    [Fact]
    public void A_daemon_that_comes_later_goes_on_with_what_was_noted()
    {
        var sysctl = Service.Sysctl();
        var guest = new GuestVif(_machine, 7, Service.Vif());
        guest.Connect();
        guest.Offer(10);
        guest.Send(new byte[60]);
        _machine.Fire(guest.BackendPort);
        guest.TakeSent();
        var notes = _machine.Notes[7];
        Assert.Equal(new PortPair(GuestVif.Port, guest.BackendPort), notes[1].First);

        // The old one is gone without a word: mappings end with it, granted pages and ports do not.
        using var next = _machine.Successor();
        foreach (var record in notes) Assert.True(next.Service.Adopt(7, next, record, each => next.Shared[each.Grant]));
        guest = guest.At(next);

        Assert.Equal(SideState.Connected, guest.Backend);
        guest.Send(new byte[61]);
        next.Fire(guest.BackendPort);
        Assert.Equal([(short)0], guest.TakeSent());
        Assert.Equal(61, Assert.Single(next.Taps["vif7.0"].FromGuest).Length);
        next.Taps["vif7.0"].ToGuest.Enqueue(new byte[99]);
        next.Settle();
        Assert.Equal(99, Assert.Single(guest.TakeReceived())!.Length);
        Assert.Equal(0, next.Service.Close(CloseRequest.PowerOff));
        Assert.Equal(SysctlBits.PowerOff, ((SysctlPage*)next.Shared[sysctl.Grant].Address)->Request);
        next.Service.DropEnded(() => _ => false);
        next.AssertEmpty();
    }

    [Fact]
    public void Notes_that_are_damaged_are_none()
    {
        var record = new DeviceRecord(DeviceType.Vif, 3, 1ul << 40, 5, 6) { First = new PortPair(7, 8), Settings = [1, 2] };
        var line = record.Write();
        var read = DeviceRecord.Read(line)!;
        Assert.Equal(line, read.Write());
        for (var i = 0; i < line.Length; i++) Assert.Null(DeviceRecord.Read(line[..i]));
        var leaving = (record with { IsLeaving = true }).Write();
        Assert.Equal((false, true), (read.IsLeaving, DeviceRecord.Read(leaving)!.IsLeaving));
        for (var i = 0; i < leaving.Length; i++) Assert.Null(DeviceRecord.Read(leaving[..i]));
        Assert.Null(DeviceRecord.Read(line.Replace("Vif", "Wif", StringComparison.Ordinal)));
        Assert.Null(DeviceRecord.Read(line.Replace(" 6 ", " 66666666666 ", StringComparison.Ordinal)));
    }
}
