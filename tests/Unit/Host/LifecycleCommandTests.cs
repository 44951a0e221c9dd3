using LightVM.Configuration;
using LightVM.Hypervisor;

namespace LightVM.Unit.Host;

public sealed class LifecycleCommandTests : IDisposable
{
    private readonly Lightvm _lightvm = new();

    public LifecycleCommandTests()
    {
        Assert.Equal(0, _lightvm.Run("create", "--jobs", "1", "-n", "2", _lightvm.Config()).ExitCode);
        Assert.Equal(0, _lightvm.Run("create", _lightvm.Config("deaf", ""","cmdline":"noxs" """)).ExitCode);
    }

    public void Dispose() => _lightvm.Dispose();

    [Theory]
    [InlineData("shutdown")]
    [InlineData("stop")]
    public void Shutdown_ends_all_and_tells_of_them_as_they_were(string command)
    {
        var run = _lightvm.Run(command, "--json", "tiny1", "nobody", "tiny2");

        Assert.Equal(4, run.ExitCode);
        Assert.Equal("nobody", run.Errors.Single().GetProperty("domain").GetString());
        Assert.Equal(["tiny1", "tiny2"], run.Json.EnumerateArray().Select(domain => domain.GetProperty("name").GetString()).Order());
        Assert.Equal(["Domain-0", "deaf"], _lightvm.Host.ListDomains().Select(domain => domain.Name));
    }

    [Fact]
    public void A_guest_that_does_not_listen_is_left_or_destroyed_by_force()
    {
        var run = _lightvm.Run("shutdown", "--timeout", "0.1", "deaf");
        Assert.Equal(11, run.ExitCode);
        Assert.StartsWith("lightvm: Cannot stop domain 'deaf': its guest has not ended within 0.1 s", run.Error, StringComparison.Ordinal);

        Assert.Equal(0, _lightvm.Run("shutdown", "--timeout", "0.1", "-F", "deaf").ExitCode);
        Assert.DoesNotContain(_lightvm.Host.ListDomains(), domain => domain.Name == "deaf");
    }

    [Fact]
    public void Without_waiting_guests_are_only_asked()
    {
        Assert.Equal(0, _lightvm.Run("shutdown", "-e", "tiny1", "deaf").ExitCode);
        Assert.Equal(DomainState.Shutdown, _lightvm.Host.GetDomain("tiny1").State);
        Assert.Equal(DomainState.Blocked, _lightvm.Host.GetDomain("deaf").State);
        Assert.Equal(2, _lightvm.Run("shutdown", "-e", "-F", "deaf").ExitCode);
    }

    [Fact]
    public void Domains_are_kept_after_their_ends()
    {
        Assert.Equal("Shutdown", _lightvm.Run("shutdown", "--json", "--keep", "tiny1").Json[0].GetProperty("state").GetString());
        Assert.Equal(0, _lightvm.Run("shutdown", "--no-wait", "--keep", "tiny2").ExitCode);
        Assert.Equal(LifecycleAction.Preserve, _lightvm.Host.Lifecycle.KeepAfterPoweroff(_lightvm.Host.GetDomain("tiny2").Key));
    }

    [Theory]
    [InlineData("reboot")]
    [InlineData("restart")]
    public void Reboot_gives_the_domains_that_run_now(string command)
    {
        var before = _lightvm.Host.GetDomain("tiny1");

        var run = _lightvm.Run(command, "--json", "tiny1", "tiny2");
        Assert.Equal(0, run.ExitCode);
        Assert.Equal(["tiny1", "tiny2"], run.Json.EnumerateArray().Select(domain => domain.GetProperty("name").GetString()).Order());
        var after = _lightvm.Host.GetDomain("tiny1");
        Assert.Equal(before.Uuid, after.Uuid);
        Assert.NotEqual(before.Id, after.Id);
    }

    [Fact]
    public void Wait_ends_when_all_are_what_was_asked_for()
    {
        Assert.Equal(0, _lightvm.Run("wait", "--for", "running", "tiny1", "tiny2").ExitCode);
        _lightvm.Run("shutdown", "-e", "tiny1");
        Assert.Equal("tiny1", _lightvm.Run("wait", "--json", "--for", "shutdown", "tiny1").Json[0].GetProperty("name").GetString());
        Assert.Equal(11, _lightvm.Run("wait", "--for", "shutdown", "--timeout", "0.1", "tiny1", "deaf").ExitCode);
        Assert.Equal(9, _lightvm.Run("wait", "--for", "running", "tiny1").ExitCode);
        Assert.Equal(0, _lightvm.Run("wait", "--for", "removed", "nobody").ExitCode);
        Assert.Equal(4, _lightvm.Run("wait", "--for", "running", "nobody").ExitCode);
    }

    [Fact]
    public void Wait_tells_the_address_and_the_line_that_were_waited_for()
    {
        _lightvm.Run("create", _lightvm.Config("net", ""","cmdline":"some-words","vifs":[{"ip":"10.0.0.9","mac":"00:16:3e:00:00:09"}] """));

        Assert.Equal(["net: 10.0.0.9"], _lightvm.Run("wait", "--for", "address", "net").Lines);
        var address = _lightvm.Run("wait", "--json", "--for", "address", "net").Json[0];
        Assert.Equal(("net", "00:16:3e:00:00:09", "10.0.0.9"), (address.GetProperty("name").GetString(), address.GetProperty("macAddress").GetString(), address.GetProperty("ipAddress").GetString()));
        Assert.Contains("some-words", Assert.Single(_lightvm.Run("wait", "--for", "console", "--pattern", "some-w.rds", "net").Lines), StringComparison.Ordinal);
        Assert.Contains("some-words", _lightvm.Run("wait", "--json", "--for", "console", "--pattern", "some-", "net").Json[0].GetProperty("line").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("wait", "tiny1")]
    [InlineData("wait", "--for", "better-times", "tiny1")]
    [InlineData("wait", "--for", "console", "tiny1")]
    [InlineData("wait", "--for", "running", "--pattern", "x", "tiny1")]
    [InlineData("wait", "--for", "console", "--pattern", "(", "tiny1")]
    [InlineData("wait", "--for", "running", "--timeout", "0", "tiny1")]
    [InlineData("shutdown")]
    public void What_makes_no_sense_is_a_usage_error(params string[] words) => Assert.Equal(2, _lightvm.Run(words).ExitCode);
}
