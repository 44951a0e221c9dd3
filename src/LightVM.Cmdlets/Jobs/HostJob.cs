using System.Management.Automation;
using LightVM.Cmdlets.Errors;
using LightVM.Errors;

namespace LightVM.Cmdlets.Jobs;

/// <summary>Work that goes on beside the session, on a thread of its own. To stop it is to cancel it, and to wait until all that has to be undone is.</summary>
internal abstract class HostJob : Job
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly ManualResetEventSlim _ended = new();

    protected HostJob(string command, string name)
        : base(command, name)
    {
        PSJobTypeName = GetType().Name;
    }

    public override bool HasMoreData => Output.Count > 0 || Error.Count > 0 || Warning.Count > 0 || Progress.Count > 0;

    public override string StatusMessage => Progress.LastOrDefault()?.StatusDescription ?? "";

    public void Start()
    {
        SetJobState(JobState.Running);
        Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Returns when it has ended.</summary>
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

    /// <summary>Does the work. An <see cref="LvmException"/> is how it failed, or that it was stopped.</summary>
    protected abstract void Work(CancellationToken cancellation);

    /// <summary>What a failure was about.</summary>
    protected abstract object? Target { get; }

    protected void Fail(LvmException error, object? target)
    {
        var fields = ErrorFields.Of(error, target);
        Error.Add(new ErrorRecord(error, fields.Id, fields.Category, fields.Target) { ErrorDetails = new ErrorDetails(fields.Message) { RecommendedAction = fields.RecommendedAction } });
    }

    private void Run()
    {
        var end = JobState.Failed;
        try
        {
            Work(_stopping.Token);
            end = JobState.Completed;
        }
        catch (LvmException error)
        {
            Fail(error, Target);
            if (error.ErrorId == ErrorIds.OperationCancelled) end = JobState.Stopped;
        }
        finally
        {
            SetJobState(end);
            _ended.Set();
        }
    }
}
