using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Noxs;

/// <summary>Ends of domains, as noxsd tells of them, and as the store does where it runs as well.</summary>
internal sealed class NoxsDomainWatch : IDomainWatch
{
    private readonly FolderWatch _ends = new(NoxsFiles.Folder);
    private readonly IDomainWatch? _others;
    private readonly CancellationTokenSource _leaving = new();
    private readonly object _lock = new();
    private readonly Task? _listening;
    private CancellationTokenSource? _waiting;
    private bool _heard = true; // the first call returns at once

    /// <param name="others">What tells of the ends of others; it becomes this one's. Null for nothing.</param>
    public NoxsDomainWatch(IDomainWatch? others)
    {
        _others = others;
        if (others is not null) _listening = Task.Factory.StartNew(Listen, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public bool Wait(TimeSpan timeout, CancellationToken cancellation)
    {
        using var wake = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        lock (_lock)
        {
            if (_heard)
            {
                _heard = false;
                return true;
            }

            _waiting = wake;
        }

        try
        {
            if (!_ends.Wait(timeout, wake.Token)) return false;
            _ends.Take();
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // The store has told of one.
        }
        finally
        {
            lock (_lock)
            {
                _waiting = null;
                _heard = false;
            }
        }

        return true;
    }

    public void Dispose()
    {
        _leaving.Cancel();
        _listening?.GetAwaiter().GetResult();
        _others?.Dispose();
        _ends.Dispose();
        _leaving.Dispose();
    }

    private void Listen()
    {
        try
        {
            while (true)
            {
                _others!.Wait(TimeSpan.FromDays(1), _leaving.Token);
                lock (_lock)
                {
                    _heard = true;
                    _waiting?.Cancel();
                }
            }
        }
        catch (Exception error) when (error is OperationCanceledException or LvmException)
        {
            // Nobody waits any more, or there is no store any more: noxsd tells of all ends then.
        }
    }
}
