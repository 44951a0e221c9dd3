using LightVM.Hypervisor;
using LightVM.Pools;

namespace LightVM.Simulation;

/// <summary>Records of simulated shells, in memory.</summary>
internal sealed class SimulatedShellRecords : IShellRecords
{
    private readonly object _lock = new();
    private readonly Dictionary<Guid, ShellRecord> _shells = [];
    private readonly Dictionary<Guid, IReadOnlyList<FrameRun>> _frames = [];

    public void Save(ShellRecord shell)
    {
        lock (_lock) _shells[shell.Uuid] = shell;
    }

    public bool TryClaim(Guid uuid)
    {
        lock (_lock)
        {
            if (!_shells.TryGetValue(uuid, out var shell) || shell.State == ShellState.Claimed) return false;
            _shells[uuid] = shell with { State = ShellState.Claimed };
            return true;
        }
    }

    public void Commit(Guid uuid) => Remove(uuid);

    public void Remove(Guid uuid)
    {
        lock (_lock)
        {
            _shells.Remove(uuid);
            _frames.Remove(uuid);
        }
    }

    public bool IsWaiting(Guid uuid)
    {
        lock (_lock) return _shells.TryGetValue(uuid, out var shell) && shell.State != ShellState.Claimed;
    }

    public IReadOnlyList<Guid> ListClaimed()
    {
        lock (_lock) return _shells.Values.Where(shell => shell.State == ShellState.Claimed).Select(shell => shell.Uuid).ToList();
    }

    public ShellRecord? Find(Guid uuid)
    {
        lock (_lock) return _shells.GetValueOrDefault(uuid);
    }

    public IReadOnlyList<ShellRecord> List()
    {
        lock (_lock) return _shells.Values.ToList();
    }

    public void SaveFrames(Guid uuid, IReadOnlyList<FrameRun> frames)
    {
        lock (_lock) _frames[uuid] = frames;
    }

    public IReadOnlyList<FrameRun> TakeFrames(Guid uuid)
    {
        lock (_lock) return _frames.Remove(uuid, out var frames) ? frames : [];
    }
}
