using System.Text;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Unit.Configuration;

/// <summary>What the JSON format says, and what a user is told of a file that does not follow it.</summary>
public class DomainConfigReadingTests
{
    [Fact]
    public void A_file_of_Chaos_is_understood_key_by_key()
    {
        var config = ConfigSamples.Parse(ConfigSamples.Chaos);

        Assert.Equal("guest", config.Name);
        Assert.Equal("/root/kernels/vmlinuz", config.Kernel);
        Assert.Equal("/root/kernels/initrd", config.Ramdisk);
        Assert.Equal("root=/dev/xvda1 quiet", config.CommandLine);
        Assert.Equal(64, config.MemoryMiB);
        Assert.Equal(3, config.VcpuCount);
        Assert.Equal([[0, 1], [2]], config.CpuMap);
        Assert.Equal(64, config.AddressSize);
        Assert.True(config.Paused);
        Assert.Equal([new NetworkConfig("10.0.0.2", "00:16:3e:00:00:01", "xenbr0"), new NetworkConfig(null, null, null)], config.Vifs);
        Assert.Equal(
            [new DiskConfig("/dev/vg/guest", DiskType.Phy, "xvda", DiskAccess.ReadWrite), new DiskConfig("/srv/cd.iso", DiskType.File, "d16p0", DiskAccess.ReadOnly)],
            config.Vbds);
        Assert.Equal(GuestType.PVH, config.Type);
        Assert.Equal(DeviceMethod.Xenstore, config.DeviceMethod);
    }

    [Fact]
    public void Our_own_keys_are_understood()
    {
        var config = ConfigSamples.Parse(ConfigSamples.Full);

        Assert.Equal(Guid.Parse("6b29fc40-ca47-4067-831d-00dd010662da"), config.Uuid);
        Assert.Equal(128, config.MaxMemoryMiB);
        Assert.Equal(new NetworkConfig(null, null, null, "1MB/s", 2, Trusted: false), config.Vifs[1]);
        Assert.False(config.Console);
        Assert.Equal(LifecycleAction.Preserve, config.OnPoweroff);
        Assert.Equal(LifecycleAction.Destroy, config.OnReboot);
        Assert.Equal(LifecycleAction.Restart, config.OnCrash);
    }

    [Fact]
    public void A_byte_order_mark_of_UTF8_is_taken_and_not_counted()
    {
        byte[] mark = [0xEF, 0xBB, 0xBF];
        Assert.Equal(ConfigSamples.Parse(ConfigSamples.Full), DomainConfigJson.Parse([.. mark, .. Encoding.UTF8.GetBytes(ConfigSamples.Full)], "test"));
        Assert.Equal(2, ConfigSamples.Refuse([.. mark, .. "{x"u8]).Errors[0].Column);
    }

    [Fact]
    public void What_Chaos_saves_of_a_domain_without_a_kernel_is_understood_when_none_is_required()
    {
        const string saved = """{"name":"g","kernel":"","cmdline":"","memory":4,"vcpus":1,"vifs":[{"ip":"0.0.0.0","mac":"0:0:0:0:0:0"}],"paused":false,"xen":{"pvh":false,"dev_method":"noxs"}}""";
        var config = ConfigSamples.Parse(saved, requireKernel: false);

        Assert.Null(config.Kernel);
        Assert.Equal(DeviceMethod.Noxs, config.DeviceMethod);
        Assert.Equal("$.kernel: must not be empty", Unplaced(Assert.Single(ConfigSamples.Refuse(saved).Errors)));
    }

    [Fact]
    public void A_kernel_is_required_of_a_file_and_not_of_a_saved_domain()
    {
        const string json = """{"name":"g","memory":4,"vcpus":1}""";
        Assert.Equal("$.kernel (line 1, column 1): is missing", Assert.Single(ConfigSamples.Refuse(json).Errors).ToString());
        Assert.Null(ConfigSamples.Parse(json, requireKernel: false).Kernel);
    }

    [Fact]
    public void Every_error_is_reported_at_once_in_the_order_of_the_text_with_line_and_column()
    {
        var refused = ConfigSamples.Refuse("""
            {
              "name": "7",
              "kernal": "vmlinuz",
              "memory": 4.5,
              "memory": 64,
              "vcpus": { "count": 1, "cpumap": [[0, 0], ["x"], []], "cores": 2 },
              "vifs": [
                { "mac": "01:00:00:00:00:00", "ip": 5 },
                "eth0",
                { "brigde": "xenbr0", "rate": "10Mb", "queues": 65, "trusted": 0 }
              ],
              "vbds": [ { "target": "", "vdev": "xvda0", "type": "lvm" } ],
              "ü": 1, "xen": { "pvh": "yes", "dev_method": "noxs" }, "uuid": "1"
            }
            """);

        Assert.Equal(ErrorIds.ConfigInvalid, refused.ErrorId);
        Assert.Equal(
            [
                "$.kernel (line 1, column 1): is missing",
                "$.name (line 2, column 11): must not be a number, which would be taken for a domain id",
                "$.kernal (line 3, column 3): is not a known key; did you mean \"kernel\"?",
                "$.memory (line 4, column 13): must be a whole number, without a fraction or an exponent",
                "$.memory (line 5, column 3): stands here again",
                "$.vcpus.cpumap (line 6, column 36): has 3 entries for 1 vCPUs",
                "$.vcpus.cpumap[0][1] (line 6, column 41): names CPU 0 again",
                "$.vcpus.cpumap[1][0] (line 6, column 46): must be a whole number, not a string",
                "$.vcpus.cpumap[2] (line 6, column 52): must name at least one physical CPU",
                "$.vcpus.cores (line 6, column 57): is not a known key",
                "$.vifs[0].mac (line 8, column 14): is a multicast address (the lowest bit of its first byte is set); an interface needs a unicast one",
                "$.vifs[0].ip (line 8, column 41): must be a string, not a number",
                "$.vifs[1] (line 9, column 5): must be an object, not a string",
                "$.vifs[2].brigde (line 10, column 7): is not a known key; did you mean \"bridge\"?",
                "$.vifs[2].rate (line 10, column 35): must be a whole number and a unit, such as \"10Mb/s\" or \"250KB/s\" (b: bits, B: bytes), perhaps with an interval: \"1MB/s@20ms\"",
                "$.vifs[2].queues (line 10, column 53): must be 1 to 64",
                "$.vifs[2].trusted (line 10, column 68): must be true or false, not a number",
                "$.vbds[0].access (line 12, column 13): is missing",
                "$.vbds[0].target (line 12, column 25): must not be empty",
                "$.vbds[0].vdev (line 12, column 37): must be xvd<letters>[partition], d<disk>p<partition>, hd<letter>[partition] or sd<letter>[partition], such as \"xvda\" or \"xvda1\"",
                "$.vbds[0].type (line 12, column 54): must be \"phy\" or \"file\", not \"lvm\"",
                // Columns are bytes: the ü before this has two.
                "$['ü'] (line 13, column 3): is not a known key",
                "$.xen.pvh (line 13, column 28): must be true or false, not a string",
                "$.uuid (line 13, column 67): must be a UUID, such as \"6b29fc40-ca47-4067-831d-00dd010662da\"",
            ],
            refused.Errors.Select(error => error.ToString()));
    }

    [Theory]
    [InlineData("\"ramdisk\":null", "$.ramdisk: must be a string, not null")]
    [InlineData("\"cmdline\":[]", "$.cmdline: must be a string, not an array")]
    [InlineData("\"max_memory\":\"64\"", "$.max_memory: must be a whole number, not a string")]
    [InlineData("\"address_size\":true", "$.address_size: must be a whole number, not true or false")]
    [InlineData("\"paused\":1", "$.paused: must be true or false, not a number")]
    [InlineData("\"console\":\"true\"", "$.console: must be true or false, not a string")]
    [InlineData("\"vifs\":{}", "$.vifs: must be an array, not an object")]
    [InlineData("\"vifs\":[{\"rate\":10}]", "$.vifs[0].rate: must be a string, not a number")]
    [InlineData("\"vifs\":[{\"queues\":\"2\"}]", "$.vifs[0].queues: must be a whole number, not a string")]
    [InlineData("\"vifs\":[{\"trusted\":null}]", "$.vifs[0].trusted: must be true or false, not null")]
    [InlineData("\"vbds\":[[]]", "$.vbds[0]: must be an object, not an array")]
    [InlineData("\"xen\":[]", "$.xen: must be an object, not an array")]
    [InlineData("\"uuid\":5", "$.uuid: must be a string, not a number")]
    [InlineData("\"on_crash\":0", "$.on_crash: must be \"destroy\", \"restart\" or \"preserve\", not a number")]
    public void A_value_of_the_wrong_type_is_an_error_that_names_both_types(string key, string expected) =>
        Assert.Equal(expected, Unplaced(Assert.Single(ConfigSamples.Refuse(ConfigSamples.With(key)).Errors)));

    [Theory]
    [InlineData("\"on_crash\":\"reboot\"", "$.on_crash: must be \"destroy\", \"restart\" or \"preserve\", not \"reboot\"")]
    [InlineData("\"on_reboot\":\"Restart\"", "$.on_reboot: must be \"destroy\", \"restart\" or \"preserve\", not \"Restart\"")]
    [InlineData("\"xen\":{\"dev_method\":\"noxen\"}", "$.xen.dev_method: must be \"xenstore\" or \"noxs\", not \"noxen\"")]
    public void A_word_that_the_format_has_not_got_is_an_error_that_names_those_it_has(string key, string expected) =>
        Assert.Equal(expected, Unplaced(Assert.Single(ConfigSamples.Refuse(ConfigSamples.With(key)).Errors)));

    [Theory]
    [InlineData("4.0", "must be a whole number, without a fraction or an exponent")]
    [InlineData("1e2", "must be a whole number, without a fraction or an exponent")]
    [InlineData("-1", "must be 1 to 16777216 (MiB)")]
    [InlineData("-0", "must be 1 to 16777216 (MiB)")]
    [InlineData("4294967297", "must be 1 to 16777216 (MiB)")]
    [InlineData("99999999999999999999999999", "must be 1 to 16777216 (MiB)")]
    [InlineData("-99999999999999999999999999", "must be 1 to 16777216 (MiB)")]
    public void A_number_that_is_not_whole_or_not_in_range_is_an_error(string memory, string message) =>
        Assert.Equal(message, Assert.Single(ConfigSamples.Refuse($$"""{"name":"g","kernel":"k","memory":{{memory}},"vcpus":1}""").Errors).Message);

    [Fact]
    public void An_object_of_vcpus_needs_a_count_and_no_map()
    {
        Assert.Equal("$.vcpus.count", Assert.Single(ConfigSamples.Refuse("""{"name":"g","kernel":"k","memory":4,"vcpus":{"cpumap":[[0]]}}""").Errors).Path);
        Assert.Empty(ConfigSamples.Parse("""{"name":"g","kernel":"k","memory":4,"vcpus":{"count":2}}""").CpuMap);
    }

    [Theory]
    [InlineData("maxMemory", "max_memory")]
    [InlineData("max-memory", "max_memory")]
    [InlineData("MEMORY", null)] // There is one already.
    [InlineData("on_powerof", "on_poweroff")]
    [InlineData("ramdsik", "ramdisk")]
    [InlineData("vif", "vifs")]
    [InlineData("disk", null)]
    [InlineData("", null)]
    public void A_key_that_is_nearly_right_is_answered_with_the_right_one(string key, string? nearest)
    {
        var message = Assert.Single(ConfigSamples.Refuse(ConfigSamples.With($"\"{key}\":1")).Errors).Message;
        Assert.Equal(nearest is null ? "is not a known key" : $"is not a known key; did you mean \"{nearest}\"?", message);
    }

    [Fact]
    public void Of_a_repeated_key_every_value_is_checked()
    {
        var refused = ConfigSamples.Refuse(ConfigSamples.With("\"paused\":1,\"paused\":2,\"\\u0070aused\":true"));
        Assert.Equal(["must be true or false, not a number", "stands here again", "must be true or false, not a number", "stands here again"], refused.Errors.Select(error => error.Message));
    }

    [Fact]
    public void Half_a_surrogate_pair_is_an_error_and_no_crash()
    {
        var refused = ConfigSamples.Refuse(ConfigSamples.With("""
            "cmdline":"\ud800","on_crash":"\udfff","\ud800":1
            """));
        Assert.Equal(["$.cmdline", "$.on_crash", @"$['\ud800']"], refused.Errors.Select(error => error.Path));
    }

    [Fact]
    public void What_a_message_quotes_is_cut_short_and_harmless_to_a_terminal()
    {
        var message = ConfigSamples.Refuse(ConfigSamples.With($"\"on_crash\":\"\\u001b[2J{new string('x', 10000)}\"")).Message;
        Assert.DoesNotContain('\u001b', message);
        Assert.InRange(message.Length, 1, 500);
    }

    [Theory]
    [InlineData("[]", "an array")]
    [InlineData("null", "null")]
    [InlineData("\"name\"", "a string")]
    [InlineData("5", "a number")]
    public void Anything_but_an_object_is_no_configuration(string json, string kind)
    {
        var refused = ConfigSamples.Refuse(json);
        Assert.Equal(ErrorIds.ConfigInvalid, refused.ErrorId);
        Assert.Equal($"$ (line 1, column 1): must be an object, not {kind}", Assert.Single(refused.Errors).ToString());
    }

    private static string Unplaced(ConfigError error) => (error with { Line = 0 }).ToString();
}
