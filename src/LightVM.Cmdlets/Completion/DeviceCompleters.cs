using System.Collections;
using System.Management.Automation;
using System.Management.Automation.Language;
using LightVM.Cmdlets.Connection;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;

namespace LightVM.Cmdlets.Completion;

/// <summary>Completes from the devices of the domains that the line names so far, or of all. A host that cannot be opened completes nothing: no place for an error.</summary>
public abstract class DeviceCompleter : IArgumentCompleter
{
    public IEnumerable<CompletionResult> CompleteArgument(
        string commandName, string parameterName, string wordToComplete, CommandAst commandAst, IDictionary fakeBoundParameters)
    {
        try
        {
            var host = HostConnection.Session.Require().Host;
            return Propose(host, Named(host, fakeBoundParameters), wordToComplete ?? "")
                .Select(proposal => new CompletionResult(proposal.Text, proposal.ListItem, CompletionResultType.ParameterValue, proposal.ToolTip))
                .ToList();
        }
        catch (LvmException)
        {
            return [];
        }
    }

    private protected abstract IEnumerable<Proposal> Propose(LvmHost host, IReadOnlyCollection<Domain> domains, string typed);

    private static List<Domain> Named(LvmHost host, IDictionary bound)
    {
        var domains = host.ListDomains();
        if (LanguagePrimitives.TryConvertTo<string[]>(bound[nameof(Domain.Name)], out var names) && names is { Length: > 0 })
        {
            var patterns = names.Select(name => WildcardPattern.Get(name, WildcardOptions.CultureInvariant)).ToList();
            return domains.Where(domain => patterns.Exists(pattern => pattern.IsMatch(domain.Name))).ToList();
        }

        return LanguagePrimitives.TryConvertTo<uint[]>(bound[nameof(Domain.Id)], out var ids) && ids is { Length: > 0 }
            ? domains.Where(domain => ids.Contains(domain.Id)).ToList()
            : domains.ToList();
    }
}

public sealed class AdapterIdCompleter : DeviceCompleter
{
    private protected override IEnumerable<Proposal> Propose(LvmHost host, IReadOnlyCollection<Domain> domains, string typed) =>
        DeviceText.Ids(host.Devices.ListNetworkAdapters(domains), typed);
}

public sealed class MacAddressCompleter : DeviceCompleter
{
    private protected override IEnumerable<Proposal> Propose(LvmHost host, IReadOnlyCollection<Domain> domains, string typed) =>
        DeviceText.Addresses(host.Devices.ListNetworkAdapters(domains), typed);
}

public sealed class BridgeCompleter : DeviceCompleter
{
    private protected override IEnumerable<Proposal> Propose(LvmHost host, IReadOnlyCollection<Domain> domains, string typed) =>
        DeviceText.Bridges(host.Devices.ListBridges(), typed);
}

public sealed class VirtualDeviceCompleter : DeviceCompleter
{
    private protected override IEnumerable<Proposal> Propose(LvmHost host, IReadOnlyCollection<Domain> domains, string typed) =>
        DeviceText.VirtualDevices(host.Devices.ListDisks(domains), typed);
}

public sealed class FreeVirtualDeviceCompleter : DeviceCompleter
{
    private protected override IEnumerable<Proposal> Propose(LvmHost host, IReadOnlyCollection<Domain> domains, string typed) =>
        DeviceText.FreeVirtualDevices(host.Devices.ListDisks(domains), typed);
}
