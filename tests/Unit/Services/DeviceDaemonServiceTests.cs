using LightVM.Errors;
using LightVM.Linux;
using LightVM.Services;

namespace LightVM.Unit.Services;

/// <summary>Starting and stopping the device daemon, with programs in its place that do what it would not. The daemon itself is started in the lab.</summary>
public sealed class DeviceDaemonServiceTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lightvm-service-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void What_never_ran_is_stopped_and_stopping_it_changes_nothing()
    {
        using var service = Service(null);

        Assert.Equal((ServiceState.Stopped, null), (service.Get().State, service.Get().ProcessId));
        service.Stop(TestContext.Current.CancellationToken);
    }

    [Fact]
    public void A_program_that_is_not_there_is_named()
    {
        using var service = Service(null);

        Assert.Contains("LIGHTVM_PROGRAM", AssertStartFails(service).Problem, StringComparison.Ordinal);
        using var missing = Service(Path.Combine(_folder.FullName, "missing"));
        Assert.Contains("exit code 127", AssertStartFails(missing).Problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_daemon_that_is_ready_is_started_by_the_word_devd_with_its_log()
    {
        var heard = Path.Combine(_folder.FullName, "heard");
        // What systemd-notify does; here the shell has nothing to send by, so this very test says it.
        using var service = Service(Script($"echo \"$@\" >'{heard}.new'; echo \"$NOTIFY_SOCKET\" >>'{heard}.new'; echo $$ >>'{heard}.new'; mv '{heard}.new' '{heard}'; exec sleep 600"), TimeSpan.FromSeconds(60));
        var starting = Task.Run(() => service.Start(TestContext.Current.CancellationToken), TestContext.Current.CancellationToken);
        SpinWait.SpinUntil(() => File.Exists(heard) || starting.IsCompleted);

        var lines = File.ReadAllLines(heard);
        using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Dgram, System.Net.Sockets.ProtocolType.Unspecified);
        socket.SendTo("STATUS=not yet\n"u8, new System.Net.Sockets.UnixDomainSocketEndPoint(lines[1]));
        Assert.NotSame(starting, await Task.WhenAny(starting, Task.Delay(100, TestContext.Current.CancellationToken)));
        socket.SendTo("READY=1\nSTATUS=serving\n"u8, new System.Net.Sockets.UnixDomainSocketEndPoint(lines[1]));
        await starting;
        Assert.Equal($"devd --log-file {service.LogFile}", lines[0]);
        Assert.False(File.Exists(lines[1]));
        using var process = ProcessFile.Open(int.Parse(lines[2], System.Globalization.CultureInfo.InvariantCulture))!; // it is left running
        process.Terminate();
        Assert.True(process.WaitForEnd(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_daemon_that_ends_before_it_is_ready_is_told_with_what_it_said()
    {
        Directory.CreateDirectory(Path.Combine(_folder.FullName, "log"));
        File.WriteAllText(Path.Combine(_folder.FullName, "log", "devd.log"), "from an earlier run\n");
        using var service = Service(Script("for i in 1 2 3 4 5 6; do echo \"line $i\" >>\"$3\"; done; echo 'and on standard error' >&2; exit 7"));

        var problem = AssertStartFails(service).Problem;
        Assert.Contains("exit code 7", problem, StringComparison.Ordinal);
        Assert.EndsWith("it logged: line 3 | line 4 | line 5 | line 6 | and on standard error", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_daemon_that_is_not_ready_in_time_is_ended()
    {
        var pid = Path.Combine(_folder.FullName, "pid");
        using var service = Service(Script($"echo $$ >'{pid}.new'; mv '{pid}.new' '{pid}'; exec sleep 600"), TimeSpan.FromSeconds(1));

        Assert.Contains("not ready within 1 s", AssertStartFails(service).Problem, StringComparison.Ordinal);
        AssertEnds(int.Parse(File.ReadAllText(pid), System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task A_start_that_is_cancelled_leaves_no_daemon()
    {
        var pid = Path.Combine(_folder.FullName, "pid");
        using var service = Service(Script($"echo $$ >'{pid}.new'; mv '{pid}.new' '{pid}'; exec sleep 600"), TimeSpan.FromSeconds(60));
        using var cancellation = new CancellationTokenSource();
        var starting = Task.Run(() => new HostServices([service]).Start("devd", cancellation.Token), TestContext.Current.CancellationToken);
        SpinWait.SpinUntil(() => File.Exists(pid) || starting.IsCompleted);
        await cancellation.CancelAsync();

        var error = await Assert.ThrowsAsync<LvmException>(() => starting);
        Assert.Equal((ErrorIds.OperationCancelled, "start service 'devd'"), (error.ErrorId, error.Operation));
        AssertEnds(int.Parse(File.ReadAllText(pid), System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public void Systemd_starts_what_it_knows_and_its_failures_are_told()
    {
        var called = Path.Combine(_folder.FullName, "called");
        var systemctl = Script($"echo \"$@\" >>'{called}'; case $1 in start) echo 'Job for it failed.' >&2; exit 1;; is-failed) exit 0;; esac", "systemctl");
        var journalctl = Script("echo first; echo second", "journalctl");
        using var service = Service(null, systemd: new Systemd(systemctl, journalctl));

        var problem = AssertStartFails(service).Problem;
        Assert.Equal("systemctl start lightvm-devd.service ended with 1: Job for it failed; it logged: first | second", problem);
        Assert.Equal(ServiceState.Failed, service.Get().State);
        Assert.Equal(["cat -- lightvm-devd.service", "start -- lightvm-devd.service", "is-failed --quiet -- lightvm-devd.service"], File.ReadAllLines(called));
    }

    [Fact]
    public void Systemd_that_does_not_know_it_does_not_start_it()
    {
        using var service = Service(null, systemd: new Systemd(Script("exit 1", "systemctl"), "journalctl"));

        Assert.Contains("LIGHTVM_PROGRAM", AssertStartFails(service).Problem, StringComparison.Ordinal);
        Assert.Equal(ServiceState.Failed, Service(null, systemd: new Systemd(Script("exit 0", "systemctl"), "journalctl")).Get().State);
    }

    [Fact]
    public void A_service_that_there_is_not_is_not_found()
    {
        using var service = Service(null);
        var services = new HostServices([service]);

        Assert.Equal("devd", services.Get("DEVD").Name);
        Assert.Equal(ErrorIds.ServiceNotFound, Assert.Throws<LvmException>(() => services.Get("httpd")).ErrorId);
        Assert.Equal(ErrorIds.ServiceNotFound, Assert.Throws<LvmException>(() => services.Start("httpd", TestContext.Current.CancellationToken)).ErrorId);
        Assert.Equal(ErrorIds.ServiceNotFound, Assert.Throws<LvmException>(() => services.Stop("httpd", TestContext.Current.CancellationToken)).ErrorId);
    }

    private DeviceDaemonService Service(string? program, TimeSpan? patience = null, Systemd? systemd = null) => new()
    {
        PidFile = Path.Combine(_folder.FullName, "devd.pid"),
        LogFile = Path.Combine(_folder.FullName, "log", "devd.log"),
        Patience = patience ?? TimeSpan.FromSeconds(60),
        FindProgram = () => program,
        Systemd = systemd,
    };

    private string Script(string text, string name = "lightvm")
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, $"#!/bin/sh\n{text}\n");
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }

    private static LvmException AssertStartFails(DeviceDaemonService service)
    {
        var error = Assert.Throws<LvmException>(() => service.Start(TestContext.Current.CancellationToken));
        Assert.Equal(ErrorIds.ServiceFailure, error.ErrorId);
        return error;
    }

    private static void AssertEnds(int process)
    {
        using var file = ProcessFile.Open(process);
        Assert.True(file is null || file.WaitForEnd(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));
    }
}
