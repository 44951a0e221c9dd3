using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Unit.Configuration;

/// <summary>One test for each rule, on a draft that breaks that rule alone.</summary>
public class DomainConfigRulesTests
{
    private static readonly NetworkConfig Vif = new(null, null, null);
    private static readonly DiskConfig Vbd = new("/dev/vg/guest", DiskType.Phy, "xvda", DiskAccess.ReadWrite);

    [Fact]
    public void The_minimal_draft_is_valid() => Assert.Empty(ConfigSamples.Minimal().Check());

    [Fact]
    public void Name_memory_and_vcpus_are_required_and_a_kernel_is_not() =>
        Assert.Equal(["$.name: is missing", "$.memory: is missing", "$.vcpus: is missing"], new DomainConfigDraft().Check().Select(error => error.ToString()));

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("12")]
    public void A_name_follows_the_rules_of_names(string name) => Breaks("$.name", draft => draft.Name = name);

    [Theory]
    [InlineData("", "empty")]
    [InlineData("a\0b", "NUL")]
    public void A_kernel_path_is_text_that_a_path_can_be(string kernel, string reason) => Breaks("$.kernel", draft => draft.Kernel = kernel, reason);

    [Fact]
    public void A_relative_kernel_path_is_allowed() => Keeps(draft => draft.Kernel = "../vmlinuz");

    [Fact]
    public void A_kernel_path_has_at_most_4095_bytes()
    {
        Keeps(draft => draft.Kernel = new string('k', 4095));
        Breaks("$.kernel", draft => draft.Kernel = new string('k', 4096), "4096 bytes");
    }

    [Fact]
    public void A_ramdisk_path_is_text_that_a_path_can_be() => Breaks("$.ramdisk", draft => draft.Ramdisk = "a\0b", "NUL");

    [Fact]
    public void An_empty_ramdisk_is_none() => Assert.Null(Keeps(draft => draft.Ramdisk = "").Ramdisk);

    [Fact]
    public void An_empty_command_line_is_none() => Assert.Null(Keeps(draft => draft.CommandLine = "").CommandLine);

    [Fact]
    public void A_command_line_is_text_that_C_can_hold() => Breaks("$.cmdline", draft => draft.CommandLine = "a\0b", "NUL");

    [Fact]
    public void Text_has_no_half_of_a_surrogate_pair()
    {
        // Not in attributes, which keep their strings in UTF-8.
        foreach (var text in (string[])["\ud800", "a\ud83db", "\udc00", "\ud83d\ud83d\ude00"])
        {
            Breaks("$.kernel", draft => draft.Kernel = text, "surrogate");
            Breaks("$.cmdline", draft => draft.CommandLine = text, "surrogate");
            Breaks("$.vifs[0].bridge", draft => draft.Vifs = [Vif with { Bridge = text }], "surrogate");
            Breaks("$.vbds[0].target", draft => draft.Vbds = [Vbd with { Target = text }], "surrogate");
        }

        Keeps(draft => draft.CommandLine = "\ud83d\ude00");
    }

    [Fact]
    public void A_PV_command_line_leaves_room_for_the_NUL_in_1024_bytes()
    {
        Keeps(draft => draft.CommandLine = new string('x', 1023));
        Breaks("$.cmdline", draft => draft.CommandLine = new string('x', 1024), "for a PV guest");
        // Bytes count, not characters.
        Breaks("$.cmdline", draft => draft.CommandLine = new string('ü', 512), "1024 bytes");
    }

    [Fact]
    public void A_PVH_command_line_leaves_room_for_the_NUL_in_4096_bytes()
    {
        Keeps(draft => (draft.Type, draft.CommandLine) = (GuestType.PVH, new string('x', 4095)));
        Breaks("$.cmdline", draft => (draft.Type, draft.CommandLine) = (GuestType.PVH, new string('x', 4096)));
    }

    [Theory]
    [InlineData(int.MinValue)]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(16777217)]
    [InlineData(int.MaxValue)]
    public void Memory_is_1_MiB_to_16_TiB(int memory) => Breaks("$.memory", draft => draft.MemoryMiB = memory);

    [Theory]
    [InlineData(15)]
    [InlineData(0)]
    [InlineData(16777217)]
    public void The_most_memory_is_at_least_the_memory_and_at_most_16_TiB(int most) => Breaks("$.max_memory", draft => draft.MaxMemoryMiB = most);

    [Fact]
    public void The_most_memory_is_the_memory_unless_said() => Assert.Equal(16, Keeps(_ => { }).MaxMemoryMiB);

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(129)]
    public void There_are_1_to_128_vcpus(int count) => Breaks("$.vcpus", draft => draft.VcpuCount = count);

    [Fact]
    public void A_CPU_map_names_CPUs_0_to_255()
    {
        Keeps(draft => draft.CpuMap = [[0, 255]]);
        Breaks("$.vcpus.cpumap[0][1]", draft => draft.CpuMap = [[0, 256]], "0 to 255");
        Breaks("$.vcpus.cpumap[0][0]", draft => draft.CpuMap = [[-1, 0]], "0 to 255");
    }

    [Fact]
    public void A_vcpu_in_the_map_has_a_CPU_to_run_on()
    {
        Breaks("$.vcpus.cpumap[0]", draft => draft.CpuMap = [[]], "at least one");
        Breaks("$.vcpus.cpumap[0]", draft => draft.CpuMap = [null!], "at least one");
    }

    [Fact]
    public void A_CPU_stands_once_in_a_vcpus_list() => Breaks("$.vcpus.cpumap[0][2]", draft => draft.CpuMap = [[1, 2, 1]], "names CPU 1 again");

    [Fact]
    public void A_CPU_map_may_be_shorter_than_the_vcpus_and_not_longer()
    {
        Keeps(draft => (draft.VcpuCount, draft.CpuMap) = (3, [[0], [0]]));
        Breaks("$.vcpus.cpumap", draft => draft.CpuMap = [[0], [0]], "2 entries for 1");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(16)]
    [InlineData(128)]
    public void An_address_size_is_32_or_64(int size) => Breaks("$.address_size", draft => draft.AddressSize = size, "32 or 64");

    [Fact]
    public void Only_a_PV_guest_has_32_bits()
    {
        Keeps(draft => draft.AddressSize = 32);
        Breaks("$.address_size", draft => (draft.AddressSize, draft.Type) = (32, GuestType.PVH), "PVH");
    }

    [Fact]
    public void An_HVM_guest_is_not_created_here() => Breaks("$.xen.pvh", draft => draft.Type = GuestType.HVM);

    [Fact]
    public void A_device_method_is_one_that_exists() => Breaks("$.xen.dev_method", draft => draft.DeviceMethod = (DeviceMethod)9, "\"xenstore\" or \"noxs\"");

    [Fact]
    public void A_uuid_is_not_all_zeros() => Breaks("$.uuid", draft => draft.Uuid = Guid.Empty);

    [Fact]
    public void The_ends_of_a_domain_have_actions_that_exist()
    {
        Breaks("$.on_poweroff", draft => draft.OnPoweroff = (LifecycleAction)9, "\"destroy\", \"restart\" or \"preserve\"");
        Breaks("$.on_reboot", draft => draft.OnReboot = (LifecycleAction)9);
        Breaks("$.on_crash", draft => draft.OnCrash = (LifecycleAction)(-1));
    }

    [Fact]
    public void There_are_at_most_16_interfaces()
    {
        Keeps(draft => draft.Vifs = Enumerable.Repeat(Vif, 16).ToList());
        Breaks("$.vifs", draft => draft.Vifs = Enumerable.Repeat(Vif, 17).ToList(), "17 interfaces");
    }

    [Theory]
    [InlineData("10.0.0.2")]
    [InlineData("255.255.255.255")]
    [InlineData("fe80::1")]
    [InlineData("::ffff:10.0.0.2")]
    public void An_address_is_IPv4_or_IPv6(string ip) => Assert.Equal(ip, Keeps(draft => draft.Vifs = [Vif with { Ip = ip }]).Vifs[0].Ip);

    [Theory]
    [InlineData("")]
    [InlineData("10.1")]
    [InlineData("1")]
    [InlineData("10.0.0.256")]
    [InlineData("010.0.0.1")]
    [InlineData("0x0a.0.0.1")]
    [InlineData(" 10.0.0.2")]
    [InlineData("10.0.0.2/24")]
    [InlineData("fe80::1%eth0")]
    [InlineData("[fe80::1]")]
    [InlineData("host")]
    public void Other_spellings_of_addresses_are_refused(string ip) => Breaks("$.vifs[0].ip", draft => draft.Vifs = [Vif with { Ip = ip }]);

    [Theory]
    [InlineData("00:16:3e:00:00:01", "00:16:3e:00:00:01")]
    [InlineData("00:16:3E:AB:CD:EF", "00:16:3e:ab:cd:ef")]
    [InlineData("0:16:3e:0:0:1", "00:16:3e:00:00:01")]
    public void A_hardware_address_is_kept_in_lower_case_with_leading_zeros(string mac, string kept) =>
        Assert.Equal(kept, Keeps(draft => draft.Vifs = [Vif with { Mac = mac }]).Vifs[0].Mac);

    [Theory]
    [InlineData("", "six bytes")]
    [InlineData("00:16:3e:00:00", "six bytes")]
    [InlineData("00:16:3e:00:00:01:02", "six bytes")]
    [InlineData("00-16-3e-00-00-01", "six bytes")]
    [InlineData("00:16:3e:00:00:g1", "six bytes")]
    [InlineData("00:16:3e:00:00:", "six bytes")]
    [InlineData("00:16:3e:00:00:001", "six bytes")]
    [InlineData("00:16:3e:00:00: 1", "six bytes")]
    [InlineData("01:00:5e:00:00:01", "multicast")]
    [InlineData("ff:ff:ff:ff:ff:ff", "multicast")]
    public void A_hardware_address_is_six_bytes_and_unicast(string mac, string reason) =>
        Breaks("$.vifs[0].mac", draft => draft.Vifs = [Vif with { Mac = mac }], reason);

    [Fact]
    public void Two_interfaces_have_two_hardware_addresses_however_they_are_spelt() =>
        Breaks("$.vifs[1].mac", draft => draft.Vifs = [Vif with { Mac = "00:16:3e:00:00:0a" }, Vif with { Mac = "0:16:3E:0:0:A" }], "$.vifs[0]");

    [Fact]
    public void Two_interfaces_have_two_numbers()
    {
        Breaks("$.vifs[1].id", draft => draft.Vifs = [Vif with { DeviceId = 1 }, Vif], "$.vifs[0]");
        Breaks("$.vifs[0].id", draft => draft.Vifs = [Vif with { DeviceId = 256 }], "0 to 255");
        Assert.Equal([Vif, Vif with { DeviceId = 5 }], Keeps(draft => draft.Vifs = [Vif with { DeviceId = 0 }, Vif with { DeviceId = 5 }]).Vifs);
    }

    [Fact]
    public void What_Chaos_writes_for_no_address_is_none()
    {
        var none = Vif with { Ip = "0.0.0.0", Mac = "0:0:0:0:0:0" };
        Assert.Equal([Vif, Vif], Keeps(draft => draft.Vifs = [none, none]).Vifs);
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("a:b")]
    [InlineData("a b")]
    [InlineData("a\tb")]
    [InlineData("a\0b")]
    [InlineData("abcdefghijklmnop")]
    [InlineData("üüüüüüüü")]
    public void A_bridge_is_a_name_that_Linux_gives_an_interface(string bridge) => Breaks("$.vifs[0].bridge", draft => draft.Vifs = [Vif with { Bridge = bridge }]);

    [Fact]
    public void A_bridge_has_at_most_15_bytes() => Keeps(draft => draft.Vifs = [Vif with { Bridge = "abcdefghijklmno" }]);

    [Theory]
    [InlineData("")]
    [InlineData("10")]
    [InlineData("1b/s")]
    public void A_rate_is_one_that_netback_can_count(string rate) => Breaks("$.vifs[0].rate", draft => draft.Vifs = [Vif with { Rate = rate }]);

    [Fact]
    public void Rates_that_limit_alike_are_kept_alike() =>
        Assert.All(
            (string[])["10Mb/s", "1250KB/s", "10000Kb/s@50ms", "1250000B/s@50000us"],
            rate => Assert.Equal("10Mb/s", Keeps(draft => draft.Vifs = [Vif with { Rate = rate }]).Vifs[0].Rate));

    [Theory]
    [InlineData(int.MinValue)]
    [InlineData(0)]
    [InlineData(65)]
    public void There_are_1_to_64_queues(int count) => Breaks("$.vifs[0].queues", draft => draft.Vifs = [Vif with { QueueCount = count }], "1 to 64");

    [Theory]
    [InlineData(1)]
    [InlineData(64)]
    [InlineData(null)]
    public void The_number_of_queues_may_be_left_to_the_backend(int? count) => Assert.Equal(count, Keeps(draft => draft.Vifs = [Vif with { QueueCount = count }]).Vifs[0].QueueCount);

    [Fact]
    public void A_null_among_the_devices_is_an_error_and_no_crash()
    {
        Breaks("$.vifs[1]", draft => draft.Vifs = [Vif, null!], "null");
        Breaks("$.vbds[0]", draft => draft.Vbds = [null!], "null");
    }

    [Fact]
    public void There_are_at_most_16_disks()
    {
        Keeps(draft => draft.Vbds = Disks(16));
        Breaks("$.vbds", draft => draft.Vbds = Disks(17), "17 disks");

        static List<DiskConfig> Disks(int count) => Enumerable.Range(0, count).Select(disk => Vbd with { VirtualDevice = $"d{disk}p0" }).ToList();
    }

    [Theory]
    [InlineData("")]
    [InlineData("a\0b")]
    [InlineData(null)]
    public void A_disk_has_a_target(string? target) => Breaks("$.vbds[0].target", draft => draft.Vbds = [Vbd with { Target = target! }]);

    [Theory]
    [InlineData("xvda0")]
    [InlineData("hde")]
    [InlineData(null)]
    public void A_disk_has_a_virtual_device_that_Xen_numbers(string? device) => Breaks("$.vbds[0].vdev", draft => draft.Vbds = [Vbd with { VirtualDevice = device! }]);

    [Fact]
    public void A_disk_has_a_type_and_an_access_that_exist()
    {
        Breaks("$.vbds[0].type", draft => draft.Vbds = [Vbd with { Type = (DiskType)9 }], "\"phy\" or \"file\"");
        Breaks("$.vbds[0].access", draft => draft.Vbds = [Vbd with { Access = (DiskAccess)9 }], "\"r\" or \"w\"");
    }

    [Fact]
    public void Two_disks_have_two_device_ids_however_they_are_spelt() =>
        Breaks("$.vbds[1].vdev", draft => draft.Vbds = [Vbd, Vbd with { VirtualDevice = "d0p0" }], "$.vbds[0].vdev (device id 51712)");

    [Fact]
    public void Every_broken_rule_is_in_the_exception_with_its_path()
    {
        var draft = new DomainConfigDraft { Name = "", MemoryMiB = 0, VcpuCount = 1, Vifs = [Vif with { Mac = "x", Bridge = "" }] };
        var refused = Assert.Throws<InvalidConfigException>(() => DomainConfig.From(draft, "the form"));

        Assert.Equal(ErrorIds.ConfigInvalid, refused.ErrorId);
        Assert.Equal(["$.name", "$.memory", "$.vifs[0].bridge", "$.vifs[0].mac"], refused.Errors.Select(error => error.Path));
        Assert.StartsWith("the form: $.name: must not be empty; $.memory: ", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_interface_of_its_own_obeys_the_rules_of_one_in_a_configuration()
    {
        var wrong = new NetworkConfig("x", "x", "a b", "x", 0);
        var among = new DomainConfigDraft { Name = "guest", MemoryMiB = 16, VcpuCount = 1, Vifs = [wrong] }.Check();

        Assert.Equal(["$.ip", "$.bridge", "$.rate", "$.queues", "$.mac"], DomainConfigRules.Check(wrong).Select(error => error.Path));
        Assert.Equal(among.Select(error => error.Message), DomainConfigRules.Check(wrong).Select(error => error.Message));
        Assert.Empty(DomainConfigRules.Check(new NetworkConfig("10.0.0.2", "0:16:3e:0:0:1", "xenbr0", "10Mb/s", 1, Trusted: false)));
    }

    [Fact]
    public void An_interface_of_its_own_has_the_spelling_of_one_in_a_configuration()
    {
        var vif = new NetworkConfig("0.0.0.0", "0:16:3E:0:0:1", "xenbr0", "1000KB/s@50ms", 2, Trusted: false);
        Assert.Equal(new NetworkConfig(null, "00:16:3e:00:00:01", "xenbr0", "1MB/s", 2, Trusted: false), DomainConfigRules.Canonical(vif));
        Assert.Equal(DomainConfigRules.Canonical(vif), Keeps(draft => draft.Vifs = [vif]).Vifs[0]);
    }

    [Fact]
    public void A_disk_of_its_own_obeys_the_rules_of_one_in_a_configuration()
    {
        var wrong = new DiskConfig("", (DiskType)9, "xvda0", (DiskAccess)9);
        var among = new DomainConfigDraft { Name = "guest", MemoryMiB = 16, VcpuCount = 1, Vbds = [wrong] }.Check();

        Assert.Equal(["$.target", "$.type", "$.access", "$.vdev"], DomainConfigRules.Check(wrong).Select(error => error.Path));
        Assert.Equal(among.Select(error => error.Message), DomainConfigRules.Check(wrong).Select(error => error.Message));
        Assert.Empty(DomainConfigRules.Check(Vbd));
    }

    private static DomainConfig Keeps(Action<DomainConfigDraft> change)
    {
        var draft = ConfigSamples.Minimal();
        change(draft);
        return DomainConfig.From(draft);
    }

    private static void Breaks(string path, Action<DomainConfigDraft> change, string reason = "")
    {
        var draft = ConfigSamples.Minimal();
        change(draft);
        var error = Assert.Single(draft.Check());
        Assert.Equal(path, error.Path);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }
}
