using LightVM.Domains;
using LightVM.Errors;
using LightVM.Linux;

namespace LightVM.Pools;

/// <summary>
/// The shells that wait on this host, as one sees them who uses them: their records in /run, which are read once each, when they come, so that whoever
/// takes one finds it read. Nobody has to be asked for a shell: whoever renames its record has it (<see cref="IShellRecords.TryClaim"/>). Members may be
/// called from several threads.
/// </summary>
internal sealed class ShellShelf : IDisposable
{
    private static readonly Comparer<ShellRecord> OldestFirst = Comparer<ShellRecord>.Create((one, other) => (one.Made, one.Uuid).CompareTo((other.Made, other.Uuid)));

    private readonly object _lock = new();
    private readonly Dictionary<PoolFlavour, SortedSet<ShellRecord>> _waiting = [];
    private readonly Dictionary<Guid, ShellRecord> _known = [];
    private readonly CancellationTokenSource _ended = new();
    private FolderWatch? _watch;
    private Thread? _reader;

    /// <summary>Whether there may be shells at all.</summary>
    public bool IsThere => _watch is not null || RunShellRecords.IsThere;

    /// <summary>The shell that fits best, which is not to be had here again; null where there is none. Another process may be quicker to claim it. Errors: HostFileFailure.</summary>
    public ShellRecord? Take(ShellRequest request)
    {
        if (!IsThere) return null;
        lock (_lock)
        {
            Learn(); // what came this very moment may fit better
            foreach (var (flavour, shells) in _waiting.Where(group => group.Key.Fits(request)).OrderBy(group => group.Key.Rank))
            {
                // A kernel that was replaced would not be the one that is asked for.
                var stamp = flavour.Kind == ShellKind.Built ? flavour.Stamp() : null;
                if (shells.FirstOrDefault(shell => stamp is null || shell.Stamp == stamp) is not { } found) continue;
                Forget(found.Uuid);
                return found;
            }
        }

        return null;
    }

    /// <summary>Takes one back that was not claimed.</summary>
    public void PutBack(ShellRecord shell)
    {
        lock (_lock)
        {
            if (RunShellRecords.FindWaiting(shell.Uuid) is not null) Add(shell);
        }
    }

    public void Dispose()
    {
        _ended.Cancel(); // and stays: whoever takes a shell after this starts no reader that goes on
        _reader?.Join();
        lock (_lock)
        {
            _watch?.Dispose();
            _watch = null;
        }
    }

    /// <summary>Reads the records of shells as they come.</summary>
    private void ReadArrivals()
    {
        try
        {
            using var arrivals = RunShellRecords.WatchWaiting(isOfArrivals: true);
            using var readiness = new Readiness(_ended.Token);
            while (true)
            {
                arrivals.Wait(readiness);
                arrivals.Take();
                lock (_lock) Learn();
            }
        }
        catch (OperationCanceledException)
        {
            // Nobody takes shells any more.
        }
        catch (Exception error) when (error is LvmException or IOException)
        {
            // Whoever takes a shell reads what there is, and hears why that cannot be.
        }
    }

    private void Learn()
    {
        if (_watch is null)
        {
            _watch = RunShellRecords.WatchWaiting();
            LearnAll();
            _reader = new Thread(ReadArrivals) { IsBackground = true, Name = "shells that come" };
            _reader.Start();
        }

        HashSet<Guid>? came = null;
        foreach (var change in _watch.Take())
        {
            if (change.Name is null)
            {
                LearnAll();
                return;
            }

            if (RunRecords.UuidOf(change.Name) is not { } uuid) continue;
            Forget(uuid);
            if (change.IsThere) (came ??= []).Add(uuid);
            else came?.Remove(uuid);
        }

        if (came is null) return;
        foreach (var uuid in came)
        {
            if (RunShellRecords.FindWaiting(uuid) is { State: ShellState.Ready } shell) Add(shell);
        }
    }

    private void LearnAll()
    {
        _watch!.Take(); // whatever that was: it is in what is read now
        _waiting.Clear();
        _known.Clear();
        foreach (var shell in RunShellRecords.ListWaiting().Where(shell => shell.State == ShellState.Ready)) Add(shell);
    }

    private void Add(ShellRecord shell)
    {
        _known[shell.Uuid] = shell;
        if (!_waiting.TryGetValue(shell.Flavour, out var shells)) _waiting.Add(shell.Flavour, shells = new SortedSet<ShellRecord>(OldestFirst));
        shells.Add(shell);
    }

    private void Forget(Guid uuid)
    {
        if (!_known.Remove(uuid, out var shell)) return;
        var shells = _waiting[shell.Flavour];
        shells.Remove(shell);
        if (shells.Count == 0) _waiting.Remove(shell.Flavour);
    }
}
