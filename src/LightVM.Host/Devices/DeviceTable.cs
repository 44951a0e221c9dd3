using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;

namespace LightVM.Host.Devices;

/// <summary>
/// What the daemon knows of guests' devices: the addresses of all network interfaces of the host, whoever made them, the disks that it
/// looks after, and what was asked for and has not appeared yet. Members may be called from several threads; none waits for anything.
/// </summary>
/// <param name="exists">
/// Whether the kernel still has a device. Its toolstack, which waited for its end, may ask for the disk again before the daemon has
/// read of that end.
/// </param>
internal sealed class DeviceTable(TimeProvider time, Func<DeviceKey, bool>? exists = null)
{
    /// <summary>How long what was asked for is held. Creations take milliseconds; this is for a host that swaps.</summary>
    public static readonly TimeSpan HoldTime = TimeSpan.FromSeconds(60);

    private readonly Lock _lock = new();
    private readonly Dictionary<DeviceKey, Interface> _interfaces = [];
    private readonly Dictionary<DeviceKey, Disk> _disks = [];
    private readonly Dictionary<(Guid Domain, DeviceKind Kind, int Id), Reservation> _reservations = [];

    /// <summary>How many there are.</summary>
    public (int Interfaces, int Disks, int Loops, int Reservations) Counts
    {
        get
        {
            lock (_lock)
            {
                DropExpired();
                return (_interfaces.Count, _disks.Count, _disks.Values.Count(disk => disk.Loop is not null), _reservations.Count);
            }
        }
    }

    /// <summary>The devices that are there.</summary>
    public IReadOnlyList<DeviceKey> Keys
    {
        get
        {
            lock (_lock) return [.. _interfaces.Keys, .. _disks.Keys];
        }
    }

    /// <summary>What nobody else speaks for.</summary>
    public OwnDisks OwnDisks
    {
        get
        {
            lock (_lock)
                return new OwnDisks(_disks.Values.Where(disk => disk.Loop is not null).Select(disk => disk.Loop!.Minor).ToHashSet(), _disks.Keys.ToHashSet());
        }
    }

    /// <summary>
    /// Holds devices for a domain: all or none. What the domain held before is held anew. Errors: MacAddressTaken, DiskInUse.
    /// </summary>
    /// <param name="disks">With what each is, in place of its path.</param>
    /// <returns>The address of each interface, in order.</returns>
    public IReadOnlyList<string> Reserve(Guid domain, IReadOnlyList<NetworkDevice> interfaces, IReadOnlyList<(DiskDevice Disk, DiskIdentity Identity)> disks)
    {
        lock (_lock)
        {
            DropExpired();
            foreach (var (disk, identity) in disks)
            {
                if (FindUser(domain, identity, disk.Config.Access) is { } user) throw InUse(disk.Config.Target, user);
            }

            var macs = new string[interfaces.Count];
            for (var i = 0; i < macs.Length; i++)
            {
                if (interfaces[i].Config.Mac is not { } mac) continue;
                if (FindHolder(domain, interfaces[i].Id, mac) is { } holder) throw new LvmException(ErrorIds.MacAddressTaken, $"the address {mac} is taken: {holder} has it");
                if (macs.Contains(mac)) throw new LvmException(ErrorIds.MacAddressTaken, $"the address {mac} is asked for twice");
                macs[i] = mac;
            }

            for (var i = 0; i < macs.Length; i++) macs[i] ??= FindAddress(domain, interfaces[i].Id, macs);

            var until = time.GetUtcNow() + HoldTime;
            // An address that this domain asked for earlier and for another interface is that one's no longer.
            foreach (var stale in _reservations.Where(entry => entry.Key.Domain == domain && entry.Value.Mac is { } mac && macs.Contains(mac)).Select(entry => entry.Key).ToArray())
                _reservations.Remove(stale);
            for (var i = 0; i < macs.Length; i++)
            {
                // An interface that is there and gets another address, of a domain that nobody has started yet: there is nothing to wait for.
                var known = _interfaces.FirstOrDefault(entry => entry.Value.Domain == domain && entry.Key.Id == interfaces[i].Id);
                if (known.Value.Mac is { } old && interfaces[i].Config.Mac is { } mac && mac != old) _interfaces[known.Key] = new Interface(domain, mac);
                else _reservations[(domain, DeviceKind.Network, interfaces[i].Id)] = new Reservation(macs[i], default, default, until);
            }

            foreach (var (disk, identity) in disks) _reservations[(domain, DeviceKind.Disk, disk.Id)] = new Reservation(null, identity, disk.Config.Access, until);
            return macs;
        }
    }

    /// <summary>Gives up what a domain asked for and has not got.</summary>
    public void Release(Guid domain, IEnumerable<Device> devices)
    {
        lock (_lock)
        {
            foreach (var device in devices) _reservations.Remove((domain, device.Kind, device.Id));
        }
    }

    /// <summary>Errors: DiskInUse, where a domain has a disk or asked for it.</summary>
    /// <param name="path">For the message.</param>
    public void RequireFree(DiskIdentity identity, DiskAccess access, string path)
    {
        lock (_lock)
        {
            DropExpired();
            if (FindUser(Guid.Empty, identity, access) is { } user) throw InUse(path, user);
        }
    }

    /// <summary>Whether a domain asked for a disk in this way lately, so that all others were looked at.</summary>
    public bool Holds(Guid domain, int id, DiskIdentity identity, DiskAccess access)
    {
        lock (_lock)
        {
            DropExpired();
            return _reservations.TryGetValue((domain, DeviceKind.Disk, id), out var held) && held.Disk == identity && held.Access == access;
        }
    }

    /// <summary>An interface has appeared, or is found.</summary>
    public void AddInterface(DeviceKey key, Guid domain, string mac)
    {
        lock (_lock)
        {
            _interfaces[key] = new Interface(domain, mac);
            _reservations.Remove((domain, DeviceKind.Network, key.Id));
        }
    }

    /// <summary>A disk has appeared: from now on it is its domain's. Errors: DiskInUse.</summary>
    /// <param name="path">For the message.</param>
    public void AddDisk(DeviceKey key, Guid domain, DiskIdentity identity, DiskAccess access, string path)
    {
        lock (_lock)
        {
            DropExpired();
            if (FindUser(domain, identity, access) is { } user) throw InUse(path, user);
            _disks[key] = new Disk(domain, identity, access);
            _reservations.Remove((domain, DeviceKind.Disk, key.Id));
        }
    }

    /// <summary>A disk is found that is at work already, and needs nobody's leave.</summary>
    public void TakeOverDisk(DeviceKey key, Guid domain, DiskIdentity identity, DiskAccess access, LoopDevice? loop)
    {
        lock (_lock) _disks[key] = new Disk(domain, identity, access) { Loop = loop };
    }

    /// <summary>A disk of the table has got its loop device.</summary>
    public void SetLoop(DeviceKey key, LoopDevice loop)
    {
        lock (_lock) _disks[key].Loop = loop;
    }

    public bool Contains(DeviceKey key)
    {
        lock (_lock) return _interfaces.ContainsKey(key) || _disks.ContainsKey(key);
    }

    /// <summary>Whether a loop device is behind a guest's disk.</summary>
    public bool HasLoop(uint minor)
    {
        lock (_lock) return _disks.Values.Any(disk => disk.Loop?.Minor == minor);
    }

    /// <summary>Loop devices that the kernel does not yet free by itself, with the disks that they are for.</summary>
    public IReadOnlyList<(DeviceKey Key, LoopDevice Loop)> LoopsWithoutAutoclear()
    {
        lock (_lock) return _disks.Where(entry => entry.Value.Loop is { HasAutoclear: false }).Select(entry => (entry.Key, entry.Value.Loop!)).ToArray();
    }

    /// <summary>A device has gone. Its loop device, if it had one, is the caller's to free.</summary>
    public LoopDevice? Remove(DeviceKey key)
    {
        lock (_lock)
        {
            _interfaces.Remove(key);
            return _disks.Remove(key, out var disk) ? disk.Loop : null;
        }
    }

    private static LvmException InUse(string path, string user) => new(ErrorIds.DiskInUse, $"disk '{path}' is in use: {user}") { Errno = ErrnoText.EBUSY };

    /// <summary>Who has a disk in a way that does not go together with this use; null for nobody. A domain may use its own disks twice.</summary>
    private string? FindUser(Guid domain, DiskIdentity identity, DiskAccess access)
    {
        bool Excludes(DiskIdentity disk, DiskAccess use) => disk == identity && (access == DiskAccess.ReadWrite || use == DiskAccess.ReadWrite);
        foreach (var (key, disk) in _disks)
        {
            if (disk.Domain != domain && Excludes(disk.Identity, disk.Access) && Exists(key)) return $"domain {key.Domain} has it ({key})";
        }

        foreach (var (key, held) in _reservations)
        {
            if (key.Kind == DeviceKind.Disk && key.Domain != domain && Excludes(held.Disk, held.Access)) return $"it is held for domain {key.Domain}, which is being made";
        }

        return null;
    }

    /// <summary>Who has an address that an interface wants; null for nobody, or this very interface.</summary>
    private string? FindHolder(Guid domain, int id, string mac)
    {
        foreach (var (key, device) in _interfaces)
        {
            if (device.Mac == mac && (device.Domain != domain || key.Id != id) && Exists(key)) return $"{key} of domain {key.Domain}";
        }

        foreach (var (key, held) in _reservations)
        {
            if (held.Mac == mac && key.Domain != domain) return $"domain {key.Domain}, which is being made,";
        }

        return null;
    }

    private string FindAddress(Guid domain, int id, string?[] macs)
    {
        bool IsFree(string mac) => FindHolder(domain, id, mac) is null && !macs.Contains(mac);
        if (_reservations.TryGetValue((domain, DeviceKind.Network, id), out var held) && IsFree(held.Mac!)) return held.Mac!;
        for (var attempt = 0; ; attempt++)
        {
            var mac = MacGenerator.Make(domain, id, attempt);
            // Nor one that this domain holds for another of its interfaces.
            if (IsFree(mac) && !_reservations.Any(entry => entry.Value.Mac == mac && entry.Key.Id != id)) return mac;
        }
    }

    private bool Exists(DeviceKey key) => exists?.Invoke(key) ?? true;

    private void DropExpired()
    {
        var now = time.GetUtcNow();
        List<(Guid, DeviceKind, int)>? expired = null;
        foreach (var (key, held) in _reservations)
        {
            if (held.Until <= now) (expired ??= []).Add(key);
        }

        if (expired is null) return;
        foreach (var key in expired) _reservations.Remove(key);
    }

    private readonly record struct Interface(Guid Domain, string Mac);

    private sealed record Disk(Guid Domain, DiskIdentity Identity, DiskAccess Access)
    {
        public LoopDevice? Loop { get; set; }
    }

    private readonly record struct Reservation(string? Mac, DiskIdentity Disk, DiskAccess Access, DateTimeOffset Until);
}
