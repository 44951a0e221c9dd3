using LightVM.Hypervisor;

namespace LightVM.Unit.Host;

public sealed class DomainCommandTests : IDisposable
{
    private readonly Lightvm _lightvm = new();

    public DomainCommandTests()
    {
        Assert.Equal(0, _lightvm.Run("create", "--jobs", "1", "-n", "3", _lightvm.Config()).ExitCode);
    }

    public void Dispose() => _lightvm.Dispose();

    [Fact]
    public void A_domain_is_named_by_name_id_or_uuid()
    {
        var uuid = _lightvm.Host.GetDomain("tiny3").Uuid.ToString();

        var run = _lightvm.Run("pause", "tiny1", "2", uuid);

        Assert.Equal(0, run.ExitCode);
        Assert.Empty(run.Output);
        Assert.All(_lightvm.Host.ListDomains().Skip(1), domain => Assert.Equal(DomainState.Paused, domain.State));
    }

    [Fact]
    public void Unpause_lets_them_run()
    {
        _lightvm.Run("pause", "1", "2");

        Assert.Equal(0, _lightvm.Run("unpause", "1", "2").ExitCode);
        Assert.DoesNotContain(_lightvm.Host.ListDomains(), domain => domain.State == DomainState.Paused);
    }

    [Fact]
    public void One_that_fails_does_not_keep_the_others_from_being_tried()
    {
        var run = _lightvm.Run("destroy", "--json", "tiny1", "nobody", "tiny3");

        Assert.Equal(4, run.ExitCode);
        var error = run.Errors.Single();
        Assert.Equal("DomainNotFound", error.GetProperty("id").GetString());
        Assert.Equal("NotFound", error.GetProperty("kind").GetString());
        Assert.Equal("destroy", error.GetProperty("operation").GetString());
        Assert.Equal("nobody", error.GetProperty("domain").GetString());
        Assert.Equal(["tiny1", "tiny3"], run.Json.EnumerateArray().Select(domain => domain.GetProperty("name").GetString()));
        Assert.Equal(["Domain-0", "tiny2"], _lightvm.Host.ListDomains().Select(domain => domain.Name));
    }

    [Fact]
    public void Failures_are_told_one_by_one()
    {
        var run = _lightvm.Run("pause", "nobody", "tiny1", "noone");

        Assert.Equal(4, run.ExitCode);
        var lines = run.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal).ToArray(); // they are found out at once
        Assert.Equal(2, lines.Length);
        Assert.StartsWith("lightvm: Cannot pause domain 'nobody': ", lines[0], StringComparison.Ordinal);
        Assert.StartsWith("lightvm: Cannot pause domain 'noone': ", lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void Failures_of_different_kinds_give_the_common_exit_code()
    {
        var run = _lightvm.Run("destroy", "nobody", "Domain-0");

        Assert.Equal(1, run.ExitCode);
        Assert.Equal(4, _lightvm.Host.ListDomains().Count);
    }

    [Fact]
    public void Rename_gives_the_new_name()
    {
        var run = _lightvm.Run("rename", "--json", "tiny1", "@new");

        Assert.Equal(0, run.ExitCode);
        Assert.Equal("@new", run.Json[0].GetProperty("name").GetString());
        Assert.Equal(0, _lightvm.Run("destroy", "@new").ExitCode);
    }

    [Fact]
    public void Rename_to_a_taken_name_is_a_conflict() => Assert.Equal(5, _lightvm.Run("rename", "tiny1", "tiny2").ExitCode);

    [Fact]
    public void A_signal_ends_the_row()
    {
        using var lightvm = new Lightvm { Signal = 15 };

        var run = lightvm.Run("destroy", "a", "b");

        Assert.Equal(143, run.ExitCode);
    }

    [Fact]
    public void The_console_of_a_domain_without_one_is_not_to_be_had()
    {
        Assert.Equal(0, _lightvm.Run("create", "-q", _lightvm.Config("mute", ",\"console\":false")).ExitCode);

        Assert.Equal(8, _lightvm.Run("console", "mute", "--tail", "1").ExitCode);
    }

    [Fact]
    public void What_a_guest_has_written_is_shown_as_often_as_one_likes()
    {
        string[] written = ["tiny: hello from a PV guest", "tiny: command line: "];

        Assert.Equal(written, _lightvm.Run("console", "tiny1", "--tail", "100").Lines.Select(line => line.TrimEnd('\n')));
        Assert.Equal(written[1..], _lightvm.Run("console", "tiny1", "--tail", "1").Lines);
        Assert.Empty(_lightvm.Run("console", "tiny1", "--tail", "0").Lines);
    }

    [Fact]
    public void What_is_sent_is_typed_with_Enter_at_its_end()
    {
        Assert.Equal(0, _lightvm.Run("console", "tiny1", "--send", "good day").ExitCode);

        Assert.Equal(["good day", "tiny: good day"], _lightvm.Run("console", "tiny1", "--tail", "2").Lines);
    }

    [Theory]
    [InlineData("--tail", "x")]
    [InlineData("--tail", "-1")]
    [InlineData("--timeout", "0")]
    public void A_number_that_is_none_is_a_usage_error(string option, string value) => Assert.Equal(2, _lightvm.Run("console", "tiny1", option, value).ExitCode);

    [Fact]
    public void The_control_domain_has_no_console() => Assert.Equal(3, _lightvm.Run("console", "0", "--tail", "1").ExitCode);

    [Fact]
    public void Without_a_domain_it_is_a_usage_error()
    {
        var run = _lightvm.Run("pause");

        Assert.Equal(2, run.ExitCode);
        Assert.Contains("lightvm pause --help", run.Error, StringComparison.Ordinal);
    }
}
