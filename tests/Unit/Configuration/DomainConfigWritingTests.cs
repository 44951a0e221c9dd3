using System.Text;
using System.Text.Json;
using LightVM.Configuration;

namespace LightVM.Unit.Configuration;

public class DomainConfigWritingTests
{
    private static readonly string[] ChaosKeys = ["name", "kernel", "ramdisk", "cmdline", "memory", "vcpus", "address_size", "paused", "vifs", "vbds", "xen"];
    private static readonly string[] OwnKeys = ["uuid", "max_memory", "console", "on_poweroff", "on_reboot", "on_crash"];

    [Fact]
    public void The_text_is_indented_and_in_one_order()
    {
        Assert.Equal(
            """
            {
              "name": "guest",
              "kernel": "/root/kernels/vmlinuz",
              "ramdisk": "/root/kernels/initrd",
              "cmdline": "root=/dev/xvda1 quiet",
              "memory": 64,
              "vcpus": {
                "count": 3,
                "cpumap": [
                  [0, 1],
                  [2]
                ]
              },
              "paused": true,
              "vifs": [
                {
                  "ip": "10.0.0.2",
                  "mac": "00:16:3e:00:00:01",
                  "bridge": "xenbr0"
                },
                {
                  "rate": "1MB/s",
                  "queues": 2,
                  "trusted": false
                }
              ],
              "vbds": [
                {
                  "target": "/dev/vg/guest",
                  "type": "phy",
                  "vdev": "xvda",
                  "access": "w"
                },
                {
                  "target": "/srv/cd.iso",
                  "type": "file",
                  "vdev": "d16p0",
                  "access": "r"
                }
              ],
              "xen": {
                "pvh": true,
                "dev_method": "xenstore"
              },
              "uuid": "6b29fc40-ca47-4067-831d-00dd010662da",
              "max_memory": 128,
              "console": false,
              "on_poweroff": "preserve",
              "on_reboot": "destroy",
              "on_crash": "restart"
            }

            """,
            Encoding.UTF8.GetString(DomainConfigJson.Write(ConfigSamples.Parse(ConfigSamples.Full))));
    }

    [Fact]
    public void A_configuration_that_uses_only_Chaos_keys_is_written_with_only_Chaos_keys()
    {
        Assert.Empty(KeysOf(ConfigSamples.Parse(ConfigSamples.Chaos)).Except(ChaosKeys));
        Assert.Equal(["ip", "mac", "bridge"], VifKeysOf(ConfigSamples.Parse(ConfigSamples.Chaos), 0));
        Assert.Empty(VifKeysOf(ConfigSamples.Parse(ConfigSamples.With("\"vifs\":[{\"trusted\":true}]")), 0));
        Assert.Equal(["name", "kernel", "cmdline", "memory", "vcpus"], KeysOf(DomainConfig.From(ConfigSamples.Minimal())));
    }

    [Fact]
    public void Chaos_keys_come_before_ours()
    {
        var keys = KeysOf(ConfigSamples.Parse(ConfigSamples.Full));
        Assert.Equal(OwnKeys, keys[^OwnKeys.Length..]);
    }

    [Fact]
    public void What_Chaos_cannot_do_without_is_written_even_when_there_is_none()
    {
        var draft = ConfigSamples.Minimal();
        draft.Kernel = null;
        var config = DomainConfig.From(draft);
        using var json = JsonDocument.Parse(DomainConfigJson.Write(config));

        Assert.Equal("", json.RootElement.GetProperty("kernel").GetString());
        Assert.Equal("", json.RootElement.GetProperty("cmdline").GetString());
        Assert.Equal(config, DomainConfigJson.Parse(DomainConfigJson.Write(config), "test", requireKernel: false));
    }

    [Fact]
    public void Writing_what_was_read_of_a_written_text_changes_no_byte()
    {
        var text = DomainConfigJson.Write(ConfigSamples.Parse(ConfigSamples.Full));
        Assert.Equal(text, DomainConfigJson.Write(DomainConfigJson.Parse(text, "test")));
    }

    private static string[] VifKeysOf(DomainConfig config, int index)
    {
        using var json = JsonDocument.Parse(DomainConfigJson.Write(config));
        return json.RootElement.GetProperty("vifs")[index].EnumerateObject().Select(property => property.Name).ToArray();
    }

    private static string[] KeysOf(DomainConfig config)
    {
        using var json = JsonDocument.Parse(DomainConfigJson.Write(config));
        return json.RootElement.EnumerateObject().Select(property => property.Name).ToArray();
    }
}
