using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using LightVM.Cmdlets.Connection;
using LightVM.Errors;

namespace LightVM.Cmdlets.Completion;

/// <summary>Completes the names of the host's services.</summary>
public sealed class ServiceNameCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        try
        {
            return HostConnection.Session.Require().Host.Services.List()
                .Where(service => service.Name.StartsWith(wordToComplete ?? "", StringComparison.OrdinalIgnoreCase))
                .Select(service => new CompletionResult(service.Name, service.Name, CompletionResultType.ParameterValue, $"{service.State}: {service.Description}"))
                .ToList();
        }
        catch (LvmException)
        {
            return [];
        }
    }
}
