using LightVM.Contract;
using LightVM.Pools;

namespace LightVM.Unit.Pools;

/// <summary>The refill rule.</summary>
public sealed class PoolStateTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public void Nobody_asks_and_the_minimum_is_kept()
    {
        var pool = Pool(minimum: 3, maximum: 10);
        pool.NoteMade(TimeSpan.FromSeconds(1));

        Assert.Equal(3, pool.Target);
        Assert.Equal(0, pool.Describe().TakeRate);
    }

    [Fact]
    public void What_is_used_up_while_one_is_made_is_kept_twice_beyond_the_minimum()
    {
        var pool = Pool(minimum: 2, maximum: 100);
        pool.NoteMade(TimeSpan.FromSeconds(0.5));
        AskFor(pool, perSecond: 10, seconds: 120);

        Assert.Equal(10, pool.Describe().TakeRate, 1.0);
        Assert.InRange(pool.Target, 2 + 9, 2 + 11);

        _time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(2, pool.Target - (pool.Target - 2 <= 1 ? pool.Target - 2 : 0)); // forgotten, but for a rounding up
        Assert.Equal(0, pool.Describe().TakeRate, 0.001);
    }

    [Fact]
    public void Neither_maximum_nor_budget_is_exceeded()
    {
        var pool = Pool(minimum: 2, maximum: 5);
        pool.NoteMade(TimeSpan.FromSeconds(1));
        AskFor(pool, perSecond: 50, seconds: 20);
        Assert.Equal(5, pool.Target);

        pool.Definition = pool.Definition with { MemoryBudgetMiB = 15 };
        Assert.Equal(3, pool.Target); // of 4 MiB each
    }

    [Fact]
    public void After_failures_it_waits_longer_and_longer_until_one_succeeds()
    {
        var pool = Pool(minimum: 1, maximum: 1);
        Assert.Equal(TimeSpan.Zero, pool.Pause);
        for (var expected = 1; expected < 60; expected *= 2)
        {
            pool.NoteFailure("no memory");
            Assert.Equal(TimeSpan.FromSeconds(expected), pool.Pause);
        }

        pool.NoteFailure("no memory");
        Assert.Equal(TimeSpan.FromMinutes(1), pool.Pause);
        Assert.Equal("no memory", pool.Describe().Problem);
        _time.Advance(TimeSpan.FromSeconds(59));
        Assert.Equal(TimeSpan.FromSeconds(1), pool.Pause);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(TimeSpan.Zero, pool.Pause);
        pool.NoteMade(TimeSpan.FromSeconds(1));
        Assert.Equal((TimeSpan.Zero, null), (pool.Pause, pool.Describe().Problem));
    }

    private void AskFor(PoolState pool, int perSecond, int seconds)
    {
        for (var i = 0; i < perSecond * seconds; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1.0 / perSecond));
            pool.NoteRequest(isHit: i % 2 == 0);
        }

        Assert.Equal(((perSecond * seconds + 1) / 2, perSecond * seconds / 2), (pool.Hits, pool.Misses));
    }

    private PoolState Pool(int minimum, int maximum) => new(new PoolDefinition
    {
        Name = "test",
        Flavour = new PoolFlavour { MemoryMiB = 4, MaxMemoryMiB = 4 },
        Minimum = minimum,
        Maximum = maximum,
    }, _time);
}
