using System.Collections.Concurrent;
using LightVM.Errors;
using LightVM.Hosts;

namespace LightVM.Unit.Hosts;

public sealed class WorkQueueTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void Each_item_has_one_outcome_and_no_more_than_so_many_are_worked_on_at_once(int workers)
    {
        int atWork = 0, most = 0;
        using var queue = new WorkQueue<int, int>(workers, (item, _) =>
        {
            var now = Interlocked.Increment(ref atWork);
            for (var seen = most; now > seen; seen = most) Interlocked.CompareExchange(ref most, now, seen);
            Interlocked.Decrement(ref atWork);
            return item * 2;
        });
        for (var item = 0; item < 500; item++) queue.Add(item);

        var outcomes = TakeAll(queue);
        Assert.Equal(Enumerable.Range(0, 500), outcomes.Select(outcome => outcome.Item).Order());
        Assert.All(outcomes, outcome => Assert.Equal(outcome.Item * 2, outcome.Result));
        Assert.InRange(most, 1, workers);
    }

    [Fact]
    public void As_many_as_there_are_workers_are_worked_on_at_once()
    {
        using var meeting = new Barrier(4);
        using var queue = new WorkQueue<int, bool>(4, (_, _) => meeting.SignalAndWait(TimeSpan.FromSeconds(30), Cancellation));
        for (var item = 0; item < 8; item++) queue.Add(item);

        Assert.All(TakeAll(queue), outcome => Assert.True(outcome.Result));
    }

    [Fact]
    public void One_worker_is_whoever_adds_the_items()
    {
        using var queue = new WorkQueue<int, int>(1, (_, _) => Environment.CurrentManagedThreadId);
        queue.Add(1);

        Assert.True(queue.TryTake(out var outcome));
        Assert.Equal(Environment.CurrentManagedThreadId, outcome.Result);
        Assert.False(queue.TryTake(out _));
    }

    [Fact]
    public void A_failure_is_the_outcome_of_its_item_alone()
    {
        using var queue = new WorkQueue<int, int>(3, (item, _) => item == 2 ? throw new LvmException(ErrorIds.DomainGone, "gone") : item);
        for (var item = 0; item < 5; item++) queue.Add(item);

        var outcomes = TakeAll(queue);
        Assert.Equal(5, outcomes.Count);
        Assert.Equal((2, ErrorIds.DomainGone), outcomes.Where(outcome => outcome.Error is not null).Select(outcome => (outcome.Item, outcome.Error!.ErrorId)).Single());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void What_nobody_foresaw_is_thrown_where_the_outcomes_are_taken(int workers)
    {
        using var queue = new WorkQueue<int, int>(workers, (_, _) => throw new InvalidOperationException("a bug"));
        for (var item = 0; item < 10; item++) queue.Add(item);
        queue.Complete();

        Assert.Equal("a bug", Assert.Throws<InvalidOperationException>(() => queue.Take(out _)).Message);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void After_a_cancellation_nothing_more_is_begun_and_all_is_told(int workers)
    {
        using var cancellation = new CancellationTokenSource();
        var begun = new ConcurrentBag<int>();
        using var queue = new WorkQueue<int, int>(workers, (item, token) =>
        {
            begun.Add(item);
            cancellation.Cancel();
            Assert.True(token.IsCancellationRequested);
            return item;
        }, cancellation.Token);
        for (var item = 0; item < 20; item++) queue.Add(item);

        var outcomes = TakeAll(queue);
        Assert.Equal(20, outcomes.Count);
        Assert.InRange(begun.Count, 1, workers);
        Assert.Equal(20 - begun.Count, outcomes.Count(outcome => outcome.Error?.ErrorId == ErrorIds.OperationCancelled));
    }

    [Fact]
    public void Who_stops_gets_what_was_done_and_nothing_is_done_afterwards()
    {
        using var begun = new SemaphoreSlim(0);
        using var queue = new WorkQueue<int, int>(2, (item, token) =>
        {
            begun.Release();
            token.WaitHandle.WaitOne();
            return item;
        });
        for (var item = 0; item < 4; item++) queue.Add(item);
        Assert.True(begun.Wait(TimeSpan.FromSeconds(30), Cancellation) && begun.Wait(TimeSpan.FromSeconds(30), Cancellation));

        Assert.Equal([0, 1], queue.Stop().Select(outcome => outcome.Item).Order());
        Assert.Equal(0, begun.CurrentCount);
        Assert.False(queue.Take(out _));
    }

    [Fact]
    public void What_is_discarded_is_not_done()
    {
        using var go = new ManualResetEventSlim();
        using var begun = new SemaphoreSlim(0);
        using var queue = new WorkQueue<int, int>(2, (item, _) =>
        {
            begun.Release();
            go.Wait(Cancellation);
            return item;
        });
        for (var item = 0; item < 4; item++) queue.Add(item);
        Assert.True(begun.Wait(TimeSpan.FromSeconds(30), Cancellation) && begun.Wait(TimeSpan.FromSeconds(30), Cancellation));
        queue.Discard();
        go.Set();

        Assert.Equal([0, 1], TakeAll(queue).Select(outcome => outcome.Item).Order());
    }

    private static List<WorkOutcome<int, T>> TakeAll<T>(WorkQueue<int, T> queue)
    {
        queue.Complete();
        var outcomes = new List<WorkOutcome<int, T>>();
        while (queue.Take(out var outcome)) outcomes.Add(outcome);
        return outcomes;
    }
}
