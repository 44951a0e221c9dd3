using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Cmdlets.Domains;

/// <summary>Domains that one configuration stands for (-Count), or the one that it is.</summary>
internal sealed class BatchSeries(IReadOnlyList<DomainConfig> configs, object target, bool isCounted)
{
    private LvmException? _failure;

    /// <summary>All of them.</summary>
    public IReadOnlyList<DomainConfig> Configs => configs;

    /// <summary>What a failure of all of them is about.</summary>
    public object Target => target;

    public bool IsCounted => isCounted;

    /// <summary>Whether one has failed in a way in which all would.</summary>
    public bool IsOver => Volatile.Read(ref _failure) is not null;

    /// <summary>Takes in the failure of one. False where it need not be told: another has failed in the same way already.</summary>
    public bool Fail(LvmException error)
    {
        if (!IsCounted || DomainSeries.GoesOnAfter(error)) return true;
        return Interlocked.CompareExchange(ref _failure, error, null) is not { } first || first.ErrorId != error.ErrorId;
    }
}

/// <summary>One domain to be created.</summary>
internal sealed record BatchItem(DomainConfig Config, BatchSeries Series);

/// <summary>
/// Creates domains, several at once. Whoever adds them takes the outcomes and puts them out. When this is disposed before all have been
/// put out, what was begun is undone, and those that nobody was told of are removed again; after a cancellation all of a counted series
/// are, unless they are to be kept.
/// </summary>
internal sealed class DomainBatch : IDisposable
{
    private readonly LvmHost _host;
    private readonly WorkQueue<BatchItem, Domain?> _queue;
    private readonly CancellationToken _cancellation;
    private readonly int _workers;
    private readonly bool _keepCompleted;
    private readonly HashSet<BatchSeries> _admitted = [];
    private readonly List<DomainKey> _counted = [];
    private bool _isStopped;

    public DomainBatch(LvmHost host, int workers, bool keepCompleted, CancellationToken cancellation)
    {
        (_host, _workers, _keepCompleted, _cancellation) = (host, workers, keepCompleted, cancellation);
        _queue = new WorkQueue<BatchItem, Domain?>(workers, Create, cancellation);
    }

    /// <summary>Begins one, as soon as it is its turn. Before the first of a series it is made sure that the host has enough for all. Errors: those of the admission.</summary>
    public void Add(BatchItem item)
    {
        if (item.Series.Configs.Count > 1 && _admitted.Add(item.Series)) _host.Admit(item.Series.Configs);
        _queue.Add(item);
    }

    public void Complete() => _queue.Complete();

    /// <summary>Says that this was stopped, as a cancellation does.</summary>
    public void Stop() => _isStopped = true;

    /// <summary>Gives an outcome that is there. One without domain and error is of a domain that was not tried any more.</summary>
    public WorkOutcome<BatchItem, Domain?>? TryTake() => _queue.TryTake(out var outcome) ? Noted(outcome) : null;

    /// <summary>Waits for an outcome; null when there are no more.</summary>
    public WorkOutcome<BatchItem, Domain?>? Take() => _queue.Take(out var outcome) ? Noted(outcome) : null;

    public void Dispose()
    {
        var remove = _queue.Stop().Select(outcome => outcome.Result?.Key).OfType<DomainKey>().ToList();
        if ((_isStopped || _cancellation.IsCancellationRequested) && !_keepCompleted) remove.AddRange(_counted);
        using var removing = new WorkQueue<DomainKey, bool>(_workers, (key, _) =>
        {
            _host.DestroyDomain(key);
            return true;
        });
        foreach (var key in remove) removing.Add(key);
        removing.Complete();
        while (removing.Take(out _))
        {
            // Whoever stops a command is told nothing more; one that cannot be removed is listed.
        }

        _queue.Dispose();
    }

    private Domain? Create(BatchItem item, CancellationToken cancellation)
    {
        if (item.Series.IsOver) return null;
        try
        {
            return _host.CreateDomain(item.Config, cancellation);
        }
        catch (LvmException error)
        {
            if (!item.Series.Fail(error)) return null;
            throw;
        }
    }

    private WorkOutcome<BatchItem, Domain?> Noted(WorkOutcome<BatchItem, Domain?> outcome)
    {
        if (outcome.Result is { } domain && outcome.Item.Series.IsCounted) _counted.Add(domain.Key);
        return outcome;
    }
}
