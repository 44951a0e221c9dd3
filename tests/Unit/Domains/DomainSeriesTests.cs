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

    [Theory]
    [InlineData("web{0:d4}", "web0001", "web0002")]
    [InlineData("{1}-{0}", "web-1", "web-2")]
    [InlineData("{0:d2}.{1}", "01.web", "02.web")]
    public void A_pattern_says_what_the_names_are(string pattern, params string[] names) =>
        Assert.Equal(names, DomainSeries.Of(Config("web"), "web.json", names.Length, pattern).Select(config => config.Name));

    [Theory]
    [InlineData("same", "{0} stands for the number")]
    [InlineData("x{0:d500}", "is not a valid name")]
    [InlineData("x{0", "is no pattern")]
    [InlineData("x{2}", "is no pattern")]
    [InlineData("x{0:?!}", "")]
    [InlineData("x {0}", "")]
    public void A_pattern_that_gives_no_names_or_one_to_several_is_refused(string pattern, string why)
    {
        var error = Assert.Single(Assert.Throws<InvalidConfigException>(() => DomainSeries.Of(Config("web"), "web.json", 2, pattern)).Errors);
        Assert.Equal("$.name", error.Path);
        if (why != "is not a valid name") Assert.Contains(why, error.Message, StringComparison.Ordinal);
    }

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
    [InlineData(ErrorIds.MacAddressTaken, false)]
    [InlineData(ErrorIds.DiskInUse, false)]
    [InlineData(ErrorIds.InsufficientMemory, false)]
    [InlineData(ErrorIds.KernelNotFound, false)]
    [InlineData(ErrorIds.HypervisorFailure, false)]
    public void A_series_goes_on_only_after_what_is_one_domains_own_trouble(string errorId, bool goesOn) =>
        Assert.Equal(goesOn, DomainSeries.GoesOnAfter(new LvmException(errorId, "x")));

    private static DomainConfig Config(string name, Guid? uuid = null) =>
        DomainConfig.From(new DomainConfigDraft { Name = name, Kernel = "k", MemoryMiB = 8, VcpuCount = 1, Uuid = uuid });
}
