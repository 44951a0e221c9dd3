using LightVM.Host;

namespace LightVM.Unit.Host.Devices;

public sealed class DevdCommandTests
{
    [Fact]
    public void A_simulated_host_has_no_daemon()
    {
        using var lightvm = new Lightvm();

        var run = lightvm.Run("--simulated", "devd");
        Assert.Equal(ExitCodes.Usage, run.ExitCode);
        Assert.Contains("simulated", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_group_that_there_is_not_is_refused()
    {
        using var lightvm = new Lightvm();

        var run = lightvm.Run("devd", "--group", "there-is-no-such-group");
        Assert.Equal(ExitCodes.Usage, run.ExitCode);
        Assert.Contains("there-is-no-such-group", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_Xen_it_says_so_and_ends()
    {
        Assert.SkipWhen(File.Exists("/proc/xen/capabilities"), "this is Xen");
        using var lightvm = new Lightvm();

        var run = lightvm.Run("devd");
        Assert.Equal(8, run.ExitCode);
        Assert.Contains("does not run under Xen", run.Error, StringComparison.Ordinal);
    }
}
