using LightVM.Cmdlets.Connection;
using LightVM.Errors;
using LightVM.Hosts;

namespace LightVM.Unit.Cmdlets;

public sealed class HostConnectionTests
{
    private int _opened;

    [Fact]
    public void The_default_host_is_opened_on_first_need_and_only_once()
    {
        var connection = Connection();
        Assert.Null(connection.Existing);
        Assert.Same(connection.Require(), connection.Require());
        Assert.Equal(1, _opened);
    }

    [Fact]
    public void A_host_that_was_chosen_is_used_instead()
    {
        var connection = Connection();
        var chosen = connection.Open(() => LvmHost.OpenSimulated());
        Assert.Same(chosen, connection.Require());
        Assert.Equal(0, _opened);
    }

    [Fact]
    public void When_another_host_cannot_be_opened_the_one_before_stays()
    {
        var connection = Connection();
        var before = connection.Require();
        Assert.Throws<LvmException>(() => connection.Open(() => throw new LvmException(ErrorIds.XenNotRunning, "no")));
        Assert.Same(before, connection.Require());
    }

    [Fact]
    public void After_closing_the_default_host_is_opened_again()
    {
        var connection = Connection();
        connection.Require();
        connection.Close();
        connection.Close();
        Assert.Null(connection.Existing);
        connection.Require();
        Assert.Equal(2, _opened);
    }

    [Fact]
    public void The_host_is_closed_when_the_last_holder_lets_go()
    {
        var connection = Connection();
        connection.Hold("a", () => true);
        connection.Hold("b", () => true);
        connection.Require();
        connection.Release("b");
        Assert.NotNull(connection.Existing);
        connection.Release("a");
        Assert.Null(connection.Existing);
    }

    [Fact]
    public void A_holder_that_ended_without_a_word_does_not_keep_it_open()
    {
        var connection = Connection();
        connection.Hold("a", () => true);
        connection.Hold("ended", () => false);
        connection.Require();
        connection.Release("a");
        Assert.Null(connection.Existing);
    }

    [Theory]
    [InlineData(null, 65536, 1024)]
    [InlineData(4096, 4096, 1024)]
    [InlineData(256, 256, 128)]
    [InlineData(SimulatedMachineOptions.MinMemoryMiB, 16, 8)]
    public void A_small_simulated_machine_has_a_small_control_domain(int? memory, int total, int control)
    {
        var options = SimulatedMachineOptions.From(null, memory, noPvh: false);
        Assert.Equal((total, control), (options.TotalMemoryMiB, options.ControlDomainMemoryMiB));
        using var host = LvmHost.OpenSimulated(options);
        Assert.Equal(total - control, host.GetInfo().FreeMemoryKiB / 1024);
    }

    [Fact]
    public void The_summary_says_what_guests_the_host_offers()
    {
        using var host = LvmHost.OpenSimulated(SimulatedMachineOptions.From(2, null, noPvh: true));
        var summary = HostSummary.Of(new OpenHost(host, DateTimeOffset.UnixEpoch));
        Assert.Equal(("Simulated", 2, DateTimeOffset.UnixEpoch), (summary.Kind, summary.PhysicalCpus, summary.ConnectedSince));
        Assert.Contains("PV (64-bit)", summary.GuestTypes);
        Assert.DoesNotContain("PVH", summary.GuestTypes);
    }

    private HostConnection Connection() => new(() =>
    {
        _opened++;
        return LvmHost.OpenSimulated();
    });
}
