using FsCheck;
using FsCheck.Fluent;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Host.Devices;

namespace LightVM.Unit.Host.Devices;

public sealed class DeviceTableTests
{
    private static readonly Guid One = Guid.Parse("11111111-0000-0000-0000-000000000000");
    private static readonly Guid Two = Guid.Parse("22222222-0000-0000-0000-000000000000");
    private static readonly DiskIdentity File = new(false, 8, 1, 77);

    private readonly FakeTime _time = new();
    private readonly DeviceTable _table;

    public DeviceTableTests()
    {
        _table = new DeviceTable(_time);
    }

    // --- addresses ----------------------------------------------------------------------------------------------------

    [Fact]
    public void The_same_domain_gets_the_same_addresses_again()
    {
        var first = Reserve(One, null, null);

        Assert.Equal(first, Reserve(One, null, null));
        Assert.Equal(2, first.Distinct().Count());
        Assert.DoesNotContain(first[0], Reserve(Two, null, null));
    }

    [Fact]
    public void A_given_address_is_taken_while_it_is_held_and_while_its_interface_is_there()
    {
        const string Mac = "00:16:3e:01:02:03";
        Assert.Equal([Mac], Reserve(One, Mac));
        AssertFails(ErrorIds.MacAddressTaken, () => Reserve(Two, Mac));

        _time.Advance(DeviceTable.HoldTime);
        Assert.Equal([Mac], Reserve(Two, Mac));

        _table.AddInterface(Vif(5, 0), Two, Mac);
        _time.Advance(DeviceTable.HoldTime * 2);
        AssertFails(ErrorIds.MacAddressTaken, () => Reserve(One, Mac));
        Assert.Equal([Mac], Reserve(Two, Mac)); // as a domain does that restarts

        _table.Remove(Vif(5, 0));
        _table.Release(Two, [Network(0, null)]);
        Assert.Equal([Mac], Reserve(One, Mac));
    }

    [Fact]
    public void A_domain_has_an_address_once()
    {
        const string Mac = "00:16:3e:01:02:03";
        AssertFails(ErrorIds.MacAddressTaken, () => Reserve(One, Mac, Mac));

        _table.AddInterface(Vif(5, 0), One, Mac);
        AssertFails(ErrorIds.MacAddressTaken, () => _table.Reserve(One, [Network(1, Mac)], []));
    }

    [Fact]
    public void An_address_that_was_asked_for_moves_with_the_next_request_of_its_domain()
    {
        const string Mac = "00:16:3e:01:02:03";
        _table.Reserve(One, [Network(0, Mac)], []);

        Assert.Equal([Mac], _table.Reserve(One, [Network(1, Mac)], []));
        Assert.NotEqual(Mac, _table.Reserve(One, [Network(0, null)], [])[0]);
    }

    [Fact]
    public void A_made_up_address_that_somebody_has_is_made_up_again()
    {
        var first = MacGenerator.Make(One, 0, 0);
        _table.AddInterface(Vif(9, 0), Two, first);

        Assert.Equal([MacGenerator.Make(One, 0, 1)], Reserve(One, [null]));
        _table.Remove(Vif(9, 0));
        Assert.Equal([MacGenerator.Make(One, 0, 1)], Reserve(One, [null])); // what it was told it keeps
    }

    [Fact]
    public void No_address_is_ever_held_for_two_interfaces() =>
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll((byte[] choices) =>
        {
            var table = new DeviceTable(new FakeTime());
            var held = new Dictionary<(Guid, int), string>();
            foreach (var choice in choices)
            {
                // Few domains and few addresses, so that they meet.
                var domain = new Guid(choice & 3, 0, 0, new byte[8]);
                int id = choice >> 2 & 3;
                var mac = (choice >> 4) switch { 0 => null, < 8 => MacGenerator.Make(domain, id, 0), var other => $"00:16:3e:00:00:{other % 3:x2}" };
                try
                {
                    var got = table.Reserve(domain, [Network(id, mac)], [])[0];
                    foreach (var stale in held.Where(entry => entry.Key.Item1 == domain && entry.Value == got).Select(entry => entry.Key).ToArray()) held.Remove(stale);
                    held[(domain, id)] = got;
                }
                catch (LvmException error) when (error.ErrorId == ErrorIds.MacAddressTaken)
                {
                    if (!held.Any(entry => entry.Value == mac && entry.Key.Item1 != domain)) return false;
                }

                if (held.Values.Distinct().Count() != held.Count) return false;
            }

            return table.Counts.Reservations == held.Count;
        }));

    // --- disks ----------------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData(DiskAccess.ReadOnly, DiskAccess.ReadOnly, true)]
    [InlineData(DiskAccess.ReadOnly, DiskAccess.ReadWrite, false)]
    [InlineData(DiskAccess.ReadWrite, DiskAccess.ReadOnly, false)]
    [InlineData(DiskAccess.ReadWrite, DiskAccess.ReadWrite, false)]
    public void Readers_share_and_a_writer_is_alone(DiskAccess first, DiskAccess second, bool together)
    {
        Reserve(One, first);
        AssertTogether();

        _table.AddDisk(Vbd(5), One, File, first, "/a.img");
        AssertTogether();
        Assert.Equal(0, _table.Counts.Reservations - (together ? 1 : 0));

        Reserve(One, first); // its own domain may always, as when it restarts
        _table.Remove(Vbd(5));
        _table.Release(One, [Disk(first)]);
        Reserve(Two, second);

        void AssertTogether()
        {
            if (together) Reserve(Two, second);
            else AssertFails(ErrorIds.DiskInUse, () => Reserve(Two, second));
        }
    }

    [Fact]
    public void A_disk_that_nobody_attached_is_free_after_a_while()
    {
        Reserve(One, DiskAccess.ReadWrite);
        _time.Advance(DeviceTable.HoldTime - TimeSpan.FromSeconds(1));
        AssertFails(ErrorIds.DiskInUse, () => Reserve(Two, DiskAccess.ReadWrite));

        _time.Advance(TimeSpan.FromSeconds(1));
        Reserve(Two, DiskAccess.ReadWrite);
        AssertFails(ErrorIds.DiskInUse, () => _table.AddDisk(Vbd(5), One, File, DiskAccess.ReadWrite, "/a.img")); // too late
        Assert.False(_table.Contains(Vbd(5)));
    }

    [Fact]
    public void The_error_says_who_has_it()
    {
        _table.AddDisk(Vbd(5), One, File, DiskAccess.ReadWrite, "/a.img");

        var error = AssertFails(ErrorIds.DiskInUse, () => _table.RequireFree(File, DiskAccess.ReadOnly, "/a.img"));
        Assert.Contains("/a.img", error.Problem, StringComparison.Ordinal);
        Assert.Contains("domain 5", error.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_request_is_held_as_a_whole_or_not_at_all()
    {
        _table.AddDisk(Vbd(5), Two, File, DiskAccess.ReadWrite, "/a.img");

        Assert.Throws<LvmException>(() => _table.Reserve(One, [Network(0, "00:16:3e:01:02:03")], [(Disk(DiskAccess.ReadOnly), File)]));
        Assert.Throws<LvmException>(() => _table.Reserve(One, [Network(0, null), Network(1, "00:16:3e:00:00:01"), Network(2, "00:16:3e:00:00:01")], []));
        Assert.Equal(0, _table.Counts.Reservations);
    }

    [Fact]
    public void Only_what_was_asked_for_exactly_counts_as_looked_at()
    {
        Reserve(One, DiskAccess.ReadOnly);

        Assert.True(_table.Holds(One, 51712, File, DiskAccess.ReadOnly));
        Assert.False(_table.Holds(One, 51712, File, DiskAccess.ReadWrite));
        Assert.False(_table.Holds(Two, 51712, File, DiskAccess.ReadOnly));
        Assert.False(_table.Holds(One, 51712, File with { Inode = 78 }, DiskAccess.ReadOnly));
        _table.AddDisk(Vbd(5), One, File, DiskAccess.ReadOnly, "/a.img");
        Assert.False(_table.Holds(One, 51712, File, DiskAccess.ReadOnly));
    }

    private IReadOnlyList<string> Reserve(Guid domain, params string?[] macs) => _table.Reserve(domain, macs.Select((mac, id) => Network(id, mac)).ToArray(), []);

    private void Reserve(Guid domain, DiskAccess access) => _table.Reserve(domain, [], [(Disk(access), File)]);

    private static NetworkDevice Network(int id, string? mac) => new(id, new NetworkConfig(null, mac, null));

    private static DiskDevice Disk(DiskAccess access) => new(51712, new DiskConfig("/a.img", DiskType.File, "xvda", access));

    private static DeviceKey Vif(uint domain, int id) => new(DeviceKind.Network, domain, id);

    private static DeviceKey Vbd(uint domain) => new(DeviceKind.Disk, domain, 51712);

    private static LvmException AssertFails(string id, Action action)
    {
        var error = Assert.Throws<LvmException>(action);
        Assert.Equal(id, error.ErrorId);
        return error;
    }
}
