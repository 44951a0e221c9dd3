using System.Diagnostics;
using LightVM.Configuration;
using LightVM.Consoles;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Migration;
using LightVM.Pools;

namespace LightVM.Simulation;

/// <summary>Names of simulated domains, in memory.</summary>
internal sealed class SimulatedDirectory(SimulatedMachine machine) : IDomainDirectory
{
    private readonly object _lock = new();
    private readonly HashSet<string> _reserved = new(StringComparer.Ordinal);
    private readonly Dictionary<Guid, DomainConfig> _configs = [];
    private readonly Dictionary<Guid, DomainConfig> _restarts = [];
    private readonly Dictionary<Guid, Suspension> _suspensions = [];
    private readonly Dictionary<Guid, Arrival> _arrivals = [];
    private readonly HashSet<Guid> _held = [];
    private readonly DirectoryEntries _entries = new()
    {
        [Guid.Empty] = new DirectoryEntry("Domain-0", DateTimeOffset.UtcNow),
    };

    public DirectoryEntry? Find(DomainKey key)
    {
        machine.RequireStore();
        lock (_lock) return _entries.GetValueOrDefault(key.Uuid);
    }

    public void Refresh()
    {
        machine.RequireStore();
        // Nobody else writes here.
    }

    public void TakeInChanges() => Refresh();

    public IReadOnlyList<Guid> UuidsByName(string name)
    {
        machine.RequireStore();
        lock (_lock) return _entries.UuidsOf(name);
    }

    public IDisposable ReserveName(string name)
    {
        lock (_lock)
        {
            if (!_reserved.Add(name)) throw new LvmException(ErrorIds.DomainNameTaken, $"another domain is just being given the name '{name}'");
        }

        return new Reservation(this, name);
    }

    public IDisposable HoldDomain(Guid uuid, TimeSpan patience)
    {
        var begin = Stopwatch.GetTimestamp();
        lock (_lock)
        {
            while (!_held.Add(uuid))
            {
                var left = patience - Stopwatch.GetElapsedTime(begin);
                if (left <= TimeSpan.Zero) throw new LvmException(ErrorIds.DomainInvalidState, $"somebody else has been changing it for {patience.TotalSeconds:0} s");
                Monitor.Wait(_lock, left);
            }
        }

        return new Hold(this, uuid);
    }

    public int? FindNodeQuota() => machine.Options.StoreNodesPerDomain;

    public void Publish(DomainPublication publication)
    {
        machine.RequireStore();
        lock (_lock)
        {
            _entries[publication.Key.Uuid] = new DirectoryEntry(publication.Name, publication.StartTime);
            _configs[publication.Key.Uuid] = publication.Config;
            if (publication.FormerUuid is { } former) _entries.Remove(former);
        }

        if (publication.Rings != default) PublishRings(publication);
    }

    public void PublishRings(DomainPublication publication)
    {
        lock (machine.Lock) machine.Require(publication.Key.Id, "publish").HasConsole = publication.Config.Console;
    }

    public void PublishShell(DomainPublication publication)
    {
        machine.RequireStore();
        lock (_lock) _entries[publication.Key.Uuid] = new DirectoryEntry(publication.Name, null);
        if (publication.Rings == default) return;
        lock (machine.Lock) machine.Require(publication.Key.Id, "publish").HasConsole = true;
    }

    public void PublishAs(DomainPublication publication, DomainPublication shell, IReadOnlyList<NetworkDevice> changed)
    {
        Publish(publication);
        lock (machine.Lock)
        {
            var devices = machine.Require(publication.Key.Id, "publish").Devices;
            foreach (var device in changed) devices[devices.FindIndex(each => each.Kind == device.Kind && each.Id == device.Id)] = device;
        }
    }

    IShellRecords IDomainDirectory.Shells { get; } = new SimulatedShellRecords();

    public DomainConfig? FindConfig(DomainKey key)
    {
        lock (_lock) return _configs.GetValueOrDefault(key.Uuid);
    }

    public void SaveConfig(DomainKey key, DomainConfig config)
    {
        lock (_lock) _configs[key.Uuid] = config;
    }

    public IReadOnlyList<Guid> ListConfigs()
    {
        lock (_lock) return _configs.Keys.ToList();
    }

    public void RemoveConfig(Guid uuid)
    {
        lock (_lock) _configs.Remove(uuid);
    }

    public void BeginRestart(Guid uuid, DomainConfig config)
    {
        lock (_lock) _restarts[uuid] = config;
    }

    public void EndRestart(Guid uuid)
    {
        lock (_lock) _restarts.Remove(uuid);
    }

    public IReadOnlyList<(Guid Uuid, DomainConfig Config)> UnfinishedRestarts()
    {
        lock (_lock) return _restarts.Select(restart => (restart.Key, restart.Value)).ToList();
    }

    public void NoteSuspension(Guid uuid, Suspension suspension)
    {
        lock (_lock) _suspensions[uuid] = suspension;
    }

    public void EndSuspension(Guid uuid)
    {
        lock (_lock) _suspensions.Remove(uuid);
    }

    public IReadOnlyList<(Guid Uuid, Suspension Suspension)> Suspensions()
    {
        lock (_lock) return _suspensions.Select(suspension => (suspension.Key, suspension.Value)).ToList();
    }

    public Guid Boot { get; } = Guid.NewGuid();

    public Arrival? FindArrival(Guid ticket)
    {
        lock (_lock) return _arrivals.GetValueOrDefault(ticket);
    }

    public void SaveArrival(Guid ticket, Arrival arrival)
    {
        lock (_lock) _arrivals[ticket] = arrival;
    }

    public void RemoveArrival(Guid ticket)
    {
        lock (_lock) _arrivals.Remove(ticket);
    }

    public IReadOnlyList<(Guid Ticket, Arrival Arrival)> Arrivals()
    {
        lock (_lock) return _arrivals.Select(arrival => (arrival.Key, arrival.Value)).ToList();
    }

    public void NoteResumed(DomainKey key)
    {
        machine.RequireStore();
        // Nobody here has noted that it was suspended.
    }

    public IDomainWatch Watch() => new SimulatedWatch(machine);

    public void Rename(DomainKey key, string newName)
    {
        machine.RequireStore();
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
        machine.RequireStore();
        lock (_lock)
        {
            _entries.Remove(key.Uuid);
            _configs.Remove(key.Uuid);
        }
    }

    public IGuestConsole OpenConsole(DomainKey key, Func<bool> exists)
    {
        lock (machine.Lock)
        {
            if (machine.Find(key.Id) is not { HasConsole: true } domain) throw new LvmException(ErrorIds.ConsoleUnavailable, "it has no console");
            return domain.Guest.Console.Open(keys => Type(domain, keys));
        }
    }

    public void Dispose()
    {
        // Nothing is held.
    }

    private void Type(SimulatedDomain domain, byte[] keys)
    {
        lock (machine.Lock)
        {
            domain.Guest.Type(keys);
            domain.Run();
            machine.Tell();
        }
    }

    private sealed class Hold(SimulatedDirectory directory, Guid uuid) : IDisposable
    {
        public void Dispose()
        {
            lock (directory._lock)
            {
                directory._held.Remove(uuid);
                Monitor.PulseAll(directory._lock);
            }
        }
    }

    private sealed class Reservation(SimulatedDirectory directory, string name) : IDisposable
    {
        public void Dispose()
        {
            lock (directory._lock) directory._reserved.Remove(name);
        }
    }
}
