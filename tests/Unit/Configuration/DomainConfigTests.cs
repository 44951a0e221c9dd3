using LightVM.Configuration;
using LightVM.Hypervisor;

namespace LightVM.Unit.Configuration;

public class DomainConfigTests
{
    [Fact]
    public void What_is_not_said_takes_the_defaults_of_Chaos_and_xl()
    {
        var config = DomainConfig.From(ConfigSamples.Minimal());

        Assert.Null(config.Ramdisk);
        Assert.Null(config.CommandLine);
        Assert.Equal(config.MemoryMiB, config.MaxMemoryMiB);
        Assert.Empty(config.CpuMap);
        Assert.Equal(64, config.AddressSize);
        Assert.False(config.Paused);
        Assert.Empty(config.Vifs);
        Assert.Empty(config.Vbds);
        Assert.Equal(GuestType.PV, config.Type);
        Assert.Null(config.DeviceMethod);
        Assert.Null(config.Uuid);
        Assert.True(config.Console);
        Assert.Equal(LifecycleAction.Destroy, config.OnPoweroff);
        Assert.Equal(LifecycleAction.Restart, config.OnReboot);
        Assert.Equal(LifecycleAction.Destroy, config.OnCrash);
    }

    [Fact]
    public void Configurations_that_say_the_same_are_equal()
    {
        var one = ConfigSamples.Parse(ConfigSamples.Full);
        var other = ConfigSamples.Parse(ConfigSamples.Full);

        Assert.True(one == other);
        Assert.False(one != other);
        Assert.True(one.Equals((object)other));
        Assert.Equal(one.GetHashCode(), other.GetHashCode());
        Assert.False(one == null);
        Assert.False(null == one);
        Assert.False(one.Equals("guest"));
    }

    public static readonly TheoryData<string, Action<DomainConfigDraft>> Changes = new()
    {
        { "name", draft => draft.Name = "other" },
        { "kernel", draft => draft.Kernel = null },
        { "ramdisk", draft => draft.Ramdisk = "other" },
        { "command line", draft => draft.CommandLine = "other" },
        { "memory", draft => draft.MemoryMiB = 65 },
        { "most memory", draft => draft.MaxMemoryMiB = 129 },
        { "vCPUs", draft => draft.VcpuCount = 4 },
        { "CPU map", draft => draft.CpuMap = [[0, 1], [3]] },
        { "length of the CPU map", draft => draft.CpuMap = [[0, 1]] },
        { "paused", draft => draft.Paused = false },
        { "interfaces", draft => draft.Vifs = [] },
        { "rate", draft => draft.Vifs = [draft.Vifs![0], draft.Vifs[1] with { Rate = "1Mb/s" }] },
        { "queues", draft => draft.Vifs = [draft.Vifs![0], draft.Vifs[1] with { QueueCount = null }] },
        { "trust", draft => draft.Vifs = [draft.Vifs![0], draft.Vifs[1] with { Trusted = true }] },
        { "disks", draft => draft.Vbds = [draft.Vbds![0] with { Access = DiskAccess.ReadOnly }, draft.Vbds[1]] },
        { "type", draft => draft.Type = GuestType.PV },
        { "device method", draft => draft.DeviceMethod = null },
        { "uuid", draft => draft.Uuid = null },
        { "console", draft => draft.Console = true },
        { "poweroff", draft => draft.OnPoweroff = LifecycleAction.Restart },
        { "reboot", draft => draft.OnReboot = LifecycleAction.Preserve },
        { "crash", draft => draft.OnCrash = LifecycleAction.Preserve },
    };

    [Theory(DisableDiscoveryEnumeration = true)]
    [MemberData(nameof(Changes))]
    public void Configurations_that_differ_anywhere_are_not_equal(string what, Action<DomainConfigDraft> change)
    {
        var config = ConfigSamples.Parse(ConfigSamples.Full);
        var draft = config.ToDraft();
        change(draft);

        Assert.True(config != DomainConfig.From(draft), what);
    }

    [Fact]
    public void Configurations_of_different_address_sizes_are_not_equal()
    {
        var draft = ConfigSamples.Minimal();
        var wide = DomainConfig.From(draft);
        draft.AddressSize = 32;
        Assert.NotEqual(wide, DomainConfig.From(draft));
    }

    [Fact]
    public void A_draft_of_a_configuration_leads_back_to_it()
    {
        var config = ConfigSamples.Parse(ConfigSamples.Full);
        Assert.Equal(config, DomainConfig.From(config.ToDraft()));
    }

    [Fact]
    public void The_most_memory_follows_the_memory_of_a_draft_unless_it_was_said()
    {
        var draft = DomainConfig.From(ConfigSamples.Minimal()).ToDraft();
        draft.MemoryMiB = 512;
        Assert.Equal(512, DomainConfig.From(draft).MaxMemoryMiB);
    }

    [Fact]
    public void What_becomes_of_a_draft_afterwards_does_not_reach_the_configuration()
    {
        List<NetworkConfig> vifs = [new(null, null, "xenbr0")];
        List<int> cpus = [0];
        var draft = ConfigSamples.Minimal();
        (draft.Vifs, draft.CpuMap) = (vifs, [cpus]);
        var config = DomainConfig.From(draft);

        vifs.Clear();
        cpus.Add(9999);

        Assert.Single(config.Vifs);
        Assert.Equal([0], Assert.Single(config.CpuMap));
        Assert.True(((ICollection<NetworkConfig>)config.Vifs).IsReadOnly);
    }
}
