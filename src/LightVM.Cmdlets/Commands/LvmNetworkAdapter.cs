using System.Globalization;
using System.Management.Automation;
using LightVM.Cmdlets.Completion;
using LightVM.Cmdlets.Devices;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Domains;
using LightVM.Errors;

namespace LightVM.Cmdlets.Commands;

/// <summary>Lists the network interfaces of domains.</summary>
[Cmdlet(VerbsCommon.Get, "LvmNetworkAdapter", DefaultParameterSetName = ByName)]
[OutputType(typeof(NetworkAdapter))]
public sealed class GetLvmNetworkAdapterCommand : DomainCmdlet
{
    [Parameter(Position = 0, ValueFromPipeline = true, ParameterSetName = ByName)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DomainNameCompleter))]
    public string[]? Name { get; set; }

    [Parameter]
    [ArgumentCompleter(typeof(AdapterIdCompleter))]
    public int[]? DeviceId { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(MacAddressCompleter))]
    public string[]? MacAddress { get; set; }

    protected override void ProcessRecord() => ForItem(CurrentHost, () =>
    {
        foreach (var adapter in CurrentHost.Devices.ListNetworkAdapters(SelectExisting(Name, forChange: false)))
        {
            if (DeviceId?.Contains(adapter.DeviceId) == false) continue;
            if (MacAddress?.Any(text => DevicePatterns.Fits(text, adapter)) == false) continue;
            WriteObject(adapter);
        }
    });
}

/// <summary>Gives domains a network interface.</summary>
[Cmdlet(VerbsCommon.Add, "LvmNetworkAdapter", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(NetworkAdapter))]
public sealed class AddLvmNetworkAdapterCommand : AddDeviceCmdlet
{
    [Parameter(Position = 1)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(BridgeCompleter))]
    public string? Bridge { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? MacAddress { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? IpAddress { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Rate { get; set; }

    [Parameter]
    [ValidateRange(1, 64)]
    public int QueueCount { get; set; }

    [Parameter]
    public SwitchParameter Untrusted { get; set; }

    private protected override void Change(Domain domain)
    {
        if (!ShouldProcess(Describe(domain), Bridge is null ? "Add a network adapter" : $"Add a network adapter on bridge '{Bridge}'")) return;
        var config = new NetworkConfig(IpAddress, MacAddress, Bridge, Rate, Given(nameof(QueueCount), QueueCount), Trusted: !Untrusted);
        var adapter = CurrentHost.Devices.AddNetworkAdapter(domain.Key, config, Patience, Cancellation);
        if (PassThru) WriteObject(adapter);
    }
}

/// <summary>Takes network interfaces away from domains.</summary>
[Cmdlet(VerbsCommon.Remove, "LvmNetworkAdapter", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class RemoveLvmNetworkAdapterCommand : RemoveDeviceCmdlet
{
    private const string ByAddress = "MacAddress";
    private const string ByAdapter = "NetworkAdapter";

    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = ByName)]
    [Parameter(Position = 0, ParameterSetName = ByAddress)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DomainNameCompleter))]
    public string[]? Name { get; set; }

    [Parameter(Mandatory = true, Position = 1, ParameterSetName = ByName)]
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = ById)]
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = ByUuid)]
    [Parameter(Mandatory = true, Position = 1, ParameterSetName = ByObject)]
    [ArgumentCompleter(typeof(AdapterIdCompleter))]
    public int[] DeviceId { get; set; } = [];

    // No two interfaces of a host have the same: a domain need not be named.
    [Parameter(Mandatory = true, ParameterSetName = ByAddress)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(MacAddressCompleter))]
    public string[] MacAddress { get; set; } = [];

    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = ByAdapter)]
    [ValidateNotNull]
    public NetworkAdapter[] NetworkAdapter { get; set; } = [];

    protected override void ProcessRecord()
    {
        switch (ParameterSetName)
        {
            case ByAdapter:
                foreach (var adapter in NetworkAdapter) Remove(adapter);
                break;
            case ByAddress:
                ForItem(CurrentHost, RemoveByAddress);
                break;
            default:
                ForDomains(Name ?? [], domain =>
                {
                    foreach (var id in DeviceId) ForItem(domain, () => Remove(CurrentHost.Devices.GetNetworkAdapter(domain, id.ToString(CultureInfo.InvariantCulture))));
                });
                break;
        }
    }

    private void RemoveByAddress()
    {
        var adapters = CurrentHost.Devices.ListNetworkAdapters(SelectExisting(Name, forChange: true));
        foreach (var text in MacAddress)
        {
            var found = adapters.Where(adapter => DevicePatterns.Fits(text, adapter)).ToList();
            if (found.Count == 0 && !WildcardPattern.ContainsWildcardCharacters(text))
                WriteError(ToRecord(new LvmException(ErrorIds.DeviceNotFound, $"there is no network adapter with the address {text}"), text));
            foreach (var adapter in found) Remove(adapter);
        }
    }

    private void Remove(NetworkAdapter adapter) => ForItem(adapter, () =>
    {
        if (!ShouldProcess($"network adapter {adapter.DeviceId} ({adapter.MacAddress}) of domain '{adapter.DomainName}' (id {adapter.DomainId})", "Remove", Force)) return;
        CurrentHost.Devices.RemoveNetworkAdapter(adapter, Force, Patience, Cancellation);
    });
}
