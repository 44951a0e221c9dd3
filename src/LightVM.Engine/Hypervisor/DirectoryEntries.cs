using System.Diagnostics.CodeAnalysis;

namespace LightVM.Hypervisor;

/// <summary>What a directory knows of domains, by uuid and by name: neither question takes longer with a thousand of them. Not for several threads.</summary>
internal sealed class DirectoryEntries
{
    private readonly Dictionary<Guid, DirectoryEntry> _entries = [];
    private readonly Dictionary<string, List<Guid>> _uuids = new(StringComparer.Ordinal);

    public IReadOnlyCollection<Guid> Uuids => _entries.Keys;

    public DirectoryEntry this[Guid uuid]
    {
        get => _entries[uuid];
        set
        {
            if (_entries.TryGetValue(uuid, out var old))
            {
                _entries[uuid] = value;
                if (old.Name == value.Name) return;
                ForgetName(old.Name, uuid);
            }
            else
            {
                _entries.Add(uuid, value);
            }

            if (!_uuids.TryGetValue(value.Name, out var namesakes)) _uuids.Add(value.Name, namesakes = []);
            namesakes.Add(uuid);
        }
    }

    public bool TryGetValue(Guid uuid, [NotNullWhen(true)] out DirectoryEntry? entry) => _entries.TryGetValue(uuid, out entry);

    public DirectoryEntry? GetValueOrDefault(Guid uuid) => _entries.GetValueOrDefault(uuid);

    public Guid[] UuidsOf(string name) => _uuids.TryGetValue(name, out var uuids) ? [.. uuids] : [];

    public void Remove(Guid uuid)
    {
        if (_entries.Remove(uuid, out var entry)) ForgetName(entry.Name, uuid);
    }

    private void ForgetName(string name, Guid uuid)
    {
        var namesakes = _uuids[name];
        namesakes.Remove(uuid);
        if (namesakes.Count == 0) _uuids.Remove(name);
    }
}
