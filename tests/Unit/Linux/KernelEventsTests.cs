using LightVM.Linux;

namespace LightVM.Unit.Linux;

/// <summary>libudev's monitor on the kernel of this machine. That events arrive is seen in the lab.</summary>
public sealed class KernelEventsTests
{
    [Fact]
    public void Nothing_is_read_where_nothing_happens()
    {
        using var events = KernelEvents.Open("there-is-no-such-subsystem");

        Assert.True(events.Descriptor >= 0);
        Assert.False(events.TryRead(out _));
        Assert.False(events.Wait(TimeSpan.Zero, CancellationToken.None));
    }

    [Fact]
    public async Task A_wait_is_given_up_when_it_is_cancelled_and_the_next_one_waits_again()
    {
        using var events = KernelEvents.Open("there-is-no-such-subsystem");
        using var source = new CancellationTokenSource();
        var wait = Task.Factory.StartNew(() => events.Wait(Timeout.InfiniteTimeSpan, source.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

        await source.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);
        Assert.False(events.Wait(TimeSpan.Zero, CancellationToken.None));
    }

    [Fact]
    public void Properties_that_an_event_has_not_got_are_null()
    {
        var read = new KernelEvent("online", "xen-backend", "vif-1-0", new Dictionary<string, string> { ["vif"] = "vif1.0" });

        Assert.Equal("vif1.0", read["vif"]);
        Assert.Null(read["XENBUS_PATH"]);
        Assert.False(read.IsLoss);
    }
}
