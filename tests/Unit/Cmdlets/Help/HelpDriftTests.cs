using System.Text.RegularExpressions;

namespace LightVM.Unit.Cmdlets.Help;

/// <summary>The pages of docs/help and the MAML made of them say what the compiled cmdlets are; where pwsh is missing, too.</summary>
public sealed class HelpDriftTests
{
    public static TheoryData<string> Cmdlets => new(CmdletModel.All.Select(model => model.Name));

    [Fact]
    public void Every_cmdlet_has_its_page_and_its_maml_and_no_other_is_there()
    {
        var cmdlets = CmdletModel.All.Select(model => model.Name).ToList();
        Assert.Equal(cmdlets.Append("about_LightVM").Order(), Directory.GetFiles(HelpPage.Directory, "*.md").Select(file => Path.GetFileNameWithoutExtension(file)!).Order());
        Assert.Equal(cmdlets, MamlHelp.All.Keys.Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void The_page_has_the_parameters_of_the_cmdlet(string name)
    {
        var (model, page) = (Model(name), HelpPage.Load(name));
        Assert.Equal(name, page.Title);
        Assert.Equal(Lines(model.Parameters), Lines(page.Parameters(model.Sets)));
    }

    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void The_page_has_the_syntax_of_each_parameter_set(string name)
    {
        var (model, page) = (Model(name), HelpPage.Load(name));
        Assert.Equal(model.Sets.Select(set => set == model.DefaultSet && model.Sets.Count > 0 ? $"{set} (Default)" : set).Order(), page.Syntax.Keys.Order());
        foreach (var (heading, syntax) in page.Syntax)
        {
            var set = heading.Replace(" (Default)", "", StringComparison.Ordinal);
            var expected = model.Parameters.Where(line => line.Set == set).Select(line => line.Syntax).Append("[<CommonParameters>]");
            Assert.StartsWith(name + " ", syntax, StringComparison.Ordinal);
            Assert.Equal(expected.Order(), SyntaxWords(syntax[(name.Length + 1)..]).Order());
        }
    }

    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void The_page_has_the_types_of_input_and_output(string name)
    {
        var (model, page) = (Model(name), HelpPage.Load(name));
        Assert.NotEmpty(model.Outputs);
        Assert.Equal(model.Inputs.Order(), page.Inputs.Order());
        Assert.Equal(model.Outputs.Order(), page.Outputs.Order());
    }

    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void The_page_explains_everything(string name)
    {
        var page = HelpPage.Load(name);
        Assert.DoesNotContain("{{", page.Text, StringComparison.Ordinal);
        Assert.NotEmpty(page.Synopsis);
        Assert.NotEmpty(page.Description);
        Assert.NotEmpty(page.Examples);
        Assert.All(page.Examples, example => Assert.NotEmpty(example.Remarks));
        Assert.All(page.Descriptions, description => Assert.True(description.Value.Length > 20, $"-{description.Key} is not explained"));
        Assert.All(page.Links, link => Assert.True(File.Exists(Path.Combine(HelpPage.Directory, link)), $"{link} does not exist"));
    }

    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void The_page_names_the_values_of_an_enumeration_that_are_accepted(string name)
    {
        var (model, page) = (Model(name), HelpPage.Load(name));
        foreach (var parameter in model.Parameters.Select(line => line.Name).Distinct())
        {
            if (model.Property(parameter) is not { PropertyType.IsEnum: true } property) continue;
            var accepted = Regex.Match(page.Text, $@"### -{parameter}\n(?:(?!###)[\s\S])*?Accepted values: (.+)").Groups[1].Value.Split(", ");
            var restricted = property.GetCustomAttributesData().FirstOrDefault(attribute => attribute.AttributeType.Name == "ValidateSetAttribute");
            var expected = restricted is null
                ? Enum.GetNames(property.PropertyType)
                : ((IEnumerable<System.Reflection.CustomAttributeTypedArgument>)restricted.ConstructorArguments[0].Value!).Select(value => (string)value.Value!);
            Assert.Equal(expected, accepted);
        }
    }

    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void The_maml_has_the_parameters_of_the_cmdlet(string name)
    {
        var model = Model(name);
        var expected = model.Sets.Select(set => Lines(model.Parameters.Where(line => line.Set == set).Select(line => line with { Set = "" })));
        Assert.Equal(Blocks(expected), Blocks(MamlHelp.All[name].Sets.Select(Lines)));
    }

    [Theory]
    [MemberData(nameof(Cmdlets))]
    public void The_maml_was_made_of_the_page_as_it_is(string name)
    {
        var (page, maml) = (HelpPage.Load(name), MamlHelp.All[name]);
        Assert.Equal(Plain(page.Synopsis), Plain(maml.Synopsis));
        Assert.Equal(Plain(page.Description), Plain(maml.Description));
        Assert.Equal(page.Descriptions.OrderBy(pair => pair.Key).Select(pair => $"{pair.Key}: {Plain(pair.Value)}"), maml.Descriptions.OrderBy(pair => pair.Key).Select(pair => $"{pair.Key}: {Plain(pair.Value)}"));
        Assert.Equal(page.Examples.Select(example => (example.Title, example.Code, Plain(example.Remarks))), maml.Examples.Select(example => (example.Title, example.Code, Plain(example.Remarks))));
    }

    private static CmdletModel Model(string name) => CmdletModel.All.Single(model => model.Name == name);

    private static IEnumerable<string> Lines(IEnumerable<ParameterLine> lines) => lines.Select(line => line.ToString()).Order(StringComparer.Ordinal);

    private static IEnumerable<string> Blocks(IEnumerable<IEnumerable<string>> sets) => sets.Select(lines => string.Join('\n', lines)).Order(StringComparer.Ordinal);

    private static IEnumerable<string> SyntaxWords(string syntax) =>
        Regex.Matches(syntax, @"\[\[-\w+\] <\S+>\]|\[-\w+\] <\S+>|\[-\w+ <\S+>\]|\[-\w+\]|-\w+ <\S+>|-\w+|\[<CommonParameters>\]|\S+").Select(match => match.Value);

    private static string Plain(string text) => Regex.Replace(text, @"\s+", " ").Trim();
}
