using System.Runtime.InteropServices;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Noxs;
using LightVM.Simulation;

namespace LightVM.Unit.Noxs;

/// <summary>Domains without a store, on a host on which none runs: whatever needs it would fail.</summary>
public sealed class NoxsDomainTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lightvm-noxs-").FullName;
    private readonly SimulatedMachine _machine = new(new SimulatedHostOptions { HasStore = false });
    private readonly SimulatedHypervisor _hypervisor;
    private readonly LvmHost _host;

    public NoxsDomainTests()
    {
        _hypervisor = new SimulatedHypervisor(_machine);
        var (directory, bus) = SimulatedNoxs.AddTo(_machine, _hypervisor);
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
    public void No_more_devices_are_attached_to_one_that_runs()
    {
        var domain = Create("one");
        Assert.Equal(ErrorIds.DeviceUnsupported, Assert.Throws<LvmException>(() => _host.Devices.AddNetworkAdapter(domain.Key, new NetworkConfig(null, null, "xenbr0"), cancellation: Cancellation)).ErrorId);
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

    private Domain Create(string name, Action<DomainConfigDraft>? change = null)
    {
        var draft = Draft(name);
        draft.Kernel = Kernel;
        change?.Invoke(draft);
        return _host.CreateDomain(DomainConfig.From(draft), Cancellation);
    }

    private static DomainConfigDraft Draft(string name) => new() { Name = name, Kernel = SimulatedKernel.Path, MemoryMiB = 4, VcpuCount = 1, DeviceMethod = DeviceMethod.Noxs };
}
