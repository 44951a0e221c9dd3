using System.Collections.Concurrent;
using System.Management.Automation;
using LightVM.Cmdlets.Completion;
using LightVM.Cmdlets.Moves;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Migration;

namespace LightVM.Cmdlets.Commands;

/// <summary>Cmdlets on domains and another host.</summary>
public abstract class TargetCmdlet : ChangingDomainCmdlet
{
    [Parameter(Mandatory = true, Position = 1)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(PeerNameCompleter))]
    public string ComputerName { get; set; } = "";

    [Parameter]
    public MigrationTransport Transport { get; set; }

    [Parameter]
    [ValidateRange(1, 65535)]
    public int Port { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(PeerNameCompleter))]
    public string? PeerName { get; set; }

    [Parameter]
    public SwitchParameter Insecure { get; set; }

    /// <summary>The host that is meant. Errors: HostNameInvalid.</summary>
    private protected MigrationTarget Target
    {
        get
        {
            var target = MigrationTarget.Parse(ComputerName);
            return target with
            {
                Transport = IsGiven(nameof(Transport)) ? Transport : target.Transport,
                Port = Given(nameof(Port), Port) ?? target.Port,
                PeerName = PeerName ?? target.PeerName,
                Insecure = Insecure || target.Insecure,
            };
        }
    }
}

/// <summary>Moves domains to another host.</summary>
[Cmdlet(VerbsCommon.Move, "LvmDomain", DefaultParameterSetName = ByName, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(MoveResult))]
[OutputType(typeof(Job))]
public sealed class MoveLvmDomainCommand : TargetCmdlet
{
    [Parameter]
    [ValidateRange(1, 24 * 60 * 60 * 1000)]
    public int MaximumDowntime { get; set; }

    [Parameter]
    [ValidateRange(0, 1000)]
    public int MaximumRounds { get; set; }

    [Parameter]
    [ValidateRange(1L, 1L << 40)]
    public long Bandwidth { get; set; }

    [Parameter]
    [ValidateRange(1, MaxSeconds)]
    public int Timeout { get; set; } = 60;

    [Parameter]
    public SwitchParameter AsJob { get; set; }

    private protected override void Change(Domain domain)
    {
        var target = Target;
        if (!ShouldProcess(Describe(domain), $"Move to {target}")) return;
        var options = new MoveOptions { SuspendTimeout = TimeSpan.FromSeconds(Timeout), Bandwidth = Given(nameof(Bandwidth), Bandwidth) };
        if (IsGiven(nameof(MaximumDowntime))) options = options with { MaximumDowntime = TimeSpan.FromMilliseconds(MaximumDowntime) };
        if (IsGiven(nameof(MaximumRounds))) options = options with { MaximumRounds = MaximumRounds };
        if (AsJob)
        {
            var job = new MoveJob(CurrentHost, domain, target, options, MyInvocation.Line);
            JobRepository.Add(job);
            WriteObject(job);
            job.Start();
            return;
        }

        var result = Move(CurrentHost, domain, target, options);
        foreach (var warning in result.Warnings) WriteWarning($"Domain '{result.Name}': {warning}.");
        WriteObject(result);
    }

    /// <summary>Moves on a thread of its own, because progress comes from any, and PowerShell takes it from this one only.</summary>
    private MoveResult Move(LvmHost host, Domain domain, MigrationTarget target, MoveOptions options)
    {
        using var heard = new BlockingCollection<MoveProgress>();
        var move = Task.Run(() =>
        {
            try
            {
                return host.Moves.Move(domain.Key, target, options, heard.Add, Cancellation);
            }
            finally
            {
                heard.CompleteAdding();
            }
        });
        var text = new MoveProgressText(domain, target);
        ProgressRecord? last = null;
        foreach (var progress in heard.GetConsumingEnumerable())
        {
            if (!Stopping) WriteProgress(last = text.Describe(progress));
        }

        if (last is not null && !Stopping) WriteProgress(new ProgressRecord(last.ActivityId, last.Activity, last.StatusDescription) { RecordType = ProgressRecordType.Completed });
        return move.GetAwaiter().GetResult();
    }
}

/// <summary>Asks another host what would prevent domains' moves there.</summary>
[Cmdlet(VerbsData.Compare, "LvmDomain", DefaultParameterSetName = ByName)]
[OutputType(typeof(MoveReport))]
public sealed class CompareLvmDomainCommand : TargetCmdlet
{
    private protected override void Change(Domain domain) => WriteObject(CurrentHost.Moves.Compare(domain.Key, Target, cancellation: Cancellation));
}

/// <summary>Finds out where domains go on whose moves ended undecided.</summary>
[Cmdlet(VerbsDiagnostic.Resolve, "LvmMove", DefaultParameterSetName = ByName, SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.High)]
[OutputType(typeof(MoveResolution))]
public sealed class ResolveLvmMoveCommand : ChangingDomainCmdlet
{
    [Parameter]
    public GuestPlace GoesOn { get; set; }

    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override void Change(Domain domain)
    {
        if (IsGiven(nameof(GoesOn)))
        {
            var what = GoesOn == GuestPlace.Here ? "Let its guest go on here" : "Destroy what is left of it here";
            if (!ShouldProcess(Describe(domain), what, Force)) return;
            CurrentHost.Moves.Decide(domain.Key, GoesOn == GuestPlace.Here);
            WriteObject(new MoveResolution(domain.Name, domain.Uuid, GoesOn));
            return;
        }

        // Nothing is decided here: the other host knows.
        if (CurrentHost.Moves.Resolve(domain.Key, Cancellation) is not { } isThere)
            throw new LvmException(ErrorIds.DomainInvalidState, "no move of it has ended undecided").During("resolve the move of", domain.ToString());
        WriteObject(new MoveResolution(domain.Name, domain.Uuid, isThere ? GuestPlace.There : GuestPlace.Here));
    }
}
