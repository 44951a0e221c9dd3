using System.Text;
using LightVM.Configuration;
using LightVM.Errors;

namespace LightVM.Unit.Configuration;

/// <summary>Texts that are not JSON, or not text.</summary>
public class DomainConfigSyntaxTests
{
    [Theory]
    [InlineData("", 1, 1, "the file is empty")]
    [InlineData(" \n\t\n", 3, 1, "the file is empty")]
    [InlineData("{", 1, 2, "the file ends in the middle of the configuration")]
    [InlineData("{\n  \"name\": \"g", 2, 13, "the file ends in the middle of the configuration")]
    [InlineData("{\"paused\": tru", 1, 15, "the file ends in the middle of the configuration")]
    [InlineData("{\n  // a guest\n}", 2, 3, "JSON has no comments")]
    [InlineData("{\n  /* a guest */\n}", 2, 3, "JSON has no comments")]
    [InlineData("# a guest\n{}", 1, 1, "JSON has no comments")]
    [InlineData("{\"vifs\": [],\n}", 2, 1, "a comma stands before the closing bracket")]
    [InlineData("{\"vifs\": [{},]}", 1, 14, "a comma stands before the closing bracket")]
    [InlineData("{'name': 'g'}", 1, 2, "JSON has double quotes only")]
    [InlineData("{\"a\": 01}", 1, 8, "Invalid leading zero")]
    [InlineData("{\"a\": \"\t\"}", 1, 8, "0x09")]
    [InlineData("{\"a\": \"\\x\"}", 1, 9, "'x'")]
    [InlineData("{\"a\" 5}", 1, 6, "'5'")]
    [InlineData("{]", 1, 2, "']'")]
    [InlineData("{\"paused\": False}", 1, 12, "'F'")]
    [InlineData("{\"paused\": nope\u001b[2J}", 1, 13, "only true, false and null")]
    [InlineData("name = \"g\"", 1, 2, "only true, false and null")]
    public void A_syntax_error_is_reported_where_it_stands(string json, int line, int column, string message)
    {
        var refused = ConfigSamples.Refuse(json);
        var error = refused.Errors[^1];

        Assert.Equal(ErrorIds.ConfigSyntax, refused.ErrorId);
        Assert.Equal((line, column), (error.Line, error.Column));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("LineNumber", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("\0")]
    [InlineData("x")]
    public void Nothing_may_follow_the_configuration(string more)
    {
        var refused = ConfigSamples.Refuse(ConfigSamples.Chaos + "\n" + more);
        var error = Assert.Single(refused.Errors);

        Assert.Equal(ErrorIds.ConfigSyntax, refused.ErrorId);
        Assert.Equal("something follows the end of the configuration", error.Message);
        Assert.Equal(1, error.Column);
    }

    [Fact]
    public void A_syntax_error_comes_with_what_was_found_before_it_and_not_with_what_may_have_followed()
    {
        // Neither the missing keys nor the disk's are errors here, nor the command line that a PVH guest may have.
        var refused = ConfigSamples.Refuse($$"""
            { "name": "7", "kernle": "k", "vifs": [{ "mac": "x", "ip": 5 }],
              "cmdline": "{{new string('x', 2000)}}",
              "vbds": [{ "target": "", "type": "phy" ; }
            """);

        Assert.Equal(ErrorIds.ConfigSyntax, refused.ErrorId);
        Assert.Equal(["$.name", "$.kernle", "$.vifs[0].mac", "$.vifs[0].ip", "$.vbds[0].target", "$"], refused.Errors.Select(error => error.Path));
        Assert.Equal((3, 42), (refused.Errors[^1].Line, refused.Errors[^1].Column));
    }

    [Fact]
    public void Sixteen_levels_are_read_and_the_seventeenth_is_refused_where_it_opens()
    {
        var deep = ConfigSamples.With($"\"a\":{new string('[', 15)}{new string(']', 15)}");
        Assert.Equal(ErrorIds.ConfigInvalid, ConfigSamples.Refuse(deep).ErrorId);

        var tooDeep = ConfigSamples.Refuse(ConfigSamples.With($"\"a\":{new string('[', 16)}{new string(']', 16)}"));
        Assert.Equal(ErrorIds.ConfigTooDeep, tooDeep.ErrorId);
        Assert.Equal(ConfigSamples.With("\"a\":").Length - 1 + 16, tooDeep.Errors[^1].Column);

        Assert.Equal(ErrorIds.ConfigTooDeep, ConfigSamples.Refuse(new string('[', 100_000)).ErrorId);
    }

    [Fact]
    public void More_than_1_MiB_is_refused_and_1_MiB_is_read()
    {
        var json = ConfigSamples.Chaos;
        Assert.Equal("guest", ConfigSamples.Parse(json.PadRight(1 << 20)).Name);
        Assert.Equal(ErrorIds.ConfigTooLarge, ConfigSamples.Refuse(json.PadRight((1 << 20) + 1)).ErrorId);
    }

    public static readonly TheoryData<string, string> OtherEncodings = new()
    {
        { "utf-16", "UTF-16" },
        { "utf-16BE", "UTF-16" },
        { "utf-32", "UTF-32" },
        { "utf-32BE", "UTF-32" },
    };

    [Theory]
    [MemberData(nameof(OtherEncodings))]
    public void Another_encoding_of_Unicode_is_called_by_its_name(string encoding, string name)
    {
        var other = Encoding.GetEncoding(encoding);
        var text = other.GetBytes(ConfigSamples.Chaos);

        var marked = ConfigSamples.Refuse([.. other.GetPreamble(), .. text]);
        Assert.Equal(ErrorIds.ConfigNotUtf8, marked.ErrorId);
        Assert.Contains($"is {name}, ", marked.Errors[0].Message, StringComparison.Ordinal);

        var unmarked = ConfigSamples.Refuse(text);
        Assert.Equal(ErrorIds.ConfigNotUtf8, unmarked.ErrorId);
        Assert.Contains(name, unmarked.Errors[0].Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new byte[] { 0xFC })] // Latin-1.
    [InlineData(new byte[] { 0xC0, 0x80 })] // Overlong NUL.
    [InlineData(new byte[] { 0xED, 0xA0, 0x80 })] // A surrogate.
    [InlineData(new byte[] { 0xF4, 0x90, 0x80, 0x80 })] // Past U+10FFFF.
    [InlineData(new byte[] { 0xE2, 0x82 })] // Cut off.
    public void A_byte_that_is_not_UTF8_is_reported_where_it_stands(byte[] bytes)
    {
        var refused = ConfigSamples.Refuse([.. "{\n \"ü"u8, .. bytes, .. "\": 1}"u8]);
        var error = Assert.Single(refused.Errors);

        Assert.Equal(ErrorIds.ConfigNotUtf8, refused.ErrorId);
        Assert.Equal((2, 5), (error.Line, error.Column));
        Assert.Contains($"0x{bytes[0]:x2}", error.Message, StringComparison.Ordinal);
    }
}
