using System.Management.Automation;
using LightVM.Cmdlets.Completion;
using LightVM.Cmdlets.Domains;
using LightVM.Domains;
using LightVM.Hypervisor;

namespace LightVM.Cmdlets.Commands;

/// <summary>Cmdlets on domains that exist: by name, by id, by uuid, or by object.</summary>
public abstract class DomainCmdlet : LvmCmdlet
{
    private protected const string ByName = "Name";
    private protected const string ById = "Id";
    private protected const string ByUuid = "Uuid";
    private protected const string ByObject = "InputObject";

    // Name is each cmdlet's own: only some can do without it.

    [Parameter(Mandatory = true, ParameterSetName = ById)]
    [ArgumentCompleter(typeof(DomainIdCompleter))]
    public uint[] Id { get; set; } = [];

    [Parameter(Mandatory = true, ParameterSetName = ByUuid)]
    [ArgumentCompleter(typeof(DomainUuidCompleter))]
    public Guid[] Uuid { get; set; } = [];

    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = ByObject)]
    [ValidateNotNull]
    public Domain[] InputObject { get; set; } = [];

    /// <summary>The domains that the parameters name, and the errors of those that there are not.</summary>
    private protected IEnumerable<Selection> Select(string[]? names, bool forChange)
    {
        var selector = new DomainSelector(CurrentHost, forChange);
        return ParameterSetName switch
        {
            ById => selector.ById(Id),
            ByUuid => selector.ByUuid(Uuid),
            ByObject => selector.ByObject(InputObject),
            _ when names is null => selector.All(),
            _ => selector.ByName(names.Select(ToPattern)),
        };
    }

    /// <summary>Those of the domains that there are, each once; the errors of the others are reported.</summary>
    private protected IReadOnlyCollection<Domain> SelectExisting(string[]? names, bool forChange)
    {
        var domains = new Dictionary<DomainKey, Domain>();
        foreach (var (target, domain, error) in Select(names, forChange))
        {
            if (error is null) domains.TryAdd(domain!.Key, domain);
            else WriteError(ToRecord(error, target));
        }

        return domains.Values;
    }

    /// <summary>Does something to each domain that the parameters name; the failure of one does not stop the others.</summary>
    private protected void ForDomains(string[] names, Action<Domain> change)
    {
        foreach (var (target, domain, error) in Select(names, forChange: true))
        {
            ForItem(target, () =>
            {
                if (error is not null) throw error;
                change(domain!);
            });
        }
    }

    private protected static string Describe(Domain domain) => $"domain '{domain}' (id {domain.Id})";

    private static NamePattern ToPattern(string name) =>
        WildcardPattern.ContainsWildcardCharacters(name)
            ? new NamePattern(name, WildcardPattern.Get(name, WildcardOptions.CultureInvariant).IsMatch)
            : new NamePattern(WildcardPattern.Unescape(name));
}

/// <summary>Cmdlets that change domains: each asks first (-WhatIf, -Confirm), and one failure does not stop the others.</summary>
public abstract class ChangingDomainCmdlet : DomainCmdlet
{
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = ByName)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DomainNameCompleter))]
    public string[] Name { get; set; } = [];

    protected override void ProcessRecord() => ForDomains(Name, Change);

    private protected abstract void Change(Domain domain);
}
