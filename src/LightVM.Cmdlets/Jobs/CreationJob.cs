using System.Management.Automation;
using LightVM.Cmdlets.Domains;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;

namespace LightVM.Cmdlets.Jobs;

/// <summary>Domains that are created beside the session.</summary>
internal sealed class CreationJob(LvmHost host, IReadOnlyList<BatchItem> items, int workers, bool keepCompleted, string command)
    : HostJob(command, $"Create {items.Count} domain{(items.Count == 1 ? "" : "s")}")
{
    public override string Location => "localhost";

    protected override object? Target => null;

    protected override void Work(CancellationToken cancellation)
    {
        var progress = new BatchProgress("Creating domains") { Total = items.Count };
        using var batch = new DomainBatch(host, workers, keepCompleted, cancellation);
        progress.Begin();
        foreach (var item in items)
        {
            if (cancellation.IsCancellationRequested) break;
            if (item.Series.IsOver) continue;
            try
            {
                batch.Add(item);
            }
            catch (LvmException error)
            {
                item.Series.Fail(error);
                Fail(error, item.Series.Target);
            }

            while (batch.TryTake() is { } outcome) Tell(outcome);
        }

        batch.Complete();
        while (batch.Take() is { } outcome) Tell(outcome);
        if (cancellation.IsCancellationRequested) throw new LvmException(ErrorIds.OperationCancelled, $"it was stopped when {progress.Done} of {items.Count} domains were there; {(keepCompleted ? "they stay" : "those of a count are removed again")}");

        void Tell(WorkOutcome<BatchItem, Domain?> outcome)
        {
            if (outcome.Result is { } domain) Output.Add(PSObject.AsPSObject(domain));
            else if (outcome.Error is { } error && error.ErrorId != ErrorIds.OperationCancelled) Fail(error, outcome.Item.Config.Name);
            if (progress.Count(outcome.Result is null)) Progress.Add(progress.Show());
        }
    }
}
