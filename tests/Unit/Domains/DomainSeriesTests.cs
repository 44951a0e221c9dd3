using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;

namespace LightVM.Unit.Domains;

public sealed class DomainSeriesTests
{
    [Fact]
    public void Without_a_count_the_configuration_is_taken_as_it_is()
    {
        var config = Config("web");
        Assert.Same(config, Assert.Single(DomainSeries.Of(config, "web.json", null)));
    }

    [Theory]
    [InlineData(1, new[] { "web1" })]
    [InlineData(3, new[] { "web1", "web2", "web3" })]
    public void With_a_count_names_are_numbered_from_1(int count, string[] names) =>
        Assert.Equal(names, DomainSeries.Of(Config("web"), "web.json", count).Select(config => config.Name));

    [Fact]
    public void All_else_is_the_same_in_a_series() =>
        Assert.All(DomainSeries.Of(Config("web"), "web.json", 2), config => Assert.Equal((8, "k"), (config.MemoryMiB, config.Kernel)));

    [Fact]
    public void A_uuid_is_refused_for_more_than_one()
    {
        var config = Config("web", Guid.NewGuid());
        Assert.Equal(config.Uuid, Assert.Single(DomainSeries.Of(config, "web.json", 1)).Uuid);
        var error = Assert.Throws<InvalidConfigException>(() => DomainSeries.Of(config, "web.json", 2));
        Assert.Equal((ErrorIds.ConfigInvalid, "$.uuid"), (error.ErrorId, Assert.Single(error.Errors).Path));
    }

    [Fact]
    public void A_series_whose_longest_name_is_none_is_refused_before_it_begins()
    {
        var config = Config(new string('x', DomainName.MaxLength - 1));
        Assert.Equal(9, DomainSeries.Of(config, "web.json", 9).Count);
        Assert.Equal("$.name", Assert.Single(Assert.Throws<InvalidConfigException>(() => DomainSeries.Of(config, "web.json", 10)).Errors).Path);
    }

    [Theory]
    [InlineData(ErrorIds.DomainNameTaken, true)]
    [InlineData(ErrorIds.InsufficientMemory, false)]
    [InlineData(ErrorIds.KernelNotFound, false)]
    [InlineData(ErrorIds.HypervisorFailure, false)]
    public void A_series_goes_on_only_after_what_is_one_domains_own_trouble(string errorId, bool goesOn) =>
        Assert.Equal(goesOn, DomainSeries.GoesOnAfter(new LvmException(errorId, "x")));

    private static DomainConfig Config(string name, Guid? uuid = null) =>
        DomainConfig.From(new DomainConfigDraft { Name = name, Kernel = "k", MemoryMiB = 8, VcpuCount = 1, Uuid = uuid });
}
