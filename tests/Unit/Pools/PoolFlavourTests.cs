using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Pools;

namespace LightVM.Unit.Pools;

/// <summary>Which shell can become which domain, and which of several is taken.</summary>
public sealed class PoolFlavourTests
{
    [Theory]
    [InlineData(8, 1, true)]
    [InlineData(16, 2, true)]
    [InlineData(17, 2, false)]
    [InlineData(16, 3, false)]
    public void A_shell_fits_what_needs_no_more_than_it_has(int memory, int vcpus, bool fits)
    {
        var flavour = Flavour(ShellKind.Shell, draft => (draft.MemoryMiB, draft.VcpuCount) = (16, 2));

        Assert.Equal(fits, flavour.Fits(Request(draft => (draft.MemoryMiB, draft.VcpuCount, draft.Kernel, draft.CommandLine) = (memory, vcpus, "/any", "any"))));
    }

    [Fact]
    public void A_shell_is_of_one_type_and_one_width()
    {
        var flavour = Flavour(ShellKind.Shell);

        Assert.False(flavour.Fits(Request(draft => draft.Type = GuestType.PVH)));
        Assert.False(flavour.Fits(Request(draft => draft.AddressSize = 32)));
    }

    public static TheoryData<string, Action<DomainConfigDraft>> Differences => new()
    {
        { "memory", draft => draft.MemoryMiB = 3 },
        { "maximum memory", draft => draft.MaxMemoryMiB = 64 },
        { "vCPUs", draft => draft.VcpuCount = 2 },
        { "kernel", draft => draft.Kernel = "/boot/other" },
        { "ramdisk", draft => draft.Ramdisk = "/boot/initrd" },
        { "command line", draft => draft.CommandLine = "other" },
        { "no console", draft => draft.Console = false },
    };

    [Theory]
    [MemberData(nameof(Differences))]
    public void What_has_its_guest_in_it_fits_what_is_the_same(string what, Action<DomainConfigDraft> change)
    {
        var (built, snapshot) = (Flavour(ShellKind.Built), Flavour(ShellKind.Snapshot));
        Assert.True(built.Fits(Request()) && snapshot.Fits(Request()));

        Assert.False(built.Fits(Request(change)), what);
        Assert.False(snapshot.Fits(Request(change)), what);
    }

    [Fact]
    public void Name_uuid_addresses_and_what_happens_at_the_end_are_free_to_choose()
    {
        var flavour = Flavour(ShellKind.Built, draft => draft.Vifs = [new NetworkConfig(null, null, "xenbr0")]);

        Assert.True(flavour.Fits(Request(draft =>
        {
            (draft.Name, draft.Uuid, draft.Paused, draft.OnCrash) = ("another", Guid.NewGuid(), true, LifecycleAction.Preserve);
            draft.CpuMap = [[0]];
            draft.Vifs = [new NetworkConfig("10.0.0.9", "00:16:3e:00:00:09", "xenbr0")];
            draft.Vbds = [new DiskConfig("/disk", DiskType.File, "xvda", DiskAccess.ReadWrite)];
        })));
    }

    [Fact]
    public void Interfaces_are_the_same_in_their_order_or_none()
    {
        NetworkConfig zero = new(null, null, "xenbr0"), one = new(null, null, "xenbr1");
        var flavour = Flavour(ShellKind.Shell, draft => draft.Vifs = [zero, one]);
        var bare = Flavour(ShellKind.Shell);

        Assert.True(flavour.Fits(Request(draft => draft.Vifs = [zero, one])));
        Assert.False(flavour.Fits(Request(draft => draft.Vifs = [one, zero])));
        Assert.False(flavour.Fits(Request(draft => draft.Vifs = [zero])));
        Assert.False(flavour.Fits(Request()));
        Assert.False(flavour.Fits(Request(draft => draft.Vifs = [zero, one with { Rate = "1Mb/s" }])));
        Assert.False(flavour.Fits(Request(draft => draft.Vifs = [zero, one with { DeviceId = 7 }])));
        Assert.True(bare.Fits(Request(draft => draft.Vifs = [zero, one with { Rate = "1Mb/s" }])));
    }

    [Fact]
    public void A_snapshot_gets_no_devices_that_its_guest_has_never_seen()
    {
        var flavour = Flavour(ShellKind.Snapshot);

        Assert.False(flavour.Fits(Request(draft => draft.Vifs = [new NetworkConfig(null, null, "xenbr0")])));
        Assert.False(flavour.Fits(Request(draft => draft.Vbds = [new DiskConfig("/disk", DiskType.File, "xvda", DiskAccess.ReadWrite)])));
    }

    [Fact]
    public void The_nearest_to_a_running_guest_goes_first_and_then_the_smallest()
    {
        PoolFlavour[] flavours =
        [
            Flavour(ShellKind.Shell, draft => draft.MemoryMiB = 64),
            Flavour(ShellKind.Shell, draft => draft.VcpuCount = 4),
            Flavour(ShellKind.Snapshot),
            Flavour(ShellKind.Shell),
            Flavour(ShellKind.Built),
        ];

        Assert.Equal([2, 4, 3, 1, 0], flavours.Select((flavour, place) => (flavour, place)).OrderBy(pair => pair.flavour.Rank).Select(pair => pair.place));
    }

    [Fact]
    public void What_no_shell_can_have_is_refused()
    {
        AssertRefused(() => Flavour(ShellKind.Shell, draft => draft.Vifs = [new NetworkConfig(null, null, "xenbr0", Rate: "1Mb/s")]));
        AssertRefused(() => Flavour(ShellKind.Snapshot, draft => draft.Vbds = [new DiskConfig("/disk", DiskType.File, "xvda", DiskAccess.ReadWrite)]));
        AssertRefused(() => Flavour(ShellKind.Built, draft => draft.Kernel = null));
        AssertRefused(() => Definition(draft => draft with { Minimum = 9, Maximum = 8 }).Checked());
        AssertRefused(() => Definition(draft => draft with { Minimum = 0, Maximum = 0 }).Checked());
        AssertRefused(() => Definition(draft => draft with { MemoryBudgetMiB = 3 }).Checked());
        AssertRefused(() => Definition(draft => draft with { Name = "a/b" }).Checked());
        AssertRefused(() => Definition(draft => draft with { Name = new string('x', 41) }).Checked());
        AssertRefused(() => Definition(draft => draft with { Flavour = draft.Flavour with { VcpuCount = 0 } }).Checked());
        AssertRefused(() => Definition(draft => draft with { Flavour = draft.Flavour with { Kind = ShellKind.Snapshot } }).Checked());

        static void AssertRefused(Action action) => Assert.Equal(ErrorIds.PoolInvalid, Assert.Throws<LvmException>(action).ErrorId);
    }

    private static PoolDefinition Definition(Func<PoolDefinition, PoolDefinition> change) => change(new PoolDefinition { Name = "web", Flavour = Flavour(ShellKind.Shell) });

    private static PoolFlavour Flavour(ShellKind kind, Action<DomainConfigDraft>? change = null) =>
        PoolFlavour.Of(Config(change), kind, kind == ShellKind.Snapshot ? "/images/a.lightvm" : null);

    private static ShellRequest Request(Action<DomainConfigDraft>? change = null) => ShellRequest.Of(Config(change));

    private static DomainConfig Config(Action<DomainConfigDraft>? change)
    {
        var draft = new DomainConfigDraft { Name = "web", Kernel = "/boot/kernel", CommandLine = "quiet", MemoryMiB = 4, VcpuCount = 1 };
        change?.Invoke(draft);
        return DomainConfig.From(draft);
    }
}
