using System.Text.Json;
using LightVM.Errors;
using LightVM.Host.Commands;

namespace LightVM.Unit.Host;

public sealed class ScriptCommandTests : IDisposable
{
    private readonly Lightvm _lightvm = new();

    public void Dispose() => _lightvm.Dispose();

    [Fact]
    public void Lines_run_one_after_another_on_one_host()
    {
        var script = _lightvm.File("s", $"""
            # a comment, then an empty line

            create '{_lightvm.Config()}' --name "my-guest"
              pause my-guest   # at once
            list
            """);

        var run = _lightvm.Run("script", script, "--time");

        Assert.Equal(0, run.ExitCode);
        Assert.StartsWith("+ create ", run.Lines[0], StringComparison.Ordinal);
        Assert.Matches(@"^  \(\d+\.\d ms\)$", run.Lines[2]);
        Assert.Equal("+ pause my-guest   # at once", run.Lines[3]);
        Assert.Contains("my-guest", run.Output[run.Output.IndexOf("+ list", StringComparison.Ordinal)..], StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_failure_ends_it_with_its_exit_code()
    {
        using var lightvm = new Lightvm { Input = "pause nobody\nlist\n" };

        var run = lightvm.Run("script", "-");

        Assert.Equal(4, run.ExitCode);
        Assert.DoesNotContain("+ list", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Keep_going_goes_on()
    {
        using var lightvm = new Lightvm { Input = "pause nobody\nlist\nbogus\n" };

        var run = lightvm.Run("script", "-", "--keep-going");

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("Domain-0", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void What_was_said_to_the_script_counts_for_its_lines_and_not_after_it()
    {
        using var lightvm = new Lightvm { Input = "list\npause nobody\n" };

        var run = lightvm.Run("--json", "script", "-");

        var documents = run.Lines.Select(line => JsonDocument.Parse(line).RootElement).ToArray();
        Assert.Equal("Domain-0", documents[0][0].GetProperty("name").GetString());
        Assert.Equal(0, documents[1].GetArrayLength()); // none was paused
        Assert.Equal(ErrorIds.DomainNotFound, run.Errors.Single().GetProperty("id").GetString());
        Assert.StartsWith("Name", lightvm.Run("list").Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("script -\n", "cannot run another")]
    [InlineData("list\nlist --simulated\n", "one host")]
    [InlineData("pause 'a\n", "line 1")]
    public void What_cannot_be_done_is_a_usage_error(string input, string message)
    {
        using var lightvm = new Lightvm { Input = input };

        var run = lightvm.Run("script", "-");

        Assert.Equal(2, run.ExitCode);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_signal_ends_it_before_the_next_line()
    {
        using var lightvm = new Lightvm { Input = "list\n", Signal = 2 };

        var run = lightvm.Run("script", "-");

        Assert.Equal(130, run.ExitCode);
        Assert.Empty(run.Output);
    }

    [Theory]
    [InlineData("", new string[0])]
    [InlineData("  a\tb  ", new[] { "a", "b" })]
    [InlineData("a 'b c' \"d e\"", new[] { "a", "b c", "d e" })]
    [InlineData("""a\ b '\' "\"\\\x" ''""", new[] { "a b", "\\", "\"\\\\x", "" })]
    [InlineData("x'y'\"z\"#1 # comment", new[] { "xyz#1" })]
    public void Words_are_quoted_as_in_a_shell(string line, string[] words) => Assert.Equal(words, ShellWords.Split(line));

    [Theory]
    [InlineData("'a")]
    [InlineData("\"a")]
    [InlineData("a\\")]
    public void What_does_not_end_is_refused(string line) => Assert.Throws<FormatException>(() => ShellWords.Split(line));
}
