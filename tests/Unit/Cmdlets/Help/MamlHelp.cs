using System.Globalization;
using System.Xml.Linq;

namespace LightVM.Unit.Cmdlets.Help;

/// <summary>One cmdlet in module/en-US/LightVM.Cmdlets.dll-Help.xml, the help that Get-Help shows.</summary>
internal sealed class MamlHelp
{
    private static readonly XNamespace Maml = "http://schemas.microsoft.com/maml/2004/10";
    private static readonly XNamespace Command = "http://schemas.microsoft.com/maml/dev/command/2004/10";
    private static readonly XNamespace Dev = "http://schemas.microsoft.com/maml/dev/2004/10";

    private readonly XElement _command;

    private MamlHelp(XElement command) => _command = command;

    public static IReadOnlyDictionary<string, MamlHelp> All { get; } =
        XDocument.Load(Path.Combine(AppContext.BaseDirectory, "module", "en-US", "LightVM.Cmdlets.dll-Help.xml")).Root!
            .Elements(Command + "command")
            .ToDictionary(command => command.Element(Command + "details")!.Element(Command + "name")!.Value, command => new MamlHelp(command));

    public string Synopsis => Text(_command.Element(Command + "details")!.Element(Maml + "description"));

    public string Description => Text(_command.Element(Maml + "description"));

    /// <summary>The parameters of each parameter set. MAML has no names for the sets: theirs is "".</summary>
    public IReadOnlyList<IReadOnlyList<ParameterLine>> Sets => _command.Element(Command + "syntax")!.Elements(Command + "syntaxItem")
        .Select(item => item.Elements(Command + "parameter").Select(ToLine).ToList())
        .ToList();

    public IReadOnlyDictionary<string, string> Descriptions => _command.Element(Command + "parameters")!.Elements(Command + "parameter")
        .ToDictionary(parameter => parameter.Element(Maml + "name")!.Value, parameter => Text(parameter.Element(Maml + "description")));

    public IReadOnlyList<(string Title, string Code, string Remarks)> Examples => _command.Element(Command + "examples")!.Elements(Command + "example")
        .Select(example => (example.Element(Maml + "title")!.Value.Trim('-', ' '), example.Element(Dev + "code")!.Value.ReplaceLineEndings("\n").Trim(), Text(example.Element(Dev + "remarks"))))
        .ToList();

    private static ParameterLine ToLine(XElement parameter)
    {
        string Attribute(string name) => parameter.Attribute(name)!.Value;
        var position = Attribute("position");
        var aliases = Attribute("aliases");
        var pipeline = Attribute("pipelineInput");
        return new ParameterLine(
            "",
            parameter.Element(Maml + "name")!.Value,
            parameter.Element(Dev + "type")!.Element(Maml + "name")!.Value,
            Attribute("required") == "true",
            position == "named" ? null : int.Parse(position, CultureInfo.InvariantCulture),
            pipeline.Contains("ByValue", StringComparison.Ordinal),
            pipeline.Contains("ByPropertyName", StringComparison.Ordinal),
            aliases == "none" ? "" : aliases,
            Attribute("globbing") == "true");
    }

    private static string Text(XElement? element) => string.Join(' ', element?.Elements(Maml + "para").Select(para => para.Value.Trim()) ?? []).Trim();
}
