using System.Runtime.InteropServices;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Noxs;
using LightVM.Pools;
using LightVM.Simulation;
using LightVM.Unit.Migration;

namespace LightVM.Unit.Noxs;

/// <summary>Domains without a store, on a host on which none runs: whatever needs it would fail.</summary>
public sealed class NoxsDomainTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lightvm-noxs-").FullName;
    private readonly SimulatedMachine _machine = new(new SimulatedHostOptions { HasStore = false });
    private readonly SimulatedHypervisor _hypervisor;
    private readonly LvmHost _host;
    private readonly WatchfulHypervisor _pages;
    private FailingBackend _backend = null!;

    public NoxsDomainTests()
    {
        _hypervisor = new SimulatedHypervisor(_machine);
        _pages = new WatchfulHypervisor(_machine);
        var (directory, bus) = SimulatedNoxs.AddTo(_machine, _pages, inner => _backend = new FailingBackend(inner));
        _host = new LvmHost(_hypervisor, directory, bus);
        File.WriteAllBytes(Kernel, SimulatedKernel.Create());
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Kernel => Path.Combine(_folder, "kernel.elf");

    public void Dispose()
    {
        _host.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void One_is_created_listed_and_destroyed_with_no_store()
    {
        var domain = Create("one");
        Assert.Equal(["Domain-0", "one"], _host.ListDomains().Select(each => each.Name));
        Assert.Equal(domain.Key, _host.GetDomain("one").Key);
        Assert.NotNull(_host.GetDomain(domain.Key).StartTime);
        _host.DestroyDomain(domain.Key);
        Assert.Equal(["Domain-0"], _host.ListDomains().Select(each => each.Name));
    }

    [Fact]
    public void Its_page_lists_the_device_by_which_it_is_asked_first_then_interfaces_then_disks()
    {
        var domain = Create("one", draft =>
        {
            draft.Vifs = [new NetworkConfig(null, null, "xenbr0"), new NetworkConfig(null, null, "xenbr1")];
            draft.Vbds = [new DiskConfig("/simulated/disk", DiskType.Phy, "xvda", DiskAccess.ReadWrite)];
        });
        var bytes = _machine.Find(domain.Id)!.DevicePage!;
        var page = MemoryMarshal.Read<DevicePage>(bytes);
        Assert.Equal("noxsPAGE"u8, bytes.AsSpan(4088));
        Assert.Equal(1u, page.Version);
        Assert.Equal(4u, page.Count);
        Assert.Equal([(EntryType.Sysctl, 0u), (EntryType.Vif, 0u), (EntryType.Vif, 1u), (EntryType.Vbd, 51712u), (EntryType.None, 0u)], Enumerable.Range(0, 5).Select(i => (page.Entries[i].Type, page.Entries[i].Id)));
        Assert.All(Enumerable.Range(0, 4), i => Assert.NotEqual(0u, page.Entries[i].Port));
    }

    [Fact]
    public void Its_devices_are_listed_with_the_addresses_that_they_got()
    {
        var domain = Create("one", draft => draft.Vifs = [new NetworkConfig(null, null, "xenbr0")]);
        var adapter = Assert.Single(_host.Devices.ListNetworkAdapters([domain]));
        Assert.Equal(("xenbr0", 0), (adapter.Bridge, adapter.DeviceId));
        Assert.StartsWith("00:16:3e:", adapter.MacAddress);
    }

    [Fact]
    public void Its_name_is_nobody_elses()
    {
        Create("one");
        Assert.Equal(ErrorIds.DomainNameTaken, Assert.Throws<LvmException>(() => Create("one")).ErrorId);
        Assert.Equal(ErrorIds.DomainNameTaken, Assert.Throws<LvmException>(() => Create("Domain-0")).ErrorId);
        Assert.Equal(2, _host.ListDomains().Count);
    }

    [Fact]
    public void A_creation_that_fails_leaves_no_device_behind()
    {
        var error = Assert.Throws<LvmException>(() => Create("one", draft => draft.Vifs = [new NetworkConfig(null, null, "nobridge")]));
        Assert.Equal(ErrorIds.BridgeNotFound, error.ErrorId);
        Assert.Null(error.LeftBehind);
        Create("one");
    }

    [Fact]
    public void It_is_renamed_stopped_and_started_again()
    {
        var domain = Create("one", draft => draft.OnPoweroff = LifecycleAction.Destroy);
        Assert.Equal("two", _host.RenameDomain(domain.Key, "two").Name);
        var again = _host.Lifecycle.Restart(domain.Key, TimeSpan.FromSeconds(10), cancellation: Cancellation);
        Assert.Equal(("two", domain.Uuid), (again.Name, again.Uuid));
        Assert.NotEqual(domain.Id, again.Id);
        Assert.NotNull(_machine.Find(again.Id)!.DevicePage);
        Assert.Null(_host.Lifecycle.Stop(again.Key, TimeSpan.FromSeconds(10), cancellation: Cancellation));
        Assert.Single(_host.ListDomains());
    }

    [Fact]
    public void It_is_saved_and_has_fresh_devices_when_it_is_restored()
    {
        var domain = Create("one", draft => draft.Vifs = [new NetworkConfig(null, null, "xenbr0")]);
        var address = _host.Devices.ListNetworkAdapters([domain])[0].MacAddress;
        var before = MemoryMarshal.Read<DevicePage>(_machine.Find(domain.Id)!.DevicePage);
        var image = Path.Combine(_folder, "image");
        _host.Images.Save(domain.Key, image, cancellation: Cancellation);
        Assert.Single(_host.ListDomains());
        var restored = _host.Images.Restore(image, cancellation: Cancellation);
        var after = MemoryMarshal.Read<DevicePage>(_machine.Find(restored.Id)!.DevicePage);
        Assert.Equal((before.Count, before.Entries[1].Type), (after.Count, after.Entries[1].Type));
        Assert.NotEqual(before.Entries[1].Grant, after.Entries[1].Grant);
        Assert.Equal(address, _host.Devices.ListNetworkAdapters([restored])[0].MacAddress);
    }

    [Fact]
    public void One_with_a_store_is_refused_where_none_runs()
    {
        Assert.Equal(ErrorIds.XenstoreUnavailable, Assert.Throws<LvmException>(() => Create("one", draft => draft.DeviceMethod = DeviceMethod.Xenstore)).ErrorId);
        Assert.Single(_host.ListDomains());
    }

    [Fact]
    public void What_is_in_its_page_keeps_its_place_whatever_comes_and_goes()
    {
        var domain = Create("one", draft => draft.Vifs = [new NetworkConfig(null, null, "xenbr0"), new NetworkConfig(null, null, "xenbr1")]);
        var before = Entries();
        _host.Devices.RemoveNetworkAdapter(domain.Key, 0, cancellation: Cancellation);
        Assert.Equal([before[0], default, before[2]], Entries());
        _host.Devices.AddDisk(domain.Key, new DiskConfig("/simulated/disk", DiskType.Phy, "xvda", DiskAccess.ReadWrite), cancellation: Cancellation);
        _host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, "xenbr0"), cancellation: Cancellation);
        var after = Entries();
        Assert.Equal([EntryType.Sysctl, EntryType.Vbd, EntryType.Vif, EntryType.Vif], after.Select(entry => entry.Type));
        Assert.Equal((before[0], before[2]), (after[0], after[2]));
        Assert.Equal(4, after.Select(entry => entry.Port).Distinct().Count());

        // What comes and goes in the same place is never the same, even if its grant and its port are.
        var serials = new List<ushort> { after[3].Serial };
        for (var round = 0; round < 3; round++)
        {
            _host.Devices.RemoveNetworkAdapter(domain.Key, 0, cancellation: Cancellation);
            _host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, "xenbr0"), cancellation: Cancellation);
            serials.Add(Entries()[3].Serial);
        }

        Assert.Equal(4, serials.Distinct().Count());

        DeviceEntry[] Entries()
        {
            var page = MemoryMarshal.Read<DevicePage>(_machine.Find(domain.Id)!.DevicePage);
            return [.. Enumerable.Range(0, (int)page.Count).Select(i => page.Entries[i])];
        }
    }

    [Fact]
    public void A_guest_that_looks_at_its_page_while_it_changes_sees_no_half_of_an_entry()
    {
        var domain = Create("one", draft => draft.Vifs = [new NetworkConfig(null, null, "xenbr0")]);
        var seen = new List<DevicePage>();
        _pages.BeforePage = page => seen.Add(MemoryMarshal.Read<DevicePage>(page));
        _host.Devices.RemoveNetworkAdapter(domain.Key, 0, cancellation: Cancellation);
        _host.Devices.AddDisk(domain.Key, new DiskConfig("/simulated/disk", DiskType.Phy, "xvda", DiskAccess.ReadWrite), cancellation: Cancellation);
        _host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, "xenbr0"), cancellation: Cancellation);
        Assert.NotEmpty(seen);
        for (var i = 1; i < seen.Count; i++)
        {
            for (var place = 0; place < (int)seen[i].Count; place++)
            {
                // What has a type before and after is the same in all else, and what gets one or loses it changes in nothing else.
                DeviceEntry before = seen[i - 1].Entries[place], after = seen[i].Entries[place];
                if (before.Type != EntryType.None || after.Type != EntryType.None) Assert.Equal(before with { Type = after.Type }, after);
                Assert.True(before.Type == after.Type || before.Type == EntryType.None || after.Type == EntryType.None);
            }
        }
    }

    [Fact]
    public void A_device_that_cannot_be_attached_is_undone_wherever_it_fails()
    {
        var domain = Create("one", draft => draft.Vifs = [new NetworkConfig(null, null, "xenbr0")]);
        var page = _machine.Find(domain.Id)!.DevicePage!.ToArray();
        foreach (var failing in (string[])["create", "tell", "page 1", "page 2", "page 3"])
        {
            Fail(failing);
            var error = Assert.Throws<LvmException>(() => _host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, "00:16:3e:00:00:0b", "xenbr0"), cancellation: Cancellation));
            Fail(null);
            Assert.Equal((ErrorIds.NoxsFailure, null), (error.ErrorId, error.LeftBehind));
            Assert.Equal(page, _machine.Find(domain.Id)!.DevicePage);
            Assert.Equal([0u], _backend.List(DeviceType.Vif, (ushort)domain.Id));
            Assert.Equal(0, Assert.Single(_host.Devices.ListNetworkAdapters([domain])).DeviceId);
            _host.DestroyDomain(Create("two", draft => draft.Vifs = [new NetworkConfig(null, "00:16:3e:00:00:0b", "xenbr0")]).Key); // its address is free
        }

        Assert.Equal(1, _host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, "00:16:3e:00:00:0b", "xenbr0"), cancellation: Cancellation).DeviceId);

        void Fail(string? at)
        {
            var pages = 0;
            _backend.Failing = at;
            _pages.BeforePage = _ => FailingBackend.FailAt($"page {++pages}", at);
        }
    }

    [Fact]
    public void A_device_that_went_with_a_daemon_can_be_removed()
    {
        var domain = Create("one", draft => draft.Vifs = [new NetworkConfig(null, null, "xenbr0")]);
        _backend.Destroy(DeviceType.Vif, (ushort)domain.Id, 0);
        _host.Devices.RemoveNetworkAdapter(domain.Key, 0, cancellation: Cancellation);
        Assert.Empty(_host.Devices.ListNetworkAdapters([domain]));
    }

    [Fact]
    public void One_of_a_shell_that_fails_on_the_way_leaves_nothing()
    {
        using var keeper = _host.MakeKeeper(new MemoryPoolStore(), new PoolKeeperOptions(), _ => { });
        _host.UsePools(keeper);
        var draft = Draft("any");
        draft.Kernel = Kernel;
        keeper.Add(new PoolDefinition { Name = "a", Flavour = PoolFlavour.Of(DomainConfig.From(draft), ShellKind.Shell), Minimum = 1, Maximum = 1 });
        Assert.True(keeper.Work(Cancellation));
        _pages.BeforePage = _ => FailingBackend.FailAt("page", "page");

        Assert.Null(Assert.Throws<LvmException>(() => Create("one", draft => draft.Uuid = Guid.NewGuid())).LeftBehind);
        Assert.Single(_host.ListDomains(includeShells: true));
    }

    [Fact]
    public void One_that_may_be_made_either_way_and_finds_no_shell_counts_once()
    {
        using var keeper = _host.MakeKeeper(new MemoryPoolStore(), new PoolKeeperOptions(), _ => { });
        _host.UsePools(keeper);
        File.WriteAllBytes(Kernel, WithNote(SimulatedKernel.Create(), "LightVM\0", 1, "noxs\0"));
        var flavour = PoolFlavour.Of(DomainConfig.From(Draft("any")), ShellKind.Shell);
        keeper.Add(new PoolDefinition { Name = "a", Flavour = flavour with { DeviceMethod = null }, Minimum = 0, Maximum = 1 });
        Create("one", draft => draft.DeviceMethod = null);
        Assert.Equal(1, keeper.List()[0].Misses);

        keeper.Add(new PoolDefinition { Name = "b", Flavour = flavour, Minimum = 0, Maximum = 1 });
        Create("two", draft => draft.DeviceMethod = null);
        Create("three");
        Assert.Equal([1, 2], keeper.List().Select(pool => (int)pool.Misses));
    }

    [Fact]
    public void A_host_without_a_backend_says_so()
    {
        using var host = LvmHost.OpenSimulated(new SimulatedHostOptions { HasNoxs = false });
        var config = DomainConfig.From(Draft("one"));
        Assert.Equal(ErrorIds.NoxsUnavailable, Assert.Throws<LvmException>(() => host.CreateDomain(config, Cancellation)).ErrorId);
    }

    [Theory]
    [InlineData("LightVM\0", 1u, "noxs\0", true)]
    [InlineData("LightVM\0", 2u, "noxs\0", false)]
    [InlineData("LightVM\0", 1u, "noxt\0", false)]
    [InlineData("Another\0", 1u, "noxs\0", false)]
    public void A_kernel_says_by_a_note_that_it_wants_no_store(string name, uint type, string word, bool wants)
    {
        var kernel = SimulatedKernel.Create();
        var image = WithNote(kernel, name, type, word);
        Assert.Equal(wants, KernelImage.Inspect(image, "kernel").WantsNoxs);
    }

    /// <summary>The kernel with its notes at its end, and one more.</summary>
    private static byte[] WithNote(byte[] kernel, string name, uint type, string word)
    {
        var headers = (int)BitConverter.ToUInt64(kernel, 32);
        int size = BitConverter.ToUInt16(kernel, 54), count = BitConverter.ToUInt16(kernel, 56);
        var at = Enumerable.Range(0, count).Select(i => headers + (i * size)).First(each => BitConverter.ToUInt32(kernel, each) == 4);
        var notes = kernel.AsSpan((int)BitConverter.ToUInt64(kernel, at + 8), (int)BitConverter.ToUInt64(kernel, at + 32)).ToArray();
        byte[] note = [.. BitConverter.GetBytes(name.Length), .. BitConverter.GetBytes(word.Length), .. BitConverter.GetBytes(type), .. Padded(name), .. Padded(word)];
        byte[] image = [.. kernel, .. notes, .. note];
        BitConverter.TryWriteBytes(image.AsSpan(at + 8), (ulong)kernel.Length);
        BitConverter.TryWriteBytes(image.AsSpan(at + 32), (ulong)(notes.Length + note.Length));
        return image;

        static byte[] Padded(string text) => [.. System.Text.Encoding.ASCII.GetBytes(text), .. new byte[(4 - (text.Length % 4)) % 4]];
    }

    /// <summary>A backend that fails where it is told to.</summary>
    private sealed class FailingBackend(INoxsBackend inner) : INoxsBackend
    {
        public string? Failing { get; set; }

        public static void FailAt(string here, string? failing)
        {
            if (here == failing) throw new LvmException(ErrorIds.NoxsFailure, "this call was made to fail");
        }

        public void Create(Span<CreateArgument> devices)
        {
            FailAt("create", Failing);
            inner.Create(devices);
        }

        public void TellOfPage(ushort domain)
        {
            FailAt("tell", Failing);
            inner.TellOfPage(domain);
        }

        public void Destroy(DeviceType type, ushort domain, uint id) => inner.Destroy(type, domain, id);

        public void DestroyAll(ushort domain) => inner.DestroyAll(domain);

        public bool AskToLetGo(DeviceType type, ushort domain, uint id) => inner.AskToLetGo(type, domain, id);

        public IReadOnlyList<uint> List(DeviceType type, ushort domain) => inner.List(type, domain);

        public IReadOnlyDictionary<uint, SideState> States(DeviceType type, ushort domain) => inner.States(type, domain);

        public VifSettings QueryVif(ushort domain, uint id) => inner.QueryVif(domain, id);

        public VbdSettings QueryVbd(ushort domain, uint id) => inner.QueryVbd(domain, id);

        public void RequestClose(ushort domain, CloseRequest request) => inner.RequestClose(domain, request);

        public bool WithdrawRequest(ushort domain) => inner.WithdrawRequest(domain);

        public void Dispose() => inner.Dispose();
    }

    private Domain Create(string name, Action<DomainConfigDraft>? change = null)
    {
        var draft = Draft(name);
        draft.Kernel = Kernel;
        change?.Invoke(draft);
        return _host.CreateDomain(DomainConfig.From(draft), Cancellation);
    }

    private static DomainConfigDraft Draft(string name) => new() { Name = name, Kernel = SimulatedKernel.Path, MemoryMiB = 4, VcpuCount = 1, DeviceMethod = DeviceMethod.Noxs };
}
