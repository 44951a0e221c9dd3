using System.Management.Automation;
using LightVM.Cmdlets.Errors;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Migration;

namespace LightVM.Cmdlets.Moves;

/// <summary>A move that goes on beside the session. To stop it is to cancel it: until the guest is handed over, it goes on here.</summary>
internal sealed class MoveJob : Job
{
    private readonly LvmHost _host;
    private readonly Domain _domain;
    private readonly MigrationTarget _target;
    private readonly MoveOptions _options;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ManualResetEventSlim _ended = new();

    public MoveJob(LvmHost host, Domain domain, MigrationTarget target, MoveOptions options, string command)
        : base(command, $"Move {domain}")
    {
        (_host, _domain, _target, _options) = (host, domain, target, options);
        PSJobTypeName = nameof(MoveJob);
    }

    public override bool HasMoreData => Output.Count > 0 || Error.Count > 0 || Warning.Count > 0 || Progress.Count > 0;

    public override string Location => _target.ToString();

    public override string StatusMessage => Progress.LastOrDefault()?.StatusDescription ?? "";

    public void Start()
    {
        SetJobState(JobState.Running);
        Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Returns when it has ended: the guest goes on, on one of the hosts.</summary>
    public override void StopJob()
    {
        _stopping.Cancel();
        _ended.Wait();
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && JobStateInfo.State == JobState.Running) StopJob();
        base.Dispose(disposing);
    }

    private void Run()
    {
        var text = new MoveProgressText(_domain, _target);
        var end = JobState.Completed;
        try
        {
            var result = _host.Moves.Move(_domain.Key, _target, _options, progress => Progress.Add(text.Describe(progress)), _stopping.Token);
            foreach (var warning in result.Warnings) Warning.Add(new WarningRecord($"Domain '{result.Name}': {warning}."));
            Output.Add(PSObject.AsPSObject(result));
        }
        catch (LvmException error)
        {
            var fields = ErrorFields.Of(error, _domain);
            Error.Add(new ErrorRecord(error, fields.Id, fields.Category, fields.Target) { ErrorDetails = new ErrorDetails(fields.Message) { RecommendedAction = fields.RecommendedAction } });
            end = error.ErrorId == ErrorIds.OperationCancelled ? JobState.Stopped : JobState.Failed;
        }
        finally
        {
            SetJobState(end);
            _ended.Set();
        }
    }
}
