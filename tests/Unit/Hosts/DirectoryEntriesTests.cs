using FsCheck;
using FsCheck.Fluent;
using LightVM.Hypervisor;

namespace LightVM.Unit.Hosts;

public sealed class DirectoryEntriesTests
{
    /// <summary>Whatever is noted, renamed and removed: by name there is what by uuid there is.</summary>
    [Fact]
    public void Names_lead_to_the_uuids_that_have_them()
    {
        var change = Gen.Choose(0, 5).SelectMany(uuid => Gen.Choose(-1, 3).Select(name => (Uuid: new Guid(uuid, 0, 0, new byte[8]), Name: name < 0 ? null : $"n{name}")));
        Prop.ForAll(change.ListOf().ToArbitrary(), changes =>
        {
            var entries = new DirectoryEntries();
            var model = new Dictionary<Guid, string>();
            foreach (var (uuid, name) in changes)
            {
                if (name is null)
                {
                    entries.Remove(uuid);
                    model.Remove(uuid);
                }
                else
                {
                    entries[uuid] = new DirectoryEntry(name, null);
                    model[uuid] = name;
                }
            }

            Assert.Equal(model.Keys.Order(), entries.Uuids.Order());
            foreach (var name in new[] { "n0", "n1", "n2", "n3", "n4" })
                Assert.Equal(model.Where(pair => pair.Value == name).Select(pair => pair.Key).Order(), entries.UuidsOf(name).Order());
        }).QuickCheckThrowOnFailure();
    }
}
