using LightVM.Cmdlets.Configuration;
using LightVM.Configuration;
using LightVM.Hypervisor;

namespace LightVM.Unit.Cmdlets;

public sealed class DraftExtensionsTests
{
    private static readonly DomainConfigDraft Full = new()
    {
        Name = "b",
        Kernel = "/b",
        Ramdisk = "/rb",
        CommandLine = "cb",
        MemoryMiB = 2,
        MaxMemoryMiB = 3,
        VcpuCount = 2,
        CpuMap = [[1]],
        AddressSize = 32,
        Paused = true,
        Vifs = [new NetworkConfig(null, null, "br")],
        Vbds = [new DiskConfig("/t", DiskType.Phy, "xvda", DiskAccess.ReadOnly)],
        Type = GuestType.PVH,
        DeviceMethod = DeviceMethod.Noxs,
        Uuid = Guid.NewGuid(),
        Console = false,
        OnPoweroff = LifecycleAction.Preserve,
        OnReboot = LifecycleAction.Preserve,
        OnCrash = LifecycleAction.Preserve,
    };

    [Fact]
    public void Whatever_the_changes_say_is_taken() => Assert.Equal(Values(Full), Values(new DomainConfigDraft { Name = "a", MemoryMiB = 1, Paused = false }.With(Full)));

    [Fact]
    public void Whatever_they_do_not_say_stays() => Assert.Equal(Values(Full), Values(new DomainConfigDraft().With(Full).With(new DomainConfigDraft())));

    [Fact]
    public void An_empty_ramdisk_takes_the_ramdisk_away()
    {
        var draft = new DomainConfigDraft { Name = "a", MemoryMiB = 1, VcpuCount = 1, Ramdisk = "/r" }.With(new DomainConfigDraft { Ramdisk = "" });
        Assert.Null(DomainConfig.From(draft).Ramdisk);
    }

    [Theory]
    [InlineData("k", "/here/k")]
    [InlineData("../k", "/k")]
    [InlineData("/k", "/k")]
    [InlineData(null, null)]
    public void Relative_paths_start_at_the_given_directory(string? path, string? absolute)
    {
        var draft = new DomainConfigDraft { Kernel = path, Ramdisk = path }.StartingAt("/here");
        Assert.Equal((absolute, absolute), (draft.Kernel, draft.Ramdisk));
    }

    [Fact]
    public void An_empty_ramdisk_stays_empty() => Assert.Equal("", new DomainConfigDraft { Ramdisk = "" }.StartingAt("/here").Ramdisk);

    private static IEnumerable<object?> Values(DomainConfigDraft draft) => typeof(DomainConfigDraft).GetProperties().Select(property => property.GetValue(draft));
}
