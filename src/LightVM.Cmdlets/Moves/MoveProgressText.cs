using System.Globalization;
using System.Management.Automation;
using LightVM.Domains;
using LightVM.Migration;

namespace LightVM.Cmdlets.Moves;

/// <summary>A move's progress as PowerShell shows it.</summary>
internal sealed class MoveProgressText(Domain domain, MigrationTarget target)
{
    private const int ActivityId = 1;

    public ProgressRecord Describe(MoveProgress progress)
    {
        var record = new ProgressRecord(ActivityId, $"Moving domain '{domain}' to {target.Host}", progress.Phase switch
        {
            MovePhase.Asking => "asking the other host",
            MovePhase.Copying => string.Create(CultureInfo.InvariantCulture, $"round {progress.Round}: {MiB(progress.PagesDirty ?? 0)} of {MiB(progress.PagesTotal)} MiB to send"),
            MovePhase.Stopping => "the guest stands still",
            _ => "the guest is handed over",
        });
        if (progress.Phase == MovePhase.Copying && progress.BytesPerSecond > 0)
            record.CurrentOperation = string.Create(CultureInfo.InvariantCulture, $"{progress.BytesPerSecond >> 20} MiB/s; it would stand still for {progress.EstimatedDowntime?.TotalMilliseconds ?? 0:0} ms");
        // What is still to be sent is what the guest lets be: the rounds only get shorter.
        if (progress.PagesTotal > 0) record.PercentComplete = progress.Phase switch
        {
            MovePhase.Asking => 0,
            MovePhase.Copying => (int)Math.Clamp(99 - 99 * (progress.PagesDirty ?? 0) / progress.PagesTotal, 0, 99),
            _ => 99,
        };
        return record;
    }

    private static long MiB(long pages) => pages * 4 >> 10;
}
