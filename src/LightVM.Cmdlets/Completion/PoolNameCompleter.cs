using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using LightVM.Cmdlets.Connection;
using LightVM.Errors;

namespace LightVM.Cmdlets.Completion;

/// <summary>Completes the names of the host's pools.</summary>
public sealed class PoolNameCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        try
        {
            var typed = wordToComplete ?? "";
            return HostConnection.Session.Require().Host.Pools.List()
                .Where(pool => pool.Name.StartsWith(CompletionText.Unquoted(typed), StringComparison.Ordinal))
                .Select(pool => new CompletionResult(CompletionText.Quoted(pool.Name, typed), pool.Name, CompletionResultType.ParameterValue, $"{pool.Kind}, {pool.Definition.Flavour.MemoryMiB} MiB: {pool.ReadyCount} ready"))
                .ToList();
        }
        catch (LvmException)
        {
            return [];
        }
    }
}
