namespace LightVM.Unit.Host;

public sealed class ListCommandTests : IDisposable
{
    private readonly Lightvm _lightvm = new();

    public void Dispose() => _lightvm.Dispose();

    [Fact]
    public void The_table_is_aligned_and_cuts_no_name()
    {
        var name = new string('n', 80);
        _lightvm.Run("create", _lightvm.Config(name));
        _lightvm.Run("create", _lightvm.Config("short"), "--paused");

        var lines = _lightvm.Run("list").Lines;

        Assert.Equal(4, lines.Length);
        Assert.Equal(["Name", "ID", "Mem", "VCPUs", "State", "Time(s)", "Uptime"], lines[0].Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith(name + " ", lines[2], StringComparison.Ordinal);
        var state = lines[0].IndexOf("State", StringComparison.Ordinal);
        Assert.Equal("r-----", lines[1].Substring(state, 6));
        Assert.Equal("--p---", lines[3].Substring(state, 6));
        Assert.Single(lines.Select(line => line.Length).Distinct());
    }

    [Fact]
    public void Json_has_every_domain_with_every_property()
    {
        _lightvm.Run("create", _lightvm.Config());

        var domains = _lightvm.Run("list", "--json").Json;

        Assert.Equal(2, domains.GetArrayLength());
        Assert.Equal(
            ["name", "id", "uuid", "state", "shutdownReason", "type", "vcpus", "maxVcpus", "memoryKiB", "maxMemoryKiB", "cpuSeconds", "startTime", "uptimeSeconds"],
            domains[1].EnumerateObject().Select(property => property.Name));
        Assert.Equal("Domain-0", domains[0].GetProperty("name").GetString());
        Assert.Equal("tiny", domains[1].GetProperty("name").GetString());
        Assert.Equal("PV", domains[1].GetProperty("type").GetString());
    }

    [Fact]
    public void Info_tells_what_the_host_has()
    {
        Assert.Contains("Simulated", _lightvm.Run("info").Output, StringComparison.Ordinal);
        var info = _lightvm.Run("info", "--json").Json;
        Assert.Equal(_lightvm.Host.GetInfo().FreeMemoryKiB, info.GetProperty("freeMemoryKiB").GetInt64());
        Assert.True(info.GetProperty("supportsPV64").GetBoolean());
    }
}
