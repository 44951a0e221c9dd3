namespace LightVM.Unit.Host;

public sealed class ConfigCommandTests : IDisposable
{
    private readonly Lightvm _lightvm = new();

    public void Dispose() => _lightvm.Dispose();

    [Fact]
    public void Good_and_bad_files_get_their_verdicts_with_positions()
    {
        var good = _lightvm.Config();
        var bad = _lightvm.File("bad.json", "{\n  \"name\": 3,\n  \"memory\": -1, \"vcpus\": 1, \"kernel\": \"k\" }");

        var run = _lightvm.Run("config", "check", bad, good);

        Assert.Equal(3, run.ExitCode);
        Assert.Equal($"{good}: ok\n", run.Output);
        Assert.Contains($"lightvm: {bad}:2:11: $.name: ", run.Error, StringComparison.Ordinal);
        Assert.Contains($"lightvm: {bad}:3:13: $.memory: ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Json_has_the_errors_of_each_file()
    {
        var good = _lightvm.Config();
        var bad = _lightvm.File("bad.json", "{");

        var run = _lightvm.Run("config", "check", "--json", good, bad);

        Assert.Equal(3, run.ExitCode);
        Assert.Empty(run.Error);
        Assert.True(run.Json[0].GetProperty("valid").GetBoolean());
        Assert.False(run.Json[1].GetProperty("valid").GetBoolean());
        Assert.Equal("ConfigSyntax", run.Json[1].GetProperty("id").GetString());
        Assert.Equal(1, run.Json[1].GetProperty("errors")[0].GetProperty("line").GetInt32());
    }

    [Fact]
    public void A_file_that_is_not_there_is_told_as_such() =>
        Assert.Equal(4, _lightvm.Run("config", "check", "/nonexistent.json").ExitCode);
}
