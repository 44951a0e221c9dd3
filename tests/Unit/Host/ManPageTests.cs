using System.CommandLine;
using System.Text.RegularExpressions;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Host;
using LightVM.Xen;

namespace LightVM.Unit.Host;

/// <summary>docs/man/lightvm.1 against the program.</summary>
public sealed partial class ManPageTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "man", "lightvm.1")).Replace("\\-", "-", StringComparison.Ordinal);

    [Fact]
    public void Every_command_has_its_section_with_its_options()
    {
        using var session = new Session(TextWriter.Null, TextWriter.Null);
        var root = new CommandLine(session).Root;

        AssertDocumented(root, "", Page[..Page.IndexOf(".SH COMMANDS", StringComparison.Ordinal)]);
    }

    private static void AssertDocumented(Command command, string path, string text)
    {
        foreach (var word in command.Options.Where(option => !option.Hidden).SelectMany(option => option.Aliases.Append(option.Name)))
            Assert.True(text.Contains(word, StringComparison.Ordinal), $"{word} of '{path}' is not in the man page");
        foreach (var argument in command.Arguments) Assert.Contains(argument.Name, text, StringComparison.Ordinal);
        foreach (var child in command.Subcommands)
        {
            var name = $"{path} {child.Name}".Trim();
            if (child.Subcommands.Count == 0) Assert.Contains($"\n.SS {name}\n", Page, StringComparison.Ordinal);
            AssertDocumented(child, name, child.Subcommands.Count > 0 ? Page : Section($".SS {name}\n"));
        }
    }

    [Fact]
    public void It_has_no_section_for_a_command_that_is_not_there()
    {
        using var session = new Session(TextWriter.Null, TextWriter.Null);
        var root = new CommandLine(session).Root;

        foreach (Match match in Subsection().Matches(Page))
        {
            var command = match.Groups[1].Value.Split(' ').Aggregate((Command)root, (parent, word) => parent.Subcommands.Single(child => child.Name == word));
            Assert.NotNull(command);
        }
    }

    [Fact]
    public void The_exit_codes_are_those_of_the_program()
    {
        var rows = ExitRow().Matches(Section(".SH EXIT STATUS\n")).Select(match => (match.Groups[2].Value, int.Parse(match.Groups[1].Value, null)));

        Assert.Equal(
            ExitCodes.All.Select(row => (row.Kind.ToString(), row.Code)).Append(("Usage", ExitCodes.Usage)).OrderBy(row => row.Item2),
            rows.OrderBy(row => row.Item2));
    }

    [Fact]
    public void The_errors_are_those_of_the_catalogue()
    {
        var rows = ErrorRow().Matches(Section(".SH ERRORS\n")).Select(match => (match.Groups[1].Value, int.Parse(match.Groups[2].Value, null)));

        Assert.Equal(ErrorCatalog.All.Select(row => (row.Id, ExitCodes.Of(row.Kind))), rows);
    }

    [Fact]
    public void The_variables_are_those_of_the_libraries_and_of_the_guests()
    {
        var section = Section(".SH ENVIRONMENT\n");

        Assert.Equal(NativeLibraries.All.Select(library => library.Override).Append(GuestImages.Override), Variable().Matches(section).Select(match => match.Groups[1].Value));
    }

    [Fact]
    public void It_is_of_this_version() => Assert.Contains($"\"LightVM {CommandLine.Version}\"", Page, StringComparison.Ordinal);

    /// <summary>From a heading to the next one of its kind or above.</summary>
    private static string Section(string heading)
    {
        var begin = Page.IndexOf(heading, StringComparison.Ordinal);
        Assert.True(begin >= 0, $"no section '{heading.Trim()}'");
        begin += heading.Length;
        var end = Heading().Match(Page, begin);
        return end.Success ? Page[begin..end.Index] : Page[begin..];
    }

    [GeneratedRegex(@"^\.S[HS] ", RegexOptions.Multiline)]
    private static partial Regex Heading();

    [GeneratedRegex(@"^\.SS (.+)$", RegexOptions.Multiline)]
    private static partial Regex Subsection();

    [GeneratedRegex(@"^(\d+)\|(\w+)\|", RegexOptions.Multiline)]
    private static partial Regex ExitRow();

    [GeneratedRegex(@"^(\w+)\|(\d+)$", RegexOptions.Multiline)]
    private static partial Regex ErrorRow();

    [GeneratedRegex(@"^\.B (LIGHTVM_\w+)$", RegexOptions.Multiline)]
    private static partial Regex Variable();
}
