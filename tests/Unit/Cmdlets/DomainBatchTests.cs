using LightVM.Cmdlets.Domains;
using LightVM.Configuration;
using LightVM.Contract;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Simulation;

namespace LightVM.Unit.Cmdlets;

public sealed class DomainBatchTests : IDisposable
{
    private readonly LvmHost _host = LvmHost.OpenSimulated(new SimulatedHostOptions { TotalMemoryMiB = 1024, ControlDomainMemoryMiB = 512 });
    private readonly CancellationTokenSource _cancellation = new();

    private int Guests => _host.ListDomains().Count - 1;

    public void Dispose()
    {
        _cancellation.Dispose();
        _host.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void All_of_a_series_come_out(int workers)
    {
        var series = Series(20);
        using (var batch = new DomainBatch(_host, workers, false, _cancellation.Token))
            Assert.Equal(series.Configs.Select(config => config.Name).Order(), Run(batch, series).Select(outcome => outcome.Result!.Name).Order());
        Assert.Equal(20, Guests);
    }

    [Fact]
    public void Nothing_is_made_of_a_series_that_there_is_not_enough_for()
    {
        var series = Series(200);
        using var batch = new DomainBatch(_host, 4, false, _cancellation.Token);
        Assert.Equal(ErrorIds.InsufficientMemory, Assert.Throws<LvmException>(() => batch.Add(new BatchItem(series.Configs[0], series))).ErrorId);
        Assert.Equal(0, Guests);
    }

    [Fact]
    public void A_series_of_which_one_failed_is_not_admitted_again()
    {
        var series = Series(20, change: draft => draft.Kernel = "/nowhere");
        using var batch = new DomainBatch(_host, 1, false, _cancellation.Token);
        batch.Add(new BatchItem(series.Configs[0], series));
        Assert.NotNull(batch.Take()!.Error);
        _host.CreateDomain(Series(1, change: draft => draft.MemoryMiB = 480).Configs[0], TestContext.Current.CancellationToken);

        batch.Add(new BatchItem(series.Configs[1], series));
    }

    [Theory]
    [InlineData(false, 0)]
    [InlineData(true, 10)]
    public void A_series_that_is_cancelled_is_removed_again_unless_it_is_to_be_kept(bool keep, int left)
    {
        var series = Series(10);
        using (var batch = new DomainBatch(_host, 4, keep, _cancellation.Token))
        {
            Assert.Equal(10, Run(batch, series).Count);
            _cancellation.Cancel();
        }

        Assert.Equal(left, Guests);
    }

    [Fact]
    public void What_was_put_out_stays_and_what_was_not_is_removed_when_nobody_wants_more()
    {
        var series = Series(10);
        using (var batch = new DomainBatch(_host, 2, false, _cancellation.Token))
        {
            foreach (var config in series.Configs) batch.Add(new BatchItem(config, series));
            Assert.NotNull(batch.Take());
            Assert.NotNull(batch.Take());
        }

        Assert.Equal(2, Guests);
    }

    [Fact]
    public void What_the_pipeline_brought_one_by_one_stays_after_a_cancellation()
    {
        using (var batch = new DomainBatch(_host, 2, false, _cancellation.Token))
        {
            for (var number = 0; number < 5; number++) Assert.Single(Run(batch, Series(1, $"one{number}-", counted: false), complete: number == 4));
            _cancellation.Cancel();
        }

        Assert.Equal(5, Guests);
    }

    [Fact]
    public void A_failure_that_all_would_share_is_told_once()
    {
        var series = Series(20, change: draft => draft.Kernel = "/nowhere");
        using var batch = new DomainBatch(_host, 4, false, _cancellation.Token);
        var outcomes = Run(batch, series);
        Assert.Equal(ErrorIds.KernelNotFound, Assert.Single(outcomes, outcome => outcome.Error is not null).Error!.ErrorId);
        Assert.True(series.IsOver);
        Assert.Equal(0, Guests);
    }

    [Fact]
    public void A_name_that_is_taken_is_that_ones_own_trouble()
    {
        _host.CreateDomain(Series(3).Configs[2], TestContext.Current.CancellationToken);
        var series = Series(5);
        using var batch = new DomainBatch(_host, 2, false, _cancellation.Token);
        var outcomes = Run(batch, series);
        Assert.Equal("web3", Assert.Single(outcomes, outcome => outcome.Error is not null).Item.Config.Name);
        Assert.Equal(4, outcomes.Count(outcome => outcome.Result is not null));
    }

    [Fact]
    public void Progress_tells_how_many_are_done_at_what_rate_and_how_long_the_rest_takes()
    {
        var time = new ManualTime();
        var progress = new BatchProgress("Creating", time) { Total = 200 };
        progress.Begin();
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.True(progress.Count(failed: false));
        Assert.True(progress.Count(failed: true));
        Assert.Equal("1 of 200 done, 1 failed, 1.0/s", progress.Status);
        Assert.Equal((1, 198), (progress.Percent, progress.SecondsLeft));
        Assert.False(progress.Count(failed: false)); // not a percent more
    }

    private static List<WorkOutcome<BatchItem, LightVM.Domains.Domain?>> Run(DomainBatch batch, BatchSeries series, bool complete = true)
    {
        var outcomes = new List<WorkOutcome<BatchItem, LightVM.Domains.Domain?>>();
        foreach (var config in series.Configs) batch.Add(new BatchItem(config, series));
        if (complete) batch.Complete();
        while ((complete || outcomes.Count < series.Configs.Count) && batch.Take() is { } outcome) outcomes.Add(outcome);
        return outcomes;
    }

    private static BatchSeries Series(int count, string name = "web", bool counted = true, Action<DomainConfigDraft>? change = null)
    {
        var draft = new DomainConfigDraft { Name = name, Kernel = SimulatedKernel.Path, MemoryMiB = 4, VcpuCount = 1 };
        change?.Invoke(draft);
        return new BatchSeries(LightVM.Domains.DomainSeries.Of(DomainConfig.From(draft), name, count), name, counted);
    }
}
