using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using LightVM.Errors;
using LightVM.Trust;

namespace LightVM.Cmdlets.Completion;

/// <summary>Completes the names of the peers that this host trusts.</summary>
public sealed class PeerNameCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        try
        {
            var typed = wordToComplete ?? "";
            return new TrustStore().ListPeers()
                .Where(name => name.StartsWith(CompletionText.Unquoted(typed), StringComparison.OrdinalIgnoreCase))
                .Select(name => new CompletionResult(CompletionText.Quoted(name, typed), name, CompletionResultType.ParameterValue, name))
                .ToList();
        }
        catch (LvmException)
        {
            return [];
        }
    }
}
