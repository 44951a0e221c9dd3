using System.Collections.Concurrent;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;

namespace LightVM.Cmdlets.Consoles;

/// <summary>A line of a console, or why there are no more.</summary>
internal readonly record struct ConsoleItem(Domain Domain, string Line, LvmException? Error);

/// <summary>The consoles of several domains, followed at once: their lines come in the order in which they arrive.</summary>
internal sealed class ConsoleStreams : IDisposable
{
    /// <summary>Lines that wait for the pipeline. Then it is the consoles that wait, and they keep 1 MiB each.</summary>
    private const int Capacity = 1024;

    private readonly DomainConsoles _consoles;
    private readonly int? _tail;
    private readonly CancellationToken _cancellation;
    private readonly CancellationTokenSource _stop;
    private readonly BlockingCollection<ConsoleItem> _items = new(Capacity);
    private Task _reading = Task.CompletedTask;

    public ConsoleStreams(DomainConsoles consoles, int? tail, CancellationToken cancellation)
    {
        _consoles = consoles;
        _tail = tail;
        _cancellation = cancellation;
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
    }

    /// <summary>Ends the streams after a time.</summary>
    public void StopAfter(TimeSpan time) => _stop.CancelAfter(time);

    /// <summary>All that comes until all domains are gone, or the time is over, or it was cancelled.</summary>
    public IEnumerable<ConsoleItem> Read(IEnumerable<Domain> domains)
    {
        // Each waits in a thread of its own, and most of the time.
        var readers = domains.Select(domain => Task.Factory.StartNew(() => Follow(domain), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default));
        _reading = Task.WhenAll(readers).ContinueWith(_ => _items.CompleteAdding(), TaskScheduler.Default);
        return _items.GetConsumingEnumerable(_cancellation);
    }

    public void Dispose()
    {
        _stop.Cancel();
        _reading.Wait();
        _stop.Dispose();
        _items.Dispose();
    }

    private void Follow(Domain domain)
    {
        try
        {
            foreach (var line in _consoles.ReadLines(domain.Key, _tail, follow: true, _stop.Token)) _items.Add(new ConsoleItem(domain, line, null), _stop.Token);
        }
        catch (LvmException error) when (error.ErrorId == ErrorIds.OperationCancelled)
        {
            // Nobody wants more.
        }
        catch (LvmException error)
        {
            _items.Add(new ConsoleItem(domain, "", error), _cancellation);
        }
        catch (OperationCanceledException)
        {
            // As above, while the pipeline was busy.
        }
    }
}
