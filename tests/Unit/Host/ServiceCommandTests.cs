using LightVM.Hypervisor;

namespace LightVM.Unit.Host;

public sealed class ServiceCommandTests : IDisposable
{
    private readonly Lightvm _lightvm = new();

    public void Dispose() => _lightvm.Dispose();

    [Fact]
    public void The_device_daemon_is_listed_started_and_stopped()
    {
        Assert.Equal(["Stopped", "Stopped"], _lightvm.Run("service", "list", "--json").Json.EnumerateArray().Select(service => service.GetProperty("state").GetString()));
        var started = _lightvm.Run("service", "start", "--json", "devd").Json[0];
        Assert.Equal(("devd", "Running", Environment.ProcessId), (started.GetProperty("name").GetString(), started.GetProperty("state").GetString(), started.GetProperty("process").GetInt32()));
        Assert.Equal(0, _lightvm.Run("service", "start", "devd").ExitCode); // it runs
        Assert.Matches(@"(?m)^devd +Running +\d+ ", _lightvm.Run("service", "list").Output);
        Assert.Equal("Stopped", _lightvm.Run("service", "stop", "--json", "devd").Json[0].GetProperty("state").GetString());
        Assert.Equal(0, _lightvm.Run("service", "stop", "devd").ExitCode);
        Assert.Matches(@"(?m)^devd +Stopped +- +- ", _lightvm.Run("service", "list").Output);
    }

    [Fact]
    public void As_long_as_it_runs_ends_of_guests_are_carried_out()
    {
        _lightvm.Run("create", _lightvm.Config("ends", ""","cmdline":"off","on_poweroff":"destroy" """));
        Assert.Equal(DomainState.Shutdown, _lightvm.Host.GetDomain("ends").State);

        _lightvm.Run("service", "start", "devd");
        Assert.Equal(0, _lightvm.Run("wait", "--for", "removed", "--timeout", "60", "ends").ExitCode);
        _lightvm.Run("service", "stop", "devd");
        _lightvm.Run("create", _lightvm.Config("stays", ""","cmdline":"off","on_poweroff":"destroy" """));
        Assert.Equal(11, _lightvm.Run("wait", "--for", "removed", "--timeout", "0.2", "stays").ExitCode);
    }

    [Fact]
    public void One_that_there_is_not_does_not_keep_the_others_from_being_started()
    {
        var run = _lightvm.Run("service", "start", "--json", "httpd", "devd");

        Assert.Equal(4, run.ExitCode);
        Assert.Equal("ServiceNotFound", run.Errors.Single().GetProperty("id").GetString());
        Assert.Equal("devd", run.Json[0].GetProperty("name").GetString());
    }
}
