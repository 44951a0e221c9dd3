using LightVM.Hosts;

namespace LightVM.Unit.Host;

public sealed class CheckCommandTests
{
    private static readonly HostCheck Passed = new("Xen", HostCheckStatus.Passed, "4.17", "");
    private static readonly HostCheck Warned = new("Console daemon", HostCheckStatus.Warning, "not running", "Start it.");
    private static readonly HostCheck Failed = new("Privileges", HostCheckStatus.Failed, "not root", "Be root.");

    [Fact]
    public void A_warning_is_no_failure()
    {
        using var lightvm = new Lightvm { Checks = [Passed, Warned] };

        var run = lightvm.Run("check");

        Assert.Equal(0, run.ExitCode);
        Assert.Contains("-> Start it.", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_failed_check_gives_exit_code_1()
    {
        using var lightvm = new Lightvm { Checks = [Passed, Failed] };

        var run = lightvm.Run("check", "--json");

        Assert.Equal(1, run.ExitCode);
        Assert.Equal("Failed", run.Json[1].GetProperty("status").GetString());
        Assert.Equal("Be root.", run.Json[1].GetProperty("remedy").GetString());
    }

    [Fact]
    public void A_simulated_host_passes()
    {
        using var lightvm = new Lightvm { Checks = [Failed] };

        Assert.Equal(0, lightvm.Run("--simulated", "check").ExitCode);
    }
}
