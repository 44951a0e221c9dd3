using FsCheck;
using FsCheck.Fluent;
using LightVM.Hypervisor;
using LightVM.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>The pages that LightVM's own hypervisor keeps, by a model of it with all its defects.</summary>
public sealed class HypervisorPagesTests
{
    private const uint Domain = 7;

    private readonly ModelOfLists _lists = new();
    private readonly HypervisorPages _pages;

    public HypervisorPagesTests() => _pages = new HypervisorPages(_lists);

    [Fact]
    public void Devices_are_where_a_guest_looks()
    {
        _pages.Write(Domain, [Sysctl, Vif(0), Vif(1)]);
        Assert.Equal([Sysctl, Vif(0), Vif(1)], _lists.SeenByGuest);
    }

    [Fact]
    public void One_more_disturbs_none_of_the_others()
    {
        _pages.Write(Domain, [Sysctl, Vif(0)]);
        _lists.Removals = 0;
        _pages.Write(Domain, [Sysctl, Vif(0), Vif(1)]);
        _pages.Write(Domain, [Sysctl, Vif(0), Vif(1)]);
        Assert.Equal((0, 3), (_lists.Removals, _lists.Additions));
    }

    [Fact]
    public void One_less_takes_no_other_along()
    {
        _pages.Write(Domain, [Sysctl, Vif(0), Vif(1)]); // the removal of interface 0 takes all of them
        _pages.Write(Domain, [Sysctl, default, Vif(1)]);
        Assert.Equal([Sysctl, Vif(1)], _lists.SeenByGuest);
    }

    [Fact]
    public void Another_in_the_place_of_one_is_seen()
    {
        _pages.Write(Domain, [Sysctl, Vif(0)]);
        _pages.Write(Domain, [Sysctl, Vif(0) with { Grant = 99 }]);
        Assert.Equal(99u, _lists.SeenByGuest[1].Grant);
    }

    [Fact]
    public void The_host_does_not_end_for_one_too_many()
    {
        var most = Enumerable.Range(0, DevicePage.MaxDevices).Select(id => Vif((uint)id)).ToList();
        _pages.Write(Domain, most);
        _pages.Write(Domain, most[1..].Append(Vif(100)));
        Assert.Equal(DevicePage.MaxDevices, _lists.SeenByGuest.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => _pages.Write(Domain, most.Append(Vif(101))));
    }

    /// <summary>Whatever is written one after the other: the guest sees the last of it, all of it, and nothing else.</summary>
    [Fact]
    public void A_guest_sees_what_was_written_last()
    {
        var device =
            from type in Gen.Choose(0, 3)
            from id in Gen.Choose(0, 12)
            from serial in Gen.Choose(0, 2)
            select new DeviceEntry { Type = (EntryType)type, Id = (uint)id, Serial = (ushort)serial, Port = 1 };
        var page = device.NonEmptyListOf().Select(list => list.DistinctBy(each => (each.Type, each.Id)).Take(DevicePage.MaxDevices).ToArray());
        Prop.ForAll(
            page.NonEmptyListOf().ToArbitrary(),
            pages =>
            {
                var lists = new ModelOfLists();
                foreach (var page in pages)
                {
                    new HypervisorPages(lists).Write(Domain, page);
                    Assert.Equal(page.Where(device => device.Type != EntryType.None), lists.SeenByGuest);
                }
            }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData("4.8.0-LightVM", "xen-3.0-x86_64", null, true)]
    [InlineData("4.8.1", "xen-3.0-x86_64 lightvm", null, true)]
    [InlineData("4.8.1", "xen-3.0-x86_64", null, false)]
    [InlineData("4.80.0-LightVM", "", null, false)]
    [InlineData("4.17.7", "xen-3.0-x86_64 lightvm", null, false)]
    [InlineData("4.17.7", "xen-3.0-x86_64", "1", true)]
    [InlineData("4.17.7", "xen-3.0-x86_64", "yes", false)]
    [InlineData("4.17.7", "xen-3.0-x86_64", "", false)]
    public void Nobody_is_asked_who_is_not_known_to_have_them(string version, string capabilities, string? word, bool expected)
    {
        var info = new HypervisorInfo { Kind = "Xen", Version = version, Capabilities = capabilities, PhysicalCpus = 1, TotalMemoryKiB = 1, FreeMemoryKiB = 1, SupportsPvh = false };
        Assert.Equal(expected, HypervisorPages.IsLightVM(info, word));
    }

    private static DeviceEntry Sysctl => new() { Type = EntryType.Sysctl, Grant = 8, Port = 20 };

    private static DeviceEntry Vif(uint id) => new() { Type = EntryType.Vif, Id = id, Grant = 9 + id, Port = 21 + id };

    /// <summary>One domain's page, as that hypervisor keeps it.</summary>
    private sealed class ModelOfLists : IDeviceLists
    {
        private readonly DeviceEntry[] _places = new DeviceEntry[DevicePage.MaxDevices];
        private uint _count;

        public int Additions { get; private set; }

        public int Removals { get; set; }

        /// <summary>As many places as it is told that there are devices, with those of no type, which there should be none of.</summary>
        public List<DeviceEntry> SeenByGuest => _places.Take((int)_count).ToList();

        public void Add(uint domain, DeviceEntry device)
        {
            Assert.True(_count <= DevicePage.MaxDevices, "ENOBUFS");
            var place = Array.FindIndex(_places, each => each.Type == EntryType.None);
            Assert.True(place >= 0, "the host has ended");
            _places[place] = device;
            _count++;
            Additions++;
        }

        public void Remove(uint domain, DeviceEntry device)
        {
            for (var i = 0; i < _places.Length; i++)
            {
                if (_places[i].Type == device.Type || _places[i].Id == device.Id) _places[i] = default;
            }

            _count--;
            Removals++;
        }

        public IReadOnlyList<DeviceEntry> List(uint domain) => _places.Where(each => each.Type != EntryType.None).ToList();
    }
}
