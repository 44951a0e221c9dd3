using System.Management.Automation;
using LightVM.Cmdlets.Completion;
using LightVM.Domains;
using LightVM.Errors;

namespace LightVM.Cmdlets.Commands;

/// <summary>Lists domains.</summary>
[Cmdlet(VerbsCommon.Get, "LvmDomain", DefaultParameterSetName = ByName)]
[OutputType(typeof(Domain))]
public sealed class GetLvmDomainCommand : DomainCmdlet
{
    [Parameter(Position = 0, ValueFromPipeline = true, ParameterSetName = ByName)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DomainNameCompleter))]
    public string[]? Name { get; set; }

    [Parameter(ParameterSetName = ByName)]
    public SwitchParameter IncludeShell { get; set; }

    protected override void ProcessRecord() => ForItem(CurrentHost, () =>
    {
        foreach (var (target, domain, error) in Select(Name, forChange: false, IncludeShell))
        {
            if (error is null) WriteObject(domain);
            else WriteError(ToRecord(error, target));
        }
    });
}

/// <summary>Pauses domains: their vCPUs stop, their memory stays.</summary>
[Cmdlet(VerbsLifecycle.Suspend, "LvmDomain", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(Domain))]
public sealed class SuspendLvmDomainCommand : ParallelDomainCmdlet
{
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override void Change(Domain domain)
    {
        if (!ShouldProcess(Describe(domain), "Pause")) return;
        var host = CurrentHost;
        Queue(domain, _ => host.PauseDomain(domain.Key) is var paused && PassThru ? paused : null);
    }
}

/// <summary>Lets paused domains run.</summary>
[Cmdlet(VerbsLifecycle.Resume, "LvmDomain", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(Domain))]
public sealed class ResumeLvmDomainCommand : ParallelDomainCmdlet
{
    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override void Change(Domain domain)
    {
        if (!ShouldProcess(Describe(domain), "Unpause")) return;
        var host = CurrentHost;
        Queue(domain, _ => host.UnpauseDomain(domain.Key) is var unpaused && PassThru ? unpaused : null);
    }
}

/// <summary>Destroys domains at once, without asking their guests.</summary>
[Cmdlet(VerbsCommon.Remove, "LvmDomain", DefaultParameterSetName = ByName, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(void))]
public sealed class RemoveLvmDomainCommand : ParallelDomainCmdlet
{
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void Change(Domain domain)
    {
        if (!ShouldProcess(Describe(domain), "Destroy", Force)) return;
        var host = CurrentHost;
        Queue(domain, _ =>
        {
            host.DestroyDomain(domain.Key);
            return null;
        });
    }
}

/// <summary>Gives a domain another name.</summary>
[Cmdlet(VerbsCommon.Rename, "LvmDomain", DefaultParameterSetName = ByName, SupportsShouldProcess = true)]
[OutputType(typeof(Domain))]
public sealed class RenameLvmDomainCommand : ChangingDomainCmdlet
{
    // From the pipeline by property name, so that a script block can make each domain's name out of its old one.
    [Parameter(Mandatory = true, Position = 1, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string NewName { get; set; } = "";

    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected override void Change(Domain domain)
    {
        if (!ShouldProcess(Describe(domain), $"Rename to '{NewName}'")) return;
        var renamed = CurrentHost.RenameDomain(domain.Key, NewName);
        if (PassThru) WriteObject(renamed);
    }
}
