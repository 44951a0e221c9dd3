using LightVM.Errors;

namespace LightVM.Unit.Host;

public sealed class PoolCommandTests : IDisposable
{
    private readonly Lightvm _lightvm = new();

    public void Dispose() => _lightvm.Dispose();

    [Fact]
    public void Without_the_daemon_there_are_no_pools()
    {
        AssertFails(8, ErrorIds.PoolDaemonUnavailable, "pool", "list", "--json");
        AssertFails(8, ErrorIds.PoolDaemonUnavailable, "create", "--json", "-s", _lightvm.Config());
    }

    [Fact]
    public void A_pool_is_begun_listed_changed_and_ended()
    {
        _lightvm.Run("service", "start", "poold");
        var added = _lightvm.Run("pool", "add", "--json", "web", _lightvm.Config(), "--built", "--minimum", "2", "--maximum", "4", "--budget", "64").Json;
        Assert.Equal(("web", "built", 2, 4, 64), (added.GetProperty("name").GetString(), added.GetProperty("kind").GetString(), added.GetProperty("minimum").GetInt32(), added.GetProperty("maximum").GetInt32(), added.GetProperty("budget").GetInt32()));
        AwaitReady("web", 2);
        Assert.Matches(@"(?m)^web +Built +PV +4 +1 +2 +2 +4 +0 +0 ", _lightvm.Run("pool", "list").Output);
        Assert.Equal("web", Assert.Single(_lightvm.Run("pool", "list", "--json", "web").Json.EnumerateArray()).GetProperty("name").GetString());

        Assert.Equal(3, _lightvm.Run("pool", "set", "--json", "web", "--minimum", "3", "--budget", "0").Json.GetProperty("minimum").GetInt32());
        AwaitReady("web", 3);
        Assert.False(_lightvm.Run("pool", "list", "--json", "web").Json[0].TryGetProperty("budget", out _));
        Assert.Equal("web: removed\n", _lightvm.Run("pool", "remove", "web").Output);
        Assert.Equal("[]\n", _lightvm.Run("pool", "list", "--json").Output);
        AssertFails(4, ErrorIds.PoolNotFound, "pool", "remove", "--json", "web");
        AssertFails(4, ErrorIds.PoolNotFound, "pool", "set", "--json", "web");
        AssertFails(4, ErrorIds.PoolNotFound, "pool", "list", "--json", "web");
        AssertFails(3, ErrorIds.PoolInvalid, "pool", "add", "--json", "web", _lightvm.Config(), "--minimum", "3", "--maximum", "2");
    }

    [Fact]
    public void Creating_uses_what_waits_and_listing_does_not_show_it()
    {
        _lightvm.Run("service", "start", "poold");
        _lightvm.Run("pool", "add", "web", _lightvm.Config());
        AwaitReady("web", 1);
        Assert.Equal(["Domain-0"], Names("list", "--json"));
        Assert.StartsWith("pool/web/", Names("list", "--json", "--shells")[1], StringComparison.Ordinal);

        var creation = _lightvm.Run("create", "--json", _lightvm.Config("one")).Json[0].GetProperty("creation");
        Assert.Equal(("Shell", "web"), (creation.GetProperty("source").GetString(), creation.GetProperty("pool").GetString()));
        AwaitReady("web", 1);
        creation = _lightvm.Run("create", "--json", "-s", _lightvm.Config("two")).Json[0].GetProperty("creation");
        Assert.Equal("Shell", creation.GetProperty("source").GetString());
        AwaitReady("web", 1);
        Assert.Matches(@"^three +id \d+ +[\d.]+ ms  \(pool web\)\n", _lightvm.Run("create", _lightvm.Config("three")).Output);
        Assert.Equal(["Domain-0", "one", "two", "three"], Names("list", "--json"));
    }

    [Fact]
    public void A_pool_is_of_a_file_or_of_an_image()
    {
        Assert.Equal(2, _lightvm.Run("pool", "add", "web").ExitCode);
        Assert.Equal(2, _lightvm.Run("pool", "add", "web", _lightvm.Config(), "--image", "x").ExitCode);
        AssertFails(4, ErrorIds.ImageNotFound, "pool", "add", "--json", "web", "--image", "/nowhere.lightvm");
    }

    private void AwaitReady(string pool, int count) =>
        Assert.True(SpinWait.SpinUntil(() => _lightvm.Host.Pools.Get(pool) is var found && found.ReadyCount >= count && found.MakingCount == 0, TimeSpan.FromSeconds(60)));

    private string[] Names(params string[] words) => _lightvm.Run(words).Json.EnumerateArray().Select(domain => domain.GetProperty("name").GetString()!).ToArray();

    private void AssertFails(int exitCode, string id, params string[] words)
    {
        var run = _lightvm.Run(words);
        Assert.Equal((exitCode, id), (run.ExitCode, run.Errors.Single().GetProperty("id").GetString()));
    }
}
