using System.Management.Automation;
using System.Text.RegularExpressions;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Cmdlets.Commands;

/// <summary>The domains that the pipeline brings, to be dealt with at once when it has brought all of them.</summary>
internal sealed class GatheredDomains
{
    private readonly Dictionary<DomainKey, Domain> _domains = [];

    public IReadOnlyCollection<DomainKey> Keys => _domains.Keys;

    public IReadOnlyCollection<Domain> Domains => _domains.Values;

    public Domain this[DomainKey key] => _domains[key];

    public void Add(Domain domain) => _domains.TryAdd(domain.Key, domain);
}

/// <summary>Cmdlets that bring guests to their ends: all that the pipeline brings at once, when it has brought all of them.</summary>
public abstract class EndingDomainCmdlet : ParallelDomainCmdlet
{
    private protected const int MaxTimeout = 24 * 60 * 60;

    private readonly GatheredDomains _gathered = new();

    [Parameter]
    public SwitchParameter PassThru { get; set; }

    protected override void EndProcessing()
    {
        base.EndProcessing();
        WriteOutcomes(_gathered, Run, (_, domain) =>
        {
            if (PassThru) WriteObject(domain);
        });
    }

    /// <summary>Does it to all domains that were <see cref="Add">added</see>.</summary>
    private protected abstract IEnumerable<DomainOutcome> Run(IReadOnlyCollection<DomainKey> domains);

    private protected void Add(Domain domain) => _gathered.Add(domain);
}

/// <summary>Shuts domains down: asks their guests, and waits for their ends.</summary>
[Cmdlet(VerbsLifecycle.Stop, "LvmDomain", DefaultParameterSetName = ByName, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(Domain))]
public sealed class StopLvmDomainCommand : EndingDomainCmdlet
{
    [Parameter]
    [ValidateRange(1, MaxTimeout)]
    public int Timeout { get; set; } = 60;

    [Parameter]
    public SwitchParameter Force { get; set; }

    [Parameter]
    public SwitchParameter TurnOff { get; set; }

    [Parameter]
    public SwitchParameter NoWait { get; set; }

    private protected override void Change(Domain domain)
    {
        if (!ShouldProcess(Describe(domain), TurnOff ? "Turn off" : "Shut down")) return;
        var host = CurrentHost;
        if (TurnOff)
        {
            Queue(domain, _ =>
            {
                host.DestroyDomain(domain.Key);
                return null;
            });
        }
        else if (NoWait)
        {
            Queue(domain, _ =>
            {
                host.Lifecycle.Request(domain.Key, ShutdownReason.Poweroff);
                return PassThru ? host.GetDomain(domain.Key) : null;
            });
        }
        else
        {
            Add(domain);
        }
    }

    private protected override IEnumerable<DomainOutcome> Run(IReadOnlyCollection<DomainKey> domains) =>
        CurrentHost.Lifecycle.Stop(domains, TimeSpan.FromSeconds(Timeout), Force, workers: ThrottleLimit, cancellation: Cancellation);
}

/// <summary>Restarts domains: asks their guests to reboot, and creates them anew.</summary>
[Cmdlet(VerbsLifecycle.Restart, "LvmDomain", DefaultParameterSetName = ByName, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(Domain))]
public sealed class RestartLvmDomainCommand : EndingDomainCmdlet
{
    [Parameter]
    [ValidateRange(1, MaxTimeout)]
    public int Timeout { get; set; } = 60;

    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void Change(Domain domain)
    {
        if (ShouldProcess(Describe(domain), "Restart")) Add(domain);
    }

    private protected override IEnumerable<DomainOutcome> Run(IReadOnlyCollection<DomainKey> domains) =>
        CurrentHost.Lifecycle.Restart(domains, TimeSpan.FromSeconds(Timeout), Force, ThrottleLimit, Cancellation);
}

/// <summary>What Wait-LvmDomain can wait for.</summary>
public enum WaitCondition
{
    Running,
    Shutdown,
    Removed,
    Address,
    ConsoleMatch,
}

/// <summary>Waits until domains are what was asked for.</summary>
[Cmdlet(VerbsLifecycle.Wait, "LvmDomain", DefaultParameterSetName = ByName)]
[OutputType(typeof(Domain), typeof(DomainAddress))]
public sealed class WaitLvmDomainCommand : ChangingDomainCmdlet
{
    private const int MaxTimeout = 24 * 60 * 60;

    /// <summary>How long one line of a console may be matched: a pattern can be made to take for ever.</summary>
    private static readonly TimeSpan MatchTimeout = TimeSpan.FromSeconds(1);

    private readonly GatheredDomains _gathered = new();
    private Regex? _pattern;

    [Parameter(Mandatory = true)]
    public WaitCondition For { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? Pattern { get; set; }

    [Parameter]
    [ValidateRange(0, MaxTimeout)]
    public int Timeout { get; set; }

    [Parameter]
    public SwitchParameter PassThru { get; set; }

    protected override void BeginProcessing()
    {
        if (For == WaitCondition.ConsoleMatch != Pattern is not null)
            throw new ParameterBindingException("-Pattern is what to wait for with -For ConsoleMatch, and with nothing else.");
        try
        {
            if (Pattern is not null) _pattern = new Regex(Pattern, RegexOptions.IgnoreCase | RegexOptions.CultureInvariant, MatchTimeout);
        }
        catch (ArgumentException error)
        {
            throw new ParameterBindingException($"-Pattern is no regular expression: {error.Message}", error);
        }
    }

    protected override void ProcessRecord()
    {
        foreach (var (target, domain, error) in Select(Name, forChange: true))
        {
            if (domain is not null) _gathered.Add(domain);
            else if (For != WaitCondition.Removed || error!.ErrorId != ErrorIds.DomainNotFound) WriteError(ToRecord(error!, target));
        }
    }

    protected override void EndProcessing() => WriteOutcomes(_gathered, Run, (outcome, domain) =>
    {
        if (PassThru) WriteObject(outcome.Address is { } address ? address : domain);
    });

    private protected override void Change(Domain domain) => _gathered.Add(domain);

    private IEnumerable<DomainOutcome> Run(IReadOnlyCollection<DomainKey> domains)
    {
        var timeout = IsGiven(nameof(Timeout)) ? TimeSpan.FromSeconds(Timeout) : System.Threading.Timeout.InfiniteTimeSpan;
        return For switch
        {
            WaitCondition.ConsoleMatch => CurrentHost.Lifecycle.WaitForConsole(domains, _pattern!, timeout, Cancellation),
            WaitCondition.Running => CurrentHost.Lifecycle.WaitFor(domains, DomainCondition.Running, timeout, Cancellation),
            WaitCondition.Shutdown => CurrentHost.Lifecycle.WaitFor(domains, DomainCondition.Shutdown, timeout, Cancellation),
            WaitCondition.Removed => CurrentHost.Lifecycle.WaitFor(domains, DomainCondition.Removed, timeout, Cancellation),
            _ => CurrentHost.Lifecycle.WaitFor(domains, DomainCondition.Address, timeout, Cancellation),
        };
    }
}
