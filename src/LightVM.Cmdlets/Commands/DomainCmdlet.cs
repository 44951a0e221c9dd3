using System.Management.Automation;
using LightVM.Cmdlets.Completion;
using LightVM.Cmdlets.Domains;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
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
    private protected IEnumerable<Selection> Select(string[]? names, bool forChange, bool includeShells = false)
    {
        var selector = new DomainSelector(CurrentHost, forChange) { IncludesShells = includeShells };
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

    /// <summary>Does something to all domains that were gathered, and tells of each as soon as there is something to tell.</summary>
    private protected void WriteOutcomes(GatheredDomains gathered, Func<IReadOnlyCollection<DomainKey>, IEnumerable<DomainOutcome>> run, Action<DomainOutcome, Domain> write)
    {
        if (gathered.Keys.Count == 0) return;
        ForItem(CurrentHost, () =>
        {
            foreach (var outcome in run(gathered.Keys))
            {
                ForItem(gathered[outcome.Key], () =>
                {
                    if (outcome.Require() is { } domain) write(outcome, domain);
                });
            }
        });
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

/// <summary>
/// Cmdlets that change several domains at once, on threads of their own. Questions, output and errors stay with the pipeline's thread; the
/// order of the output is that in which the domains are done.
/// </summary>
public abstract class ParallelDomainCmdlet : ChangingDomainCmdlet
{
    private protected const int MaxWorkers = 64;

    private WorkQueue<Job, object?>? _queue;

    [Parameter]
    [ValidateRange(1, MaxWorkers)]
    public int ThrottleLimit { get; set; } = WorkQueue.DefaultWorkers;

    protected override void ProcessRecord()
    {
        base.ProcessRecord();
        while (_queue?.TryTake(out var outcome) == true) Tell(outcome);
    }

    protected override void EndProcessing()
    {
        _queue?.Complete();
        while (_queue?.Take(out var outcome) == true) Tell(outcome);
    }

    /// <summary>What is begun is finished, or cancelled where it can be; the rest is left alone.</summary>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _queue?.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>Has something done to a domain when its turn comes. What it gives is output, unless it is null.</summary>
    private protected void Queue(Domain domain, Func<CancellationToken, object?> work)
    {
        // One that stands alone needs no thread.
        _queue ??= new WorkQueue<Job, object?>(IsSingle ? 1 : ThrottleLimit, (job, cancellation) => job.Work(cancellation), Cancellation);
        _queue.Add(new Job(domain, work));
        while (_queue.TryTake(out var outcome)) Tell(outcome);
    }

    private bool IsSingle => !MyInvocation.ExpectingInput && ParameterSetName switch
    {
        ById => Id.Length == 1,
        ByUuid => Uuid.Length == 1,
        ByObject => InputObject.Length == 1,
        _ => Name.Length == 1 && !WildcardPattern.ContainsWildcardCharacters(Name[0]),
    };

    private void Tell(WorkOutcome<Job, object?> outcome) => ForItem(outcome.Item.Domain, () =>
    {
        if (outcome.Error is { } error) throw error;
        if (outcome.Result is { } result) WriteObject(result);
    });

    private sealed record Job(Domain Domain, Func<CancellationToken, object?> Work);
}
