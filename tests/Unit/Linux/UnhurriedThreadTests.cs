using LightVM.Linux;

namespace LightVM.Unit.Linux;

public sealed class UnhurriedThreadTests
{
    [Fact]
    public void A_thread_is_scheduled_as_before_when_it_is_over() => OnAThread(() =>
    {
        using (UnhurriedThread.Begin())
        {
            Assert.Equal(Libc.BatchScheduling, Libc.GetScheduler(0));
            using (UnhurriedThread.Begin()) Assert.Equal(Libc.BatchScheduling, Libc.GetScheduler(0));
            Assert.Equal(Libc.BatchScheduling, Libc.GetScheduler(0));
        }

        Assert.Equal(Libc.UsualScheduling, Libc.GetScheduler(0));
    });

    [Fact]
    public void One_that_never_takes_the_processor_from_others_stays_so() => OnAThread(() =>
    {
        Assert.Equal(0, Libc.SetScheduler(0, Libc.BatchScheduling, 0));
        using (UnhurriedThread.Begin()) Assert.Equal(Libc.BatchScheduling, Libc.GetScheduler(0));
        Assert.Equal(Libc.BatchScheduling, Libc.GetScheduler(0));
    });

    /// <summary>On one of its own: how it is scheduled must not get into other tests.</summary>
    private static void OnAThread(Action test)
    {
        Exception? failure = null;
        var thread = new Thread(() => failure = Record.Exception(test));
        thread.Start();
        thread.Join();
        Assert.Null(failure);
    }
}
