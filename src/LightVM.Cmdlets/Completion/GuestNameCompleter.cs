using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using LightVM.Domains;

namespace LightVM.Cmdlets.Completion;

/// <summary>Completes the names of the guests that come with LightVM.</summary>
public sealed class GuestNameCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        var typed = wordToComplete ?? "";
        return GuestImages.Installed.Names
            .Where(name => name.StartsWith(CompletionText.Unquoted(typed), StringComparison.OrdinalIgnoreCase))
            .Select(name => new CompletionResult(CompletionText.Quoted(name, typed), name, CompletionResultType.ParameterValue, name))
            .ToList();
    }
}
