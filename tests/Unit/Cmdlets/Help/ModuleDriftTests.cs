using System.Text.RegularExpressions;
using System.Xml.Linq;
using LightVM.Cmdlets.Commands;
using LightVM.Cmdlets.Errors;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Host;
using LightVM.Xen;

namespace LightVM.Unit.Cmdlets.Help;

/// <summary>The manifest, the format views and about_LightVM speak of what there is.</summary>
public sealed class ModuleDriftTests
{
    // Get-Verb of PowerShell 7.4, as far as it is used here: a new verb has to be looked up there first.
    private static readonly string[] ApprovedVerbs =
    [
        "Add", "Checkpoint", "Compare", "Connect", "Copy", "Disconnect", "Enter", "Export", "Get", "Import", "Measure", "Move", "New", "Remove", "Rename", "Resolve", "Restart", "Restore", "Resume",
        "Save", "Send", "Set", "Start", "Stop", "Suspend", "Test", "Wait",
    ];

    /// <summary>Verbs that leave everything as it is.</summary>
    private static readonly string[] LookingVerbs = ["Compare", "Connect", "Disconnect", "Enter", "Get", "Import", "Measure", "Test", "Wait"];

    private static readonly string Manifest = File.ReadAllText(InModule("LightVM.psd1"));

    [Fact]
    public void The_manifest_exports_the_cmdlets_by_name()
    {
        Assert.Equal(CmdletModel.All.Select(model => model.Name), List("CmdletsToExport"));
        Assert.All(["FunctionsToExport", "AliasesToExport", "VariablesToExport"], key => Assert.Empty(List(key)));
    }

    [Fact]
    public void The_manifest_names_the_assembly_and_its_version()
    {
        var assembly = typeof(GetLvmDomainCommand).Assembly.GetName();
        Assert.Equal(assembly.Name + ".dll", Scalar("RootModule"));
        Assert.Equal(assembly.Version!.ToString(3), Scalar("ModuleVersion"));
        Assert.Equal("7.4", Scalar("PowerShellVersion"));
        Assert.Equal(["Core"], List("CompatiblePSEditions"));
        Assert.All(List("FormatsToProcess"), file => Assert.True(File.Exists(InModule(file)), file));
    }

    [Fact]
    public void Verbs_are_approved_and_every_cmdlet_that_changes_something_can_be_asked_what_if()
    {
        Assert.All(CmdletModel.All, model => Assert.Contains(model.Verb, ApprovedVerbs));
        // New-LvmDomainConfig makes an object and nothing else.
        var changing = CmdletModel.All.Where(model => !LookingVerbs.Contains(model.Verb) && model.Name != "New-LvmDomainConfig");
        Assert.Equal(changing.Select(model => model.Name), CmdletModel.All.Where(model => model.SupportsShouldProcess).Select(model => model.Name));
    }

    [Fact]
    public void Format_views_are_of_types_and_properties_that_exist()
    {
        foreach (var file in List("FormatsToProcess"))
        {
            foreach (var view in XDocument.Load(InModule(file)).Descendants("View"))
            {
                var name = view.Descendants("TypeName").Single().Value;
                var type = typeof(GetLvmDomainCommand).Assembly.GetType(name) ?? typeof(Domain).Assembly.GetType(name);
                Assert.True(type is not null, $"{name} does not exist");
                Assert.All(view.Descendants("PropertyName"), property => Assert.True(type.GetProperty(property.Value) is not null, $"{name} has no {property.Value}"));
            }
        }
    }

    [Theory]
    [InlineData("help/about_LightVM.md")]
    [InlineData("module/en-US/about_LightVM.help.txt")]
    public void The_about_page_has_every_error_and_every_variable(string file)
    {
        var lines = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, file)).Select(line => Regex.Replace(line.Trim(), @"\s+", " ")).ToHashSet();
        var errors = ErrorCatalog.All.Select(row => $"{row.Id} {ErrorFields.CategoryOf(row.Kind)} {ExitCodes.Of(row.Kind)}");
        Assert.All(errors, row => Assert.Contains(row, lines));
        Assert.All(NativeLibraries.All, library => Assert.Contains(lines, line => line.StartsWith(library.Override + " ", StringComparison.Ordinal)));
    }

    [Fact]
    public void Pages_speak_of_errors_that_exist()
    {
        var known = ErrorCatalog.All.Select(row => row.Id).ToHashSet();
        foreach (var model in CmdletModel.All)
        {
            var notes = Regex.Match(HelpPage.Load(model.Name).Text, @"## NOTES\n([\s\S]*?)\n## ").Groups[1].Value;
            var sentence = Regex.Match(notes, @"Errors: ([^.;]+)").Groups[1].Value;
            Assert.All(Regex.Matches(sentence, @"\b[A-Z][a-z]+[A-Z]\w+\b").Select(word => word.Value), word => Assert.Contains(word, known));
        }
    }

    private static string InModule(string file) => Path.Combine(AppContext.BaseDirectory, "module", file);

    private static string Scalar(string key) => Regex.Match(Manifest, $@"^\s*{key}\s*=\s*'([^']*)'", RegexOptions.Multiline).Groups[1].Value;

    private static IEnumerable<string> List(string key)
    {
        var list = Regex.Match(Manifest, $@"^\s*{key}\s*=\s*@\(([^)]*)\)", RegexOptions.Multiline);
        Assert.True(list.Success, $"{key} is not in the manifest");
        return Regex.Matches(list.Groups[1].Value, "'([^']*)'").Select(item => item.Groups[1].Value);
    }
}
