using System.Management.Automation;
using LightVM.Cmdlets.Jobs;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Migration;

namespace LightVM.Cmdlets.Moves;

/// <summary>A move that goes on beside the session. Until the guest is handed over, who stops it lets the guest go on here.</summary>
internal sealed class MoveJob(LvmHost host, Domain domain, MigrationTarget target, MoveOptions options, string command)
    : HostJob(command, $"Move {domain}")
{
    public override string Location => target.ToString();

    protected override object Target => domain;

    protected override void Work(CancellationToken cancellation)
    {
        var text = new MoveProgressText(domain, target);
        var result = host.Moves.Move(domain.Key, target, options, progress => Progress.Add(text.Describe(progress)), cancellation);
        foreach (var warning in result.Warnings) Warning.Add(new WarningRecord($"Domain '{result.Name}': {warning}."));
        Output.Add(PSObject.AsPSObject(result));
    }
}
