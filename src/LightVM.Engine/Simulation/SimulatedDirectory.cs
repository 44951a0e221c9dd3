using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Simulation;

/// <summary>Names of simulated domains, in memory.</summary>
internal sealed class SimulatedDirectory : IDomainDirectory
{
    private readonly object _lock = new();
    private readonly HashSet<string> _reserved = new(StringComparer.Ordinal);
    private readonly Dictionary<Guid, DirectoryEntry> _entries = new()
    {
        [Guid.Empty] = new DirectoryEntry("Domain-0", DateTimeOffset.UtcNow),
    };

    public DirectoryEntry? Find(DomainKey key)
    {
        lock (_lock) return _entries.GetValueOrDefault(key.Uuid);
    }

    public void Refresh()
    {
        // Nobody else writes here.
    }

    public void TakeInChanges() => Refresh();

    public IReadOnlyList<Guid> UuidsByName(string name)
    {
        lock (_lock) return _entries.Where(entry => entry.Value.Name == name).Select(entry => entry.Key).ToArray();
    }

    public IDisposable ReserveName(string name)
    {
        lock (_lock)
        {
            if (!_reserved.Add(name)) throw new LvmException(ErrorIds.DomainNameTaken, $"another domain is just being given the name '{name}'");
        }

        return new Reservation(this, name);
    }

    public void Publish(DomainPublication publication)
    {
        lock (_lock) _entries[publication.Key.Uuid] = new DirectoryEntry(publication.Name, publication.StartTime);
    }

    public void Rename(DomainKey key, string newName)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue(key.Uuid, out var entry)) throw new LvmException(ErrorIds.DomainGone, $"nothing is published of domain {key}");
            _entries[key.Uuid] = entry with { Name = newName };
        }
    }

    public void Settle(DomainKey key)
    {
        // No daemon looks at simulated domains.
    }

    public void Withdraw(DomainKey key)
    {
        lock (_lock) _entries.Remove(key.Uuid);
    }

    public string? FindConsole(DomainKey key) => null;

    public void Dispose()
    {
        // Nothing is held.
    }

    private sealed class Reservation(SimulatedDirectory directory, string name) : IDisposable
    {
        public void Dispose()
        {
            lock (directory._lock) directory._reserved.Remove(name);
        }
    }
}
