using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Pools;

/// <summary>How pools are kept.</summary>
internal sealed record PoolKeeperOptions
{
    /// <summary>Memory of the host that shells leave free, MiB.</summary>
    public int ReserveMiB { get; init; } = 256;

    /// <summary>How long shells that were handed out may keep a new one from being begun, and how long nobody asks what became of them.</summary>
    public TimeSpan Courtesy { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long nobody has asked for a shell before a new one is begun, as long as more than half of a pool is there.</summary>
    public TimeSpan Quiet { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>When to look again whether the host has memory by now: nobody tells.</summary>
    public TimeSpan MemoryCheck { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long whoever holds a shell may keep it from being looked at.</summary>
    public TimeSpan HoldPatience { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>
/// Keeps pools of shells: makes them, one at a time and in the background, hands each out once, and finds out what became of those that
/// somebody left who had them. Other processes take shells by themselves (<see cref="ShellShelf"/>), and this is told. All that must outlast
/// it is in /run and in the store of definitions. Members may be called from several threads; none but <see cref="Run"/>,
/// <see cref="Open"/> and <see cref="Remove"/> takes long.
/// </summary>
internal sealed class PoolKeeper(HostContext host, IPoolStore store, PoolKeeperOptions options, Action<string> log, TimeProvider? clock = null) : IDisposable
{
    private readonly TimeProvider _time = clock ?? TimeProvider.System;
    private readonly object _lock = new();
    private readonly SortedDictionary<string, PoolState> _pools = new(StringComparer.Ordinal);
    private readonly Dictionary<Guid, Loan> _lent = [];
    private long? _lastRequest;
    // There is one at a time.
    private ShellRecord? _making;
    private bool _isMakingClaimed;
    private bool _disposed;

    private IShellRecords Records => host.Directory.Shells;

    /// <summary>Shells that wait, and those that were handed out.</summary>
    public (int Pools, int Ready, int Lent) Counts
    {
        get
        {
            lock (_lock) return (_pools.Count, _pools.Values.Sum(pool => pool.Ready.Count), _lent.Count);
        }
    }

    /// <summary>Learns which pools there are, and takes over the shells of whoever kept them before: those that are whole. The others are destroyed.</summary>
    public void Open()
    {
        var (definitions, problems) = store.Load();
        foreach (var problem in problems) log(problem);
        lock (_lock)
        {
            foreach (var definition in definitions) _pools.TryAdd(definition.Name, new PoolState(definition, _time));
        }

        var shells = Records.List();
        foreach (var shell in shells.OrderBy(shell => shell.Made)) Recover(shell.Uuid, "it was found", options.HoldPatience);
        if (shells.Count > 0) log($"{shells.Count} shells were found, {Counts.Ready} of them are kept");
    }

    public IReadOnlyList<Pool> List()
    {
        lock (_lock) return _pools.Values.Select(pool => pool.Describe()).ToList();
    }

    /// <summary>Begins a pool. Errors: PoolExists, PoolInvalid, and those of its kernel or image.</summary>
    public void Add(PoolDefinition definition)
    {
        definition.Checked();
        var state = new PoolState(definition, _time);
        try
        {
            lock (_lock) RequireFree(definition.Name);
            // What could never be made is refused at once.
            if (definition.Flavour.Image is not null) state.Image = LoadImage(definition.Flavour);
            if (definition.Flavour.Kernel is { } kernel && definition.Flavour.Kind == ShellKind.Built) host.ForCreation.Images.LoadKernel(kernel).Image.CheckFits(definition.Flavour.Type, definition.Flavour.AddressSize, definition.Flavour.MemoryMiB, 0, kernel);
            foreach (var bridge in definition.Flavour.Bridges)
            {
                if (bridge is not null && !host.Bus.IsBridge(bridge)) throw new LvmException(ErrorIds.BridgeNotFound, $"there is no bridge '{bridge}'");
            }

            lock (_lock)
            {
                RequireFree(definition.Name);
                store.Save(definition);
                _pools.Add(definition.Name, state);
                Monitor.PulseAll(_lock);
            }
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    /// <summary>Changes a pool's numbers; its flavour stays. Errors: PoolNotFound, PoolInvalid.</summary>
    public void Set(PoolDefinition definition)
    {
        lock (_lock)
        {
            var pool = Require(definition.Name);
            var changed = (pool.Definition with { Minimum = definition.Minimum, Maximum = definition.Maximum, MemoryBudgetMiB = definition.MemoryBudgetMiB }).Checked();
            store.Save(changed);
            pool.Definition = changed;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Ends a pool, and destroys its shells; those that were handed out become domains all the same. Errors: PoolNotFound.</summary>
    public void Remove(string name)
    {
        PoolState pool;
        lock (_lock)
        {
            pool = Require(name);
            store.Remove(name);
            _pools.Remove(name);
            pool.IsRemoved = true;
            Monitor.PulseAll(_lock);
        }

        while (TakeReady() is { } shell) Destroy(shell);
        lock (_lock)
        {
            if (pool.Making == 0) pool.Dispose(); // else who makes one does
        }

        ShellRecord? TakeReady()
        {
            lock (_lock) return pool.TakeReady();
        }
    }

    /// <summary>Hands out the shell that fits best, to somebody in this process; null where none is ready.</summary>
    public ShellRecord? Take(ShellRequest request)
    {
        lock (_lock)
        {
            foreach (var pool in Fitting(request))
            {
                DropOld(pool);
                if (pool.TakeReady() is not { } taken) continue;
                Lend(taken, pool, isElsewhere: false);
                return taken;
            }
        }

        return null;
    }

    /// <summary>A shell that was handed out in this process has been used up, or was left as it was.</summary>
    public void GiveBack(Guid uuid, bool isUsed)
    {
        if (isUsed) NoteEnd(uuid);
        else TakeBack(uuid, "it was given back");
    }

    /// <summary>Somebody has claimed a shell, here or in another process.</summary>
    public void NoteClaim(Guid uuid)
    {
        lock (_lock)
        {
            if (_lent.ContainsKey(uuid)) return;
            if (_making?.Uuid == uuid)
            {
                _isMakingClaimed = true; // it was quicker than this keeper, which is about to say that it is ready
                return;
            }

            foreach (var pool in _pools.Values)
            {
                var place = pool.Ready.FindIndex(shell => shell.Uuid == uuid);
                if (place < 0) continue;
                var shell = pool.Ready[place];
                pool.Ready.RemoveAt(place);
                Lend(shell, pool, isElsewhere: true);
                break;
            }
        }

        CrashPoint.Reach(ShellCrashPoints.Lent);
    }

    /// <summary>A shell that was claimed is none any more.</summary>
    public void NoteEnd(Guid uuid)
    {
        lock (_lock)
        {
            if (_lent.TryGetValue(uuid, out var loan)) End(loan);
        }
    }

    /// <summary>Somebody may have claimed shells without a word of it here.</summary>
    public void LookAgain()
    {
        var gone = new List<Guid>(Records.ListClaimed());
        lock (_lock) gone.AddRange(_pools.Values.SelectMany(pool => pool.Ready).Select(shell => shell.Uuid).Where(uuid => Records.Find(uuid) is null));
        gone.ForEach(NoteClaim);
    }

    /// <summary>Somebody found no shell that fits; whether there is a pool that it counts for.</summary>
    public bool NoteMiss(ShellRequest request)
    {
        lock (_lock)
        {
            var fitting = Fitting(request).ToList();
            if (fitting.Count == 0) return false;
            fitting.ForEach(DropOld);
            fitting[0].NoteRequest(isHit: false);
            _lastRequest = _time.GetTimestamp();
            Monitor.PulseAll(_lock);
            return true;
        }
    }

    /// <summary>Makes shells, until it is cancelled.</summary>
    public void Run(CancellationToken cancellation)
    {
        using var wake = cancellation.Register(() =>
        {
            lock (_lock) Monitor.PulseAll(_lock);
        });
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                Work(cancellation, wait: true);
            }
            catch (Exception error)
            {
                // Whatever this was, shells that wait are of use, and the next try may be better.
                log($"shells are not looked after for now: {error.Message}");
                cancellation.WaitHandle.WaitOne(options.MemoryCheck);
            }
        }
    }

    /// <summary>Does the next thing that there is to do; false where nothing is.</summary>
    internal bool Work(CancellationToken cancellation, bool wait = false)
    {
        PoolState? pool;
        ShellRecord? surplus = null;
        Loan? overdue;
        lock (_lock)
        {
            pool = Next(out var delay);
            overdue = _lent.Values.FirstOrDefault(loan => loan.IsElsewhere && LeftOf(loan) == TimeSpan.Zero);
            if (overdue is not null)
            {
                _lent[overdue.Shell.Uuid] = overdue with { LookedAt = _time.GetTimestamp() };
            }
            else if (pool is null)
            {
                foreach (var loan in _lent.Values.Where(loan => loan.IsElsewhere)) Shorten(ref delay, LeftOf(loan));
                if (wait && !cancellation.IsCancellationRequested) Monitor.Wait(_lock, delay);
                return false;
            }
            else if (IsTooMany(pool))
            {
                surplus = pool.TakeReady();
            }
            else
            {
                pool.Making++;
            }
        }

        if (overdue is not null) TakeBack(overdue.Shell.Uuid, "whoever had it is gone");
        else if (surplus is not null) Destroy(surplus);
        else Make(pool!, cancellation);
        return true;
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (_disposed) return;
            _disposed = true;
            foreach (var pool in _pools.Values) pool.Dispose();
        }
    }

    /// <summary>The pool that wants a shell most, or has one too many.</summary>
    private PoolState? Next(out TimeSpan delay)
    {
        delay = Timeout.InfiniteTimeSpan;
        if (_pools.Values.FirstOrDefault(IsTooMany) is { } rich) return rich;
        var free = (long?)null;
        PoolState? poorest = null;
        foreach (var pool in _pools.Values.Where(pool => pool.Ready.Count + pool.Making < pool.Target))
        {
            if (pool.Pause is { Ticks: > 0 } pause)
            {
                Shorten(ref delay, pause);
                continue;
            }

            free ??= host.Hypervisor.GetInfo().FreeMemoryKiB;
            var needed = Admission.MemoryOf(pool.Flavour.Type, pool.Flavour.MemoryMiB, pool.Flavour.MaxMemoryMiB, pool.Flavour.VcpuCount);
            if (free - options.ReserveMiB * 1024L < needed)
            {
                pool.Problem = $"a shell needs {(needed + 1023) / 1024} MiB, and of the {free / 1024} MiB that are free {options.ReserveMiB} MiB are reserved";
                Shorten(ref delay, options.MemoryCheck);
                continue;
            }

            if (poorest is null || Need(pool) > Need(poorest)) poorest = pool;
        }

        // Whoever is making a domain of a shell gets the CPU, and so do those who come close behind: unless the next would find none.
        if (poorest is { Ready.Count: > 0 } && Politeness(poorest) is { Ticks: > 0 } rest)
        {
            Shorten(ref delay, rest);
            return null;
        }

        return poorest;

        TimeSpan Politeness(PoolState pool)
        {
            // The newest counts: who has one for longer than this may take as long as they like.
            var lent = _lent.Count > 0 ? options.Courtesy - _lent.Values.Min(loan => _time.GetElapsedTime(loan.Since)) : TimeSpan.Zero;
            var quiet = pool.Ready.Count * 2 > pool.Target && _lastRequest is { } last ? options.Quiet - _time.GetElapsedTime(last) : TimeSpan.Zero;
            return lent > quiet ? lent : quiet;
        }

        static double Need(PoolState pool) => (double)(pool.Target - pool.Ready.Count - pool.Making) / pool.Target;
    }

    private static void Shorten(ref TimeSpan delay, TimeSpan other)
    {
        if (delay == Timeout.InfiniteTimeSpan || other < delay) delay = other;
    }

    /// <summary>How long somebody elsewhere may still have a shell without a question.</summary>
    private TimeSpan LeftOf(Loan loan) => options.Courtesy - _time.GetElapsedTime(loan.LookedAt) is { Ticks: > 0 } left ? left : TimeSpan.Zero;

    /// <summary>Takes back a shell that was handed out, unless somebody is at it: they hold it as long as they are, and it is theirs.</summary>
    private void TakeBack(Guid uuid, string why)
    {
        Loan? loan;
        lock (_lock)
        {
            if (_lent.TryGetValue(uuid, out loan)) End(loan); // before, for one that is whole may be handed out again at once
        }

        if (Recover(uuid, why, TimeSpan.Zero) || loan is null) return;
        lock (_lock)
        {
            _lent[uuid] = loan with { IsElsewhere = true };
            loan.Pool.Lent++;
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>The pools whose shells can become what is asked for, the best first.</summary>
    private IEnumerable<PoolState> Fitting(ShellRequest request) => _pools.Values.Where(pool => pool.Flavour.Fits(request)).OrderBy(pool => pool.Flavour.Rank);

    /// <summary>A kernel that was replaced would not be the one that is asked for: shells that have it in them go, in the background.</summary>
    private void DropOld(PoolState pool)
    {
        if (pool.Flavour.Kind != ShellKind.Built || pool.Ready.Count == 0) return;
        var stamp = pool.Flavour.Stamp();
        var old = pool.Ready.Where(shell => shell.Stamp != stamp).ToList();
        if (old.Count == 0) return;
        pool.Ready.RemoveAll(old.Contains);
        ThreadPool.QueueUserWorkItem(_ => old.ForEach(Destroy));
    }

    private void Lend(ShellRecord shell, PoolState pool, bool isElsewhere)
    {
        pool.NoteRequest(isHit: true);
        pool.Lent++;
        var now = _time.GetTimestamp();
        _lent[shell.Uuid] = new Loan(shell, pool, isElsewhere, Since: now, LookedAt: now);
        _lastRequest = now;
        Monitor.PulseAll(_lock);
    }

    private static bool IsTooMany(PoolState pool) => pool.Ready.Count > pool.Definition.Maximum
        || (pool.Definition.MemoryBudgetMiB is { } budget && pool.Ready.Count > 0 && (long)pool.Ready.Count * pool.Flavour.MemoryMiB > budget);

    private void Make(PoolState pool, CancellationToken cancellation)
    {
        var begin = _time.GetTimestamp();
        ShellRecord? made = null;
        string? problem = null;
        try
        {
            made = Make(pool.Definition.Name, pool, cancellation);
        }
        catch (Exception error)
        {
            problem = error.Message; // this pool's, and no other's
        }

        var isUnwanted = false;
        lock (_lock)
        {
            pool.Making--;
            if (made is not null)
            {
                pool.NoteMade(_time.GetElapsedTime(begin));
                if (_isMakingClaimed) Lend(made, pool, isElsewhere: true);
                else if (pool.IsRemoved) isUnwanted = true;
                else pool.Ready.Add(made);
            }
            else if (!cancellation.IsCancellationRequested)
            {
                pool.NoteFailure(problem!);
            }

            (_making, _isMakingClaimed) = (null, false);
            if (pool is { IsRemoved: true, Making: 0 }) pool.Dispose();
        }

        if (isUnwanted) Destroy(made!);
        if (problem is not null && !cancellation.IsCancellationRequested) log(problem);
    }

    private ShellRecord Make(string name, PoolState pool, CancellationToken cancellation)
    {
        var image = pool.Flavour.Image is not null ? pool.Image ??= LoadImage(pool.Flavour) : null;
        var shell = new ShellRecord
        {
            Uuid = Guid.NewGuid(),
            Pool = name,
            Flavour = pool.Flavour,
            Stamp = image?.Stamp ?? pool.Flavour.Stamp(), // before the files are read: what is newer than that makes the shell old
            InUse = image?.InUse ?? [],
            Made = _time.GetUtcNow(),
        };
        lock (_lock) _making = shell;
        Records.Save(shell);
        CrashPoint.Reach(ShellCrashPoints.Noted);
        try
        {
            using var saved = image?.OpenStream();
            var made = DomainCreation.MakeShell(host.ForCreation, shell, saved, id =>
            {
                Records.Save(shell with { Id = id });
                CrashPoint.Reach(ShellCrashPoints.HasDomain);
            }, cancellation) with
            { State = ShellState.Ready };
            CrashPoint.Reach(ShellCrashPoints.Made);
            Records.Save(made);
            CrashPoint.Reach(ShellCrashPoints.Ready);
            return made;
        }
        catch (LvmException error)
        {
            // One that could not be taken away whole is found again.
            if (error.LeftBehind is null) Records.Remove(shell.Uuid);
            throw;
        }
    }

    /// <summary>Finds out what became of a shell: one that is whole is kept, one that is not is destroyed, one that is a domain now is none.</summary>
    /// <returns>Whether it could be looked at: somebody may be at work on it.</returns>
    private bool Recover(Guid uuid, string why, TimeSpan patience)
    {
        IDisposable hold;
        try
        {
            hold = host.Directory.HoldDomain(uuid, patience);
        }
        catch (LvmException error)
        {
            if (patience > TimeSpan.Zero) log($"shell {uuid} cannot be looked at: {error.Message}");
            return false;
        }

        using (hold) Recover(uuid, why);
        return true;
    }

    private void Recover(Guid uuid, string why)
    {
        try
        {
            if (Records.Find(uuid) is not { } shell) return;
            CrashPoint.Reach(ShellCrashPoints.Found);
            if (shell.State == ShellState.Ready && IsWhole(shell))
            {
                lock (_lock)
                {
                    if (_pools.TryGetValue(shell.Pool, out var pool) && pool.Flavour == shell.Flavour && shell.Stamp == shell.Flavour.Stamp())
                    {
                        if (!pool.Ready.Any(ready => ready.Uuid == uuid)) pool.Ready.Add(shell);
                        Monitor.PulseAll(_lock);
                        return;
                    }
                }
            }

            log($"shell {shell.Key} of pool '{shell.Pool}' is destroyed: {why}, {shell.State.ToString().ToLowerInvariant()}");
            DestroyHeld(shell);
        }
        catch (LvmException error)
        {
            log($"shell {uuid} cannot be looked at: {error.Message}");
        }
    }

    /// <summary>Destroys a shell that this keeper has and nobody else is meant to get.</summary>
    private void Destroy(ShellRecord shell)
    {
        try
        {
            using var hold = host.Directory.HoldDomain(shell.Uuid, options.HoldPatience);
            if (Records.TryClaim(shell.Uuid)) DestroyHeld(shell);
        }
        catch (LvmException error)
        {
            log($"shell {shell.Key} of pool '{shell.Pool}' cannot be destroyed: {error.Message}");
        }
    }

    private void DestroyHeld(ShellRecord shell)
    {
        CrashPoint.Reach(ShellCrashPoints.Destroying);
        // Its id may be another domain's by now; its uuid is its own. The one that it was to get may have been given to a domain that was made anew.
        var key = host.Hypervisor.ListDomains()
            .Where(domain => domain.State != DomainState.Dying && (domain.Key.Uuid == shell.Uuid || (domain.Key.Uuid == shell.Becomes && domain.Key.Id == shell.Id)))
            .Select(domain => domain.Key)
            .FirstOrDefault(shell.Key);
        if (DomainCreation.UndoShell(host.ForCreation, shell, key) is { } problem) throw new LvmException(ErrorIds.HypervisorFailure, problem);
        host.Bus.Release(shell.Uuid, shell.Flavour.Bridges.Select((bridge, place) => new NetworkDevice(place, new NetworkConfig(null, null, bridge))).ToArray());
    }

    private bool IsWhole(ShellRecord shell) => host.Find(shell.Key) is { State: DomainState.Paused } info && info.MemoryKiB >= (shell.Flavour.MemoryMiB - 1) * 1024L;

    private void End(Loan loan)
    {
        if (!_lent.Remove(loan.Shell.Uuid)) return;
        loan.Pool.Lent--;
        Monitor.PulseAll(_lock);
    }

    private static PoolImage LoadImage(PoolFlavour flavour)
    {
        var image = PoolImage.Load(flavour);
        try
        {
            return PoolFlavour.Of(image.Config, ShellKind.Snapshot, flavour.Image) == flavour ? image : throw new LvmException(ErrorIds.PoolInvalid, $"the image '{flavour.Image}' is of another domain than it was");
        }
        catch
        {
            image.Dispose();
            throw;
        }
    }

    private void RequireFree(string name)
    {
        if (_pools.ContainsKey(name)) throw new LvmException(ErrorIds.PoolExists, $"there is a pool '{name}' already");
    }

    private PoolState Require(string name) =>
        _pools.GetValueOrDefault(name) ?? throw new LvmException(ErrorIds.PoolNotFound, $"there is no pool '{name}'");

    /// <param name="IsElsewhere">Whether another process has it, which may be gone without a word.</param>
    /// <param name="LookedAt">When it was last asked whether they are at it still.</param>
    private sealed record Loan(ShellRecord Shell, PoolState Pool, bool IsElsewhere, long Since, long LookedAt);
}
