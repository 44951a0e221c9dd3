using FsCheck;
using FsCheck.Fluent;
using LightVM.Configuration;
using LightVM.Noxs;

namespace LightVM.Unit.Noxs;

/// <summary>Records of domains without a store, as several processes see them that change them.</summary>
public sealed class NoxsRegistryTests
{
    private static readonly Guid[] Uuids = [.. Enumerable.Range(0, 3).Select(_ => Guid.NewGuid())];

    [Fact]
    public void What_another_process_changes_is_seen()
    {
        using var own = new NoxsRegistry();
        using var other = new NoxsRegistry();
        var uuid = Guid.NewGuid();
        own.List(); // all are known from here on

        other.Save(uuid, Record("first", 7));
        Assert.Equal("first", own.Find(uuid)?.Name);
        Assert.Equal([uuid], own.UuidsByName("first"));

        other.Save(uuid, Record("second", 7));
        Assert.Equal("second", own.FindNow(new(7, uuid))?.Name);
        Assert.Empty(own.UuidsByName("first"));

        other.Remove(uuid);
        Assert.Null(own.FindNow(new(7, uuid)));
        Assert.DoesNotContain(uuid, own.List().Select(entry => entry.Key));
    }

    [Fact]
    public void Whoever_changes_what_comes_after_another_sees_the_same()
    {
        // Each change: by which of two, of which domain, and its new id; 0 removes it. One of them has listed all from the first, the other when it likes.
        var change = from who in Gen.Choose(0, 1) from which in Gen.Choose(0, Uuids.Length - 1) from id in Gen.Choose(0, 4) select (who, which, id);
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(change.ArrayOf().ToArbitrary(), sequence =>
        {
            using var first = new NoxsRegistry();
            using var second = new NoxsRegistry();
            var expected = new Dictionary<Guid, uint>();
            first.List();
            foreach (var (who, which, id) in sequence)
            {
                var registry = who == 0 ? first : second;
                var uuid = Uuids[which];
                if (id == 0)
                {
                    registry.TakeInChanges();
                    registry.Remove(uuid);
                    expected.Remove(uuid);
                }
                else
                {
                    registry.FindNow(new((uint)id, uuid)); // as those do who change a domain
                    registry.Save(uuid, Record($"guest-{which}", (uint)id));
                    expected[uuid] = (uint)id;
                }
            }

            var isSame = Seen(first) && Seen(second);
            foreach (var uuid in Uuids) first.Remove(uuid);
            return isSame;

            bool Seen(NoxsRegistry registry)
            {
                var seen = registry.List().Where(entry => Uuids.Contains(entry.Key)).ToDictionary(entry => entry.Key, entry => entry.Value.Id);
                return seen.Count == expected.Count && seen.All(entry => expected.TryGetValue(entry.Key, out var id) && id == entry.Value);
            }
        }));
    }

    private static NoxsRecord Record(string name, uint id) => new()
    {
        Id = id,
        Name = name,
        StartTime = DateTimeOffset.UnixEpoch,
        Config = DomainConfig.From(new DomainConfigDraft { Name = name, MemoryMiB = 4, VcpuCount = 1, Kernel = "/boot/guest", DeviceMethod = DeviceMethod.Noxs }),
    };
}
