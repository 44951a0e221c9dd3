using LightVM.Simulation;

namespace LightVM.Unit.Host;

public sealed class DeviceCommandTests : IDisposable
{
    private const string Mac = "00:16:3e:00:00:07";

    private readonly Lightvm _lightvm = new();

    public DeviceCommandTests()
    {
        Assert.Equal(0, _lightvm.Run("create", "--jobs", "1", "-n", "2", _lightvm.Config()).ExitCode);
    }

    public void Dispose() => _lightvm.Dispose();

    // --- interfaces -----------------------------------------------------------------------------------------------------

    [Fact]
    public void An_interface_is_added_and_told()
    {
        var run = _lightvm.Run("network-attach", "tiny1", "--bridge", "xenbr0", "--mac", "0:16:3E:0:0:7");

        Assert.Equal(0, run.ExitCode);
        Assert.Equal($"tiny1  0  {Mac}  vif1.0\n", run.Output);
        Assert.Equal(Mac, Assert.Single(_lightvm.Host.Devices.ListNetworkAdapters(_lightvm.Host.GetDomain("tiny1"))).MacAddress);
        Assert.Empty(_lightvm.Run("network-attach", "-q", "tiny1").Output);
    }

    [Fact]
    public void Json_of_an_interface_has_every_property()
    {
        var run = _lightvm.Run("network-attach", "--json", "1", "--bridge=xenbr1", $"--mac={Mac}", "--ip=10.0.0.7", "--rate=1000Kb/s", "--queues=2", "--untrusted", "--timeout=5");

        Assert.Equal(0, run.ExitCode);
        Assert.Equal(
            $$"""[{"domain":"tiny1","domainId":1,"domainUuid":"{{_lightvm.Host.GetDomain("tiny1").Uuid}}","deviceId":0,"mac":"{{Mac}}","bridge":"xenbr1","ip":"10.0.0.7","rate":"1Mb/s","queues":2,"trusted":false,"state":"Connected","interface":"vif1.0"}]""",
            run.Output.TrimEnd());
        Assert.Equal(run.Output, _lightvm.Run("network-list", "--json").Output);
        Assert.Equal(run.Output, _lightvm.Run("network-detach", "--json", "tiny1", Mac).Output);
        Assert.Equal("[]", _lightvm.Run("network-list", "--json").Output.TrimEnd());
    }

    [Fact]
    public void Interfaces_of_all_domains_or_of_some_are_a_table()
    {
        _lightvm.Run("network-attach", "tiny1", "--bridge", "xenbr0", "--ip", "10.0.0.1");
        _lightvm.Run("network-attach", "tiny2");

        var lines = _lightvm.Run("network-list").Lines;
        Assert.Equal(3, lines.Length);
        Assert.Matches(@"^Domain +ID  MAC address +Bridge +IP address +State +Interface$", lines[0]);
        Assert.Matches(@"^tiny1 +0  00:16:3e:\S+  xenbr0 +10\.0\.0\.1 +Connected  vif1\.0$", lines[1]);
        Assert.Matches(@"^tiny2 +0  00:16:3e:\S+  - +- +Connected  vif2\.0$", lines[2]);
        Assert.Equal([lines[0], lines[2]], _lightvm.Run("network-list", "2", "tiny2").Lines);
    }

    [Fact]
    public void A_domain_that_there_is_none_of_does_not_keep_the_others_from_being_listed()
    {
        _lightvm.Run("network-attach", "tiny1");

        var run = _lightvm.Run("network-list", "nobody", "tiny1", "--json");

        Assert.Equal(4, run.ExitCode);
        Assert.Equal("DomainNotFound", Assert.Single(run.Errors).GetProperty("id").GetString());
        Assert.Equal(1, run.Json.GetArrayLength());
    }

    [Fact]
    public void An_interface_is_removed_by_its_number_or_its_address()
    {
        _lightvm.Run("network-attach", "tiny1", "--mac", Mac);
        _lightvm.Run("network-attach", "tiny1");

        var run = _lightvm.Run("network-detach", "tiny1", "0:16:3e:0:0:7");
        Assert.Equal((0, ""), (run.ExitCode, run.Output));
        Assert.Equal(1, Assert.Single(_lightvm.Host.Devices.ListNetworkAdapters(_lightvm.Host.ListDomains())).DeviceId);
        Assert.Equal(0, _lightvm.Run("network-detach", "tiny1", "1").ExitCode);
        Assert.Empty(_lightvm.Host.Devices.ListNetworkAdapters(_lightvm.Host.ListDomains()));
    }

    [Theory]
    [InlineData("BridgeNotFound", 4, "network-attach", "tiny1", "--bridge", "nosuchbridge")]
    [InlineData("NetworkAdapterInvalid", 3, "network-attach", "tiny1", "--mac", "01:00:5e:00:00:01")]
    [InlineData("NetworkAdapterInvalid", 3, "network-attach", "tiny1", "--rate", "fast")]
    [InlineData("NetworkAdapterInvalid", 3, "network-attach", "tiny1", "--queues", "65")]
    [InlineData("DomainNotFound", 4, "network-attach", "nobody")]
    [InlineData("DomainProtected", 3, "network-attach", "Domain-0")]
    [InlineData("DeviceNotFound", 4, "network-detach", "tiny1", "0")]
    [InlineData("DeviceNotFound", 4, "network-detach", "tiny1", "eth0")]
    [InlineData("DomainNotFound", 4, "network-detach", "nobody", "0")]
    [InlineData("DiskNotFound", 4, "block-attach", "tiny1", "/does/not/exist", "xvda")]
    [InlineData("DiskInvalid", 3, "block-attach", "tiny1", "/usr", "xvda")]
    [InlineData("DiskInvalid", 3, "block-attach", "tiny1", "", "xvda")]
    [InlineData("VirtualDeviceInvalid", 3, "block-attach", "tiny1", "/simulated/x", "vda")]
    [InlineData("VirtualDeviceInvalid", 3, "block-detach", "tiny1", "vda")]
    [InlineData("DeviceNotFound", 4, "block-detach", "tiny1", "xvda")]
    public void A_failure_is_told_with_its_domain_and_leaves_nothing(string id, int exitCode, params string[] words)
    {
        var run = _lightvm.Run(["--json", .. words]);

        Assert.Equal(exitCode, run.ExitCode);
        var error = Assert.Single(run.Errors);
        Assert.Equal(id, error.GetProperty("id").GetString());
        Assert.Equal(words[1], error.GetProperty("domain").GetString());
        Assert.NotNull(error.GetProperty("operation").GetString());
        Assert.Empty(run.Output);
        Assert.Empty(_lightvm.Host.Devices.ListNetworkAdapters(_lightvm.Host.ListDomains()));
        Assert.Empty(_lightvm.Host.Devices.ListDisks(_lightvm.Host.ListDomains()));
    }

    [Fact]
    public void What_is_taken_is_a_conflict()
    {
        _lightvm.Run("network-attach", "tiny1", "--mac", Mac);
        _lightvm.Run("block-attach", "tiny1", "/simulated/a", "xvda");

        Assert.Equal(5, _lightvm.Run("network-attach", "tiny2", "--mac", Mac).ExitCode);
        Assert.Equal(5, _lightvm.Run("block-attach", "tiny2", "/simulated/a", "xvda").ExitCode);
        Assert.Equal(5, _lightvm.Run("block-attach", "tiny1", "/simulated/b", "d0p0").ExitCode);
    }

    [Theory]
    [InlineData("network-attach", "--mac", Mac, "network-detach", "0")]
    [InlineData("block-attach", "/simulated/a", "xvda", "block-detach", "xvda")]
    public void A_guest_that_does_not_let_go_is_waited_for_or_done_without(string attach, string one, string other, string detach, string device)
    {
        Assert.Equal(0, _lightvm.Run("create", _lightvm.Config("busy", ""","cmdline":"spin" """)).ExitCode);
        Assert.Equal(0, _lightvm.Run(attach, "busy", one, other).ExitCode);

        var run = _lightvm.Run(detach, "busy", device, "--timeout", "2.5", "--json");
        Assert.Equal(11, run.ExitCode);
        Assert.Equal("DeviceBusy", Assert.Single(run.Errors).GetProperty("id").GetString());
        Assert.Contains("within 2.5 s", run.Error, StringComparison.Ordinal);
        Assert.Equal(0, _lightvm.Run(detach, "busy", device, "--force").ExitCode);
        Assert.Equal(4, _lightvm.Run(detach, "busy", device).ExitCode);
    }

    [Theory]
    [InlineData("network-attach", "tiny1")]
    [InlineData("block-attach", "tiny1", "/simulated/a", "xvda")]
    public void A_signal_leaves_nothing_and_gives_its_exit_code(params string[] words)
    {
        using var lightvm = new Lightvm { Signal = 2, OpenHost = _ => _lightvm.Host };

        Assert.Equal(130, lightvm.Run(words).ExitCode);
        Assert.Empty(_lightvm.Host.Devices.ListNetworkAdapters(_lightvm.Host.ListDomains()));
        Assert.Empty(_lightvm.Host.Devices.ListDisks(_lightvm.Host.ListDomains()));
    }

    // --- disks ----------------------------------------------------------------------------------------------------------

    [Fact]
    public void A_disk_is_added_and_told()
    {
        var image = _lightvm.File("data.img", "data");

        var run = _lightvm.Run("block-attach", "tiny1", Path.GetRelativePath(Environment.CurrentDirectory, image), "xvdb");

        Assert.Equal(0, run.ExitCode);
        var disk = Assert.Single(_lightvm.Host.Devices.ListDisks(_lightvm.Host.GetDomain("tiny1")));
        Assert.Equal(image, Path.GetFullPath(disk.Target));
        Assert.True(Path.IsPathRooted(disk.Target));
        Assert.Equal($"tiny1  xvdb  {disk.Target}\n", run.Output);
    }

    [Fact]
    public void Json_of_a_disk_has_every_property()
    {
        var run = _lightvm.Run("block-attach", "--json", "tiny1", "/simulated/a", "xvdb", "--type=phy", "--read-only", "--timeout=5");

        Assert.Equal(0, run.ExitCode);
        Assert.Equal(
            $$"""[{"domain":"tiny1","domainId":1,"domainUuid":"{{_lightvm.Host.GetDomain("tiny1").Uuid}}","deviceId":51728,"vdev":"xvdb","target":"/simulated/a","type":"phy","access":"r","state":"Connected","blockDevice":"/simulated/a"}]""",
            run.Output.TrimEnd());
        Assert.Equal(run.Output, _lightvm.Run("block-list", "--json", "tiny1").Output);
        Assert.Equal(run.Output, _lightvm.Run("block-detach", "--json", "tiny1", "51728").Output);
        Assert.Equal("[]", _lightvm.Run("block-list", "--json").Output.TrimEnd());
    }

    [Fact]
    public void Disks_of_all_domains_or_of_some_are_a_table()
    {
        _lightvm.Run("block-attach", "tiny1", "/simulated/a", "xvda");
        _lightvm.Run("block-attach", "tiny2", "/simulated/b", "xvdb1", "--read-only");

        var lines = _lightvm.Run("block-list").Lines;
        Assert.Equal(3, lines.Length);
        Assert.Matches(@"^Domain +VDEV +Type  Access  State +Device +Target$", lines[0]);
        Assert.Matches(@"^tiny1 +xvda +file  w +Connected  /simulated/a  /simulated/a$", lines[1]);
        Assert.Matches(@"^tiny2 +xvdb1 +file  r +Connected  /simulated/b  /simulated/b$", lines[2]);
        Assert.Equal([lines[0], lines[1]], _lightvm.Run("block-list", "tiny1").Lines);
    }

    [Fact]
    public void A_disk_is_removed_by_its_name_in_any_spelling()
    {
        _lightvm.Run("block-attach", "tiny1", "/simulated/a", "xvda");

        var run = _lightvm.Run("block-detach", "tiny1", "d0p0");

        Assert.Equal((0, ""), (run.ExitCode, run.Output));
        Assert.Empty(_lightvm.Host.Devices.ListDisks(_lightvm.Host.ListDomains()));
    }

    [Theory]
    [InlineData("block-attach", "tiny1", "/simulated/a")]
    [InlineData("block-attach", "tiny1", "/simulated/a", "xvda", "--type", "qcow2")]
    [InlineData("network-attach", "tiny1", "--queues", "many")]
    [InlineData("network-attach", "tiny1", "--timeout", "0")]
    [InlineData("network-detach", "tiny1")]
    public void A_command_line_that_is_not_understood_does_nothing(params string[] words)
    {
        Assert.Equal(2, _lightvm.Run(words).ExitCode);
        Assert.Empty(_lightvm.Host.Devices.ListNetworkAdapters(_lightvm.Host.ListDomains()));
    }

    // --- devices that come with a domain --------------------------------------------------------------------------------

    [Fact]
    public void A_domain_is_created_with_its_devices()
    {
        var config = _lightvm.Config("web", $$""","vifs":[{"mac":"{{Mac}}","bridge":"xenbr0"},{"bridge":"xenbr1"}],"vbds":[{"target":"/simulated/web","type":"file","vdev":"xvda","access":"w"}]""");

        Assert.Equal(0, _lightvm.Run("create", config).ExitCode);

        Assert.Equal(["xenbr0", "xenbr1"], _lightvm.Run("network-list", "--json", "web").Json.EnumerateArray().Select(adapter => adapter.GetProperty("bridge").GetString()));
        Assert.Equal(["xvda"], _lightvm.Run("block-list", "--json", "web").Json.EnumerateArray().Select(disk => disk.GetProperty("vdev").GetString()));
    }

    [Fact]
    public void A_domain_whose_bridge_is_missing_leaves_nothing()
    {
        using var lightvm = new Lightvm(new SimulatedHostOptions { Bridges = ["xenbr0"] });
        var config = lightvm.Config("web", $$""","vifs":[{"mac":"{{Mac}}","bridge":"xenbr0"},{"bridge":"xenbr1"}]""");

        var run = lightvm.Run("create", "--json", config);

        Assert.Equal(4, run.ExitCode);
        Assert.Equal("BridgeNotFound", Assert.Single(run.Errors).GetProperty("id").GetString());
        Assert.Single(lightvm.Host.ListDomains());
        Assert.Empty(lightvm.Host.Devices.ListNetworkAdapters(lightvm.Host.ListDomains()));
    }
}
