using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using LightVM.Cmdlets.Connection;
using LightVM.Domains;
using LightVM.Errors;

namespace LightVM.Cmdlets.Completion;

/// <summary>Completes from the domains of the host in use. A host that cannot be opened completes nothing: no place for an error.</summary>
public abstract class DomainCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        try
        {
            // What cannot be changed is not proposed to be.
            var isForReading = commandName.StartsWith(VerbsCommon.Get, StringComparison.OrdinalIgnoreCase);
            var domains = HostConnection.Session.Require().Host.ListDomains().Where(domain => isForReading || !domain.IsControlDomain);
            return Propose(domains, wordToComplete ?? "")
                .Select(proposal => new CompletionResult(proposal.Text, proposal.ListItem, CompletionResultType.ParameterValue, proposal.ToolTip))
                .ToList();
        }
        catch (LvmException)
        {
            return [];
        }
    }

    private protected abstract IEnumerable<Proposal> Propose(IEnumerable<Domain> domains, string typed);
}

public sealed class DomainNameCompleter : DomainCompleter
{
    private protected override IEnumerable<Proposal> Propose(IEnumerable<Domain> domains, string typed) =>
        CompletionText.Names(domains, typed, WildcardPattern.Escape);
}

public sealed class DomainIdCompleter : DomainCompleter
{
    private protected override IEnumerable<Proposal> Propose(IEnumerable<Domain> domains, string typed) => CompletionText.Ids(domains, typed);
}

public sealed class DomainUuidCompleter : DomainCompleter
{
    private protected override IEnumerable<Proposal> Propose(IEnumerable<Domain> domains, string typed) => CompletionText.Uuids(domains, typed);
}
