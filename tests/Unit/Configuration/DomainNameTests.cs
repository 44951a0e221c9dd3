using LightVM.Configuration;

namespace LightVM.Unit.Configuration;

public class DomainNameTests
{
    [Theory]
    [InlineData("a")]
    [InlineData("web-1.example_org+x:y@z")]
    [InlineData("1a")]
    [InlineData("1.5")]
    [InlineData("Domain-0")]
    public void Letters_digits_and_the_six_marks_make_a_name(string name)
    {
        Assert.True(DomainName.IsValid(name, out var why));
        Assert.Null(why);
    }

    [Theory]
    [InlineData(null, "empty")]
    [InlineData("", "empty")]
    [InlineData("a b", "' '")]
    [InlineData("a/b", "'/'")]
    [InlineData("[shell]", "'['")]
    [InlineData("a\nb", "\\u000a")]
    [InlineData("a\0", "\\u0000")]
    [InlineData("über", "'ü'")]
    [InlineData("\ud83d\ude00", "\\ud83d")]
    [InlineData("7", "number")]
    [InlineData("007", "number")]
    public void Anything_else_is_refused_with_the_reason(string? name, string reason)
    {
        Assert.False(DomainName.IsValid(name, out var why));
        Assert.Contains(reason, why, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_has_at_most_80_characters()
    {
        Assert.True(DomainName.IsValid(new string('n', 80), out _));
        Assert.False(DomainName.IsValid(new string('n', 81), out var why));
        Assert.Contains("81 characters", why, StringComparison.Ordinal);
    }
}
