using System.Globalization;
using System.Text.RegularExpressions;

namespace LightVM.Unit.Cmdlets.Help;

/// <summary>A page of docs/help, PlatyPS' markdown of schema 2.0.0.</summary>
internal sealed partial class HelpPage
{
    private readonly Dictionary<string, string> _sections;

    private HelpPage(string text)
    {
        Text = text;
        _sections = Split(text, "## ");
        Title = Regex.Match(text, "^# (.+)$", RegexOptions.Multiline).Groups[1].Value;
    }

    public static string Directory { get; } = Path.Combine(AppContext.BaseDirectory, "help");

    public static HelpPage Load(string cmdlet) => new(File.ReadAllText(Path.Combine(Directory, cmdlet + ".md")).ReplaceLineEndings("\n"));

    public string Text { get; }

    public string Title { get; }

    public string Synopsis => Section("SYNOPSIS");

    public string Description => Section("DESCRIPTION");

    /// <summary>Syntax lines by parameter set; the default's name is marked by " (Default)".</summary>
    public IReadOnlyDictionary<string, string> Syntax => Section("SYNTAX").StartsWith("###", StringComparison.Ordinal)
        ? Split(Section("SYNTAX"), "### ").ToDictionary(set => set.Key, set => OneLine(Code(set.Value)))
        : new Dictionary<string, string> { [CmdletModel.AllSets] = OneLine(Code(Section("SYNTAX"))) };

    public IReadOnlyList<(string Title, string Code, string Remarks)> Examples => Split(Section("EXAMPLES"), "### ")
        .Select(example => (example.Key, Code(example.Value), example.Value[(example.Value.LastIndexOf("```", StringComparison.Ordinal) + 3)..].Trim()))
        .ToList();

    /// <summary>What stands under the heading of each parameter, before its table.</summary>
    public IReadOnlyDictionary<string, string> Descriptions => ParameterSections.ToDictionary(section => section.Key, section => section.Value.Split("```")[0].Trim());

    public IReadOnlyList<string> Inputs => Types("INPUTS");

    public IReadOnlyList<string> Outputs => Types("OUTPUTS");

    public IReadOnlyList<string> Links => LinkPattern().Matches(Section("RELATED LINKS")).Select(link => link.Groups[1].Value).ToList();

    /// <summary>The parameters in each of their sets; those in "(All)" in each of <paramref name="sets"/>.</summary>
    public IEnumerable<ParameterLine> Parameters(IReadOnlyList<string> sets) =>
        from section in ParameterSections
        from table in section.Value.Split("```yaml\n").Skip(1)
        let values = table.Split("```")[0].Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .ToDictionary(line => line[..line.IndexOf(':', StringComparison.Ordinal)], line => line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim())
        from set in values["Parameter Sets"] == CmdletModel.AllSets ? sets : values["Parameter Sets"].Split(", ")
        let pipeline = values["Accept pipeline input"]
        select new ParameterLine(
            set,
            section.Key,
            values["Type"],
            values["Required"] == "True",
            values["Position"] == "Named" ? null : int.Parse(values["Position"], CultureInfo.InvariantCulture),
            pipeline.Contains("ByValue", StringComparison.Ordinal),
            pipeline.Contains("ByPropertyName", StringComparison.Ordinal),
            values["Aliases"],
            values["Accept wildcard characters"] == "True");

    private IEnumerable<KeyValuePair<string, string>> ParameterSections => Split(Section("PARAMETERS"), "### -");

    private string Section(string heading) => _sections[heading];

    private List<string> Types(string section) => Split(Section(section), "### ").Keys.ToList();

    private static Dictionary<string, string> Split(string text, string heading) =>
        ("\n" + text).Split("\n" + heading).Skip(1).ToDictionary(
            part => part.Split('\n')[0].Trim(),
            part => part.Contains('\n', StringComparison.Ordinal) ? part[part.IndexOf('\n', StringComparison.Ordinal)..].Split("\n### CommonParameters")[0].Trim() : "");

    private static string Code(string text) => text.Split("```")[1].Split('\n', 2)[1].Trim();

    private static string OneLine(string text) => WhiteSpace().Replace(text, " ");

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();

    [GeneratedRegex(@"\[[^]]+\]\(([^)]+)\)")]
    private static partial Regex LinkPattern();
}
