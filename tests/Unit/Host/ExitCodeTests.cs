using LightVM.Errors;
using LightVM.Host;

namespace LightVM.Unit.Host;

public sealed class ExitCodeTests
{
    public static TheoryData<string> Ids => [.. ErrorCatalog.All.Select(row => row.Id)];

    [Theory]
    [MemberData(nameof(Ids))]
    public void Every_error_has_the_exit_code_of_its_kind_and_its_json(string id)
    {
        using var lightvm = new Lightvm { OpenHost = _ => throw new LvmException(id, "it broke") { Errno = 12, HypervisorLog = "xc: no" }.During("open") };

        var run = lightvm.Run("list", "--json");

        var description = ErrorCatalog.Get(id);
        Assert.Equal(ExitCodes.Of(description.Kind), run.ExitCode);
        var error = run.Errors.Single();
        Assert.Equal(id, error.GetProperty("id").GetString());
        Assert.Equal(description.Kind.ToString(), error.GetProperty("kind").GetString());
        Assert.Equal(description.Remedy, error.GetProperty("remedy").GetString());
        Assert.Equal("open", error.GetProperty("operation").GetString());
        Assert.Equal(12, error.GetProperty("errno").GetInt32());
        Assert.Equal("xc: no", error.GetProperty("hypervisorLog").GetString());
    }

    [Fact]
    public void Every_kind_has_an_exit_code_of_its_own()
    {
        Assert.Equal(Enum.GetValues<ErrorKind>(), ExitCodes.All.Select(row => row.Kind));
        Assert.Equal(ExitCodes.All.Count, ExitCodes.All.Select(row => row.Code).Distinct().Count());
        Assert.DoesNotContain(ExitCodes.All, row => row.Code is ExitCodes.Ok or ExitCodes.Usage or >= 126);
    }

    [Fact]
    public void What_nobody_foresaw_is_a_failure_with_all_that_helps()
    {
        using var lightvm = new Lightvm { OpenHost = _ => throw new InvalidOperationException("oops") };

        var run = lightvm.Run("list");

        Assert.Equal(1, run.ExitCode);
        Assert.Contains("internal error: System.InvalidOperationException: oops", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData]
    [InlineData("bogus")]
    [InlineData("list", "more")]
    [InlineData("create")]
    [InlineData("config")]
    public void A_command_line_that_is_not_understood_gives_2(params string[] words)
    {
        using var lightvm = new Lightvm();

        var run = lightvm.Run(words);

        Assert.Equal(2, run.ExitCode);
        Assert.StartsWith("lightvm: ", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    [Fact]
    public void Version_and_help_need_no_host()
    {
        using var lightvm = new Lightvm { OpenHost = _ => throw new InvalidOperationException() };

        Assert.Matches(@"^lightvm \d+\.\d+\.\d+\n$", lightvm.Run("--version").Output);
        Assert.Contains("unpause", lightvm.Run("--help").Output, StringComparison.Ordinal);
        Assert.Contains("--timings", lightvm.Run("create", "-h").Output, StringComparison.Ordinal);
    }
}
