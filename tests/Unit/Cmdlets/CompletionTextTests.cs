using LightVM.Cmdlets.Completion;
using LightVM.Domains;
using LightVM.Hypervisor;

namespace LightVM.Unit.Cmdlets;

public sealed class CompletionTextTests
{
    [Theory]
    [InlineData("web1", "", "web1")]
    [InlineData("web1", "we", "web1")]
    [InlineData("web1", "WE", "web1")]
    [InlineData("web1", "'we", "'web1'")]
    [InlineData("web1", "\"we", "'web1'")]
    [InlineData("web1", "'web1'", "'web1'")]
    [InlineData("1kb", "", "'1kb'")]
    [InlineData("@home", "", "'@home'")]
    [InlineData("-x", "", "'-x'")]
    [InlineData("two words", "two", "'two words'")]
    [InlineData("it's", "'it''", "'it''s'")]
    [InlineData("[shell]", "[", "'<[shell]>'")]
    public void A_name_is_inserted_so_that_it_is_read_as_this_very_name(string name, string typed, string inserted) =>
        Assert.Equal(inserted, Assert.Single(CompletionText.Names([Domain(1, name)], typed, Escape)).Text);

    [Fact]
    public void Names_that_begin_otherwise_or_are_none_are_not_proposed() =>
        Assert.Empty(CompletionText.Names([Domain(1, "db"), Domain(2, "")], "w", Escape));

    [Fact]
    public void Each_name_is_proposed_once_in_the_order_of_the_alphabet() =>
        Assert.Equal(["a", "b"], CompletionText.Names([Domain(1, "b"), Domain(2, "a"), Domain(3, "b")], "", Escape).Select(proposal => proposal.Text));

    [Fact]
    public void Ids_and_uuids_are_listed_with_their_names()
    {
        var domain = Domain(12, "web");
        Assert.Equal(("12", "12 (web)"), Assert.Single(CompletionText.Ids([domain, Domain(2, "x")], "1")) is var id ? (id.Text, id.ListItem) : default);
        Assert.Equal($"{domain.Uuid}", Assert.Single(CompletionText.Uuids([domain], $"{domain.Uuid}"[..4].ToUpperInvariant())).Text);
    }

    private static string Escape(string name) => name.Contains('[', StringComparison.Ordinal) ? $"<{name}>" : name;

    private static Domain Domain(uint id, string name) => new()
    {
        Id = id,
        Uuid = Guid.NewGuid(),
        Name = name,
        State = DomainState.Blocked,
        Type = GuestType.PV,
        VcpuCount = 1,
        MaxVcpuCount = 1,
        MemoryKiB = 4096,
        MaxMemoryKiB = 4096,
        CpuTime = TimeSpan.Zero,
    };
}
