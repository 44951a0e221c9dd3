using System.Text.Json;
using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Lab;

/// <summary>What can be wrong with devices on a real host: each has an error of its own, and leaves nothing behind.</summary>
public sealed class DeviceErrorTests(XenContractHost contract) : DeviceTests(contract), IClassFixture<XenContractHost>
{
    [Fact]
    public void Without_a_device_daemon_there_are_no_devices()
    {
        AssertFails(ErrorIds.DeviceDaemonUnavailable, () => CreateTiny("none", draft => draft.Vifs = [Vif()]));
        var domain = CreateTiny("bare");
        AssertFails(ErrorIds.DeviceDaemonUnavailable, () => Host.Devices.AddNetworkAdapter(domain.Key, Vif(), cancellation: Cancellation));
    }

    [Fact]
    public void A_device_daemon_that_dies_over_a_device_is_not_waited_for_any_longer_than_was_asked()
    {
        var daemon = StartDaemon(crashAt: "vbd-event");
        WithPatience(TimeSpan.FromSeconds(2));
        var error = AssertFails(ErrorIds.DeviceTimeout, () => CreateTiny("dead", draft => (draft.Vifs, draft.Vbds) = ([Vif()], [FileDisk(Image("dead.img"))])));
        Assert.Contains("vbd 51712", error.Problem, StringComparison.Ordinal);
        Assert.True(daemon.HasEnded);
    }

    [Fact]
    public void A_backend_that_never_answers_is_not_waited_for_any_longer_than_was_asked()
    {
        StartDaemon();
        WithPatience(TimeSpan.FromSeconds(2));
        Dom0.Output("modprobe", "--remove", "xen-netback");
        try
        {
            var error = AssertFails(ErrorIds.DeviceTimeout, () => CreateTiny("mute", draft => draft.Vifs = [Vif()]));
            Assert.Contains("vif 0", error.Problem, StringComparison.Ordinal);
            var domain = CreateTiny("well");
            AssertFails(ErrorIds.DeviceTimeout, () => Host.Devices.AddNetworkAdapter(domain.Key, Vif(), cancellation: Cancellation));
            Assert.Empty(Host.Devices.ListNetworkAdapters(domain));
        }
        finally
        {
            Dom0.Output("modprobe", "xen-netback");
        }
    }

    [Fact]
    public void A_guest_that_ignores_its_shutdown_runs_on()
    {
        var domain = CreateTiny("deaf", draft => draft.CommandLine = "noxs");
        AssertFails(ErrorIds.ShutdownTimeout, () => Host.Lifecycle.Stop(domain.Key, TimeSpan.FromSeconds(1), cancellation: Cancellation));
        Assert.Equal(Hypervisor.DomainState.Blocked, Host.GetDomain(domain.Key).State);
        Assert.Null(Host.Lifecycle.Stop(domain.Key, TimeSpan.FromSeconds(1), force: true, cancellation: Cancellation));
    }

    /// <summary>The nodes of each step, in their order.</summary>
    [Theory]
    [InlineData("/device/vif/0/handle")]
    [InlineData("/backend/vbd/")]
    [InlineData("/libxl/")]
    [InlineData("/console/port")]
    public void A_store_that_is_full_undoes_the_creation(string path)
    {
        StartDaemon();
        using var store = new FullXenstored(node => node.Contains(path, StringComparison.Ordinal));
        var draft = new DomainConfigDraft { Name = "dev-full", Kernel = Dom0.TinyKernel, MemoryMiB = 4, VcpuCount = 1, Vifs = [Vif()], Vbds = [FileDisk(Image("full.img"))] };
        var config = Contract.WriteFile("full.json", DomainConfigJson.Write(DomainConfig.From(draft)));

        var (exitCode, output) = Dom0.Run("env", $"XENSTORED_PATH={store.SocketPath}", Dom0.Lightvm, "--json", "create", config);
        Assert.NotEqual(0, exitCode);
        Assert.True(store.Refused > 0, output);
        // A document a line: the error, and a list of no domains.
        using var error = JsonDocument.Parse(output.Split('\n').Single(line => line.Contains("\"error\"", StringComparison.Ordinal)));
        Assert.Equal(ErrorIds.StoreQuotaExceeded, error.RootElement.GetProperty("error").GetProperty("id").GetString());
        Assert.False(error.RootElement.GetProperty("error").TryGetProperty("leftBehind", out var left) && left.ValueKind != JsonValueKind.Null, output);
    }

    /// <summary>xenstored counts nodes by their owner: the front halves are the guest's.</summary>
    [Fact]
    public void A_guest_that_has_all_the_nodes_that_it_may_have_gets_devices_all_the_same()
    {
        StartDaemon();
        var domain = CreateTiny("hoard");
        var data = $"/local/domain/{domain.Id}/data";
        Dom0.Output("sh", "-c", $"xenstore-write {data} '' && xenstore-chmod {data} n{domain.Id} && xenstore-write $(for n in $(seq 1200); do echo {data}/$n ''; done)");

        Host.Devices.AddNetworkAdapter(domain.Key, Vif(), cancellation: Cancellation);
        Host.Devices.AddDisk(domain.Key, FileDisk(Image("hoard.img")), cancellation: Cancellation);
        Assert.Single(Host.Devices.ListNetworkAdapters(domain));
        Assert.Single(Host.Devices.ListDisks(domain));
    }

    private LvmException AssertFails(string errorId, Action action)
    {
        var error = Assert.ThrowsAny<LvmException>(action);
        Assert.True(errorId == error.ErrorId, $"expected {errorId}, got {error.ErrorId}: {error.Message}\n{DaemonLog}");
        Assert.Null(error.LeftBehind);
        return error;
    }

    private void WithPatience(TimeSpan patience)
    {
        var before = Host.Devices.Patience;
        Host.Devices.Patience = patience;
        AtEnd(() => Host.Devices.Patience = before);
    }
}
