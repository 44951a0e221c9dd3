using System.Collections;
using LightVM.Cmdlets.Configuration;
using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Unit.Cmdlets;

public sealed class ConfigurationParametersTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("lightvm-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void An_interface_is_written_as_a_table_with_keys_of_any_case() =>
        Assert.Equal(new NetworkConfig("10.0.0.2", null, "br0"), DeviceTables.ToNetwork(new Hashtable { ["IP"] = "10.0.0.2", ["bridge"] = "br0" }));

    [Fact]
    public void An_interface_has_a_rate_queues_and_trust()
    {
        var table = new Hashtable { ["rate"] = "10Mb/s", ["queuecount"] = 4, ["Trusted"] = false };
        Assert.Equal(new NetworkConfig(null, null, null, "10Mb/s", 4, Trusted: false), DeviceTables.ToNetwork(table));
        Assert.Equal(new NetworkConfig(null, null, null), DeviceTables.ToNetwork(new Hashtable { ["Rate"] = null, ["QueueCount"] = null, ["Trusted"] = null }));
    }

    [Theory]
    [InlineData("QueueCount", "many", "whole number")]
    [InlineData("QueueCount", 2.5, "whole number")]
    [InlineData("Trusted", "maybe", "$true or $false")]
    [InlineData("Trusted", 0, "$true or $false")]
    [InlineData("Queues", 2, "QueueCount")]
    public void A_value_of_an_interface_that_is_none_is_refused_with_its_key(string key, object value, string reason)
    {
        var message = Assert.Throws<ArgumentException>(() => DeviceTables.ToNetwork(new Hashtable { [key] = value })).Message;
        Assert.Contains(key, message, StringComparison.Ordinal);
        Assert.Contains(reason, message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_disk_has_its_defaults()
    {
        var table = new Hashtable { ["Target"] = "/dev/sdb", ["VirtualDevice"] = "xvda" };
        Assert.Equal(new DiskConfig("/dev/sdb", DiskType.Phy, "xvda", DiskAccess.ReadWrite), DeviceTables.ToDisk(table));
        table["type"] = "file";
        table["access"] = DiskAccess.ReadOnly;
        Assert.Equal(new DiskConfig("/dev/sdb", DiskType.File, "xvda", DiskAccess.ReadOnly), DeviceTables.ToDisk(table));
    }

    [Theory]
    [InlineData("Target", "x", "VirtualDevice")]
    [InlineData("VirtualDevice", "x", "Target")]
    [InlineData("Colour", "x", "Colour")]
    public void What_a_table_lacks_or_has_too_much_is_named(string key, string value, string named) =>
        Assert.Contains(named, Assert.Throws<ArgumentException>(() => DeviceTables.ToDisk(new Hashtable { [key] = value })).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("tape")]
    [InlineData("7")]
    public void A_word_that_is_none_is_refused_with_those_there_are(string word)
    {
        var table = new Hashtable { ["Target"] = "x", ["VirtualDevice"] = "xvda", ["Type"] = word };
        Assert.Contains("Phy, File", Assert.Throws<ArgumentException>(() => DeviceTables.ToDisk(table)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_holds_one_configuration_and_a_directory_one_file_each()
    {
        var file = new ExportTarget(Path.Combine(_directory, "a.json"));
        Assert.Equal(Path.Combine(_directory, "a.json"), file.FileFor(Config("a")));
        Assert.Equal(ErrorIds.ConfigNotWritable, Assert.Throws<InvalidConfigException>(() => file.FileFor(Config("b"))).ErrorId);

        var directory = new ExportTarget(_directory);
        Assert.Equal([Path.Combine(_directory, "a.json"), Path.Combine(_directory, "b.json")], [directory.FileFor(Config("a")), directory.FileFor(Config("b"))]);
    }

    [Fact]
    public void A_test_gives_the_configuration_of_a_good_file()
    {
        var path = Write("""{ "name": "a", "kernel": "k", "memory": 4, "vcpus": 1 }""");
        var result = DomainConfigTestResult.Of(path);
        Assert.True(result.IsValid);
        Assert.Equal((null, "a"), (result.ErrorId, result.Config!.Name));
        Assert.Empty(result.Errors);
    }

    [Theory]
    [InlineData("""{ "name": "a", "memory": 0, "vcpus": 1 }""", ErrorIds.ConfigInvalid, 2)]
    [InlineData("""{ "name": """, ErrorIds.ConfigSyntax, 1)]
    [InlineData(null, ErrorIds.ConfigNotFound, 1)]
    public void A_test_gives_every_error_of_a_bad_one(string? text, string errorId, int errors)
    {
        var result = DomainConfigTestResult.Of(text is null ? Path.Combine(_directory, "absent.json") : Write(text));
        Assert.False(result.IsValid);
        Assert.Equal((errorId, errors), (result.ErrorId, result.Errors.Count));
        Assert.Null(result.Config);
    }

    private static DomainConfig Config(string name) => DomainConfig.From(new DomainConfigDraft { Name = name, MemoryMiB = 4, VcpuCount = 1 });

    private string Write(string text)
    {
        var path = Path.Combine(_directory, "config.json");
        File.WriteAllText(path, text);
        return path;
    }
}
