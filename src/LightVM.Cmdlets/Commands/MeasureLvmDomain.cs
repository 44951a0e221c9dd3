using System.Management.Automation;
using LightVM.Cmdlets.Completion;
using LightVM.Domains;

namespace LightVM.Cmdlets.Commands;

/// <summary>Tells what domains use: all that the pipeline brings, looked at at the same moments.</summary>
[Cmdlet(VerbsDiagnostic.Measure, "LvmDomain", DefaultParameterSetName = ByName)]
[OutputType(typeof(DomainMeasurement), typeof(DomainMeasurementTotal))]
public sealed class MeasureLvmDomainCommand : DomainCmdlet
{
    private const int MaxMilliseconds = MaxSeconds * 1000;

    private readonly GatheredDomains _gathered = new();

    [Parameter(Position = 0, ValueFromPipeline = true, ParameterSetName = ByName)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(DomainNameCompleter))]
    public string[]? Name { get; set; }

    [Parameter]
    [ValidateRange(0, MaxMilliseconds)]
    public int Interval { get; set; } = 1000;

    [Parameter]
    public SwitchParameter Total { get; set; }

    protected override void ProcessRecord() => ForItem(CurrentHost, () =>
    {
        if (ParameterSetName == ByObject)
        {
            // As they are: an object may know how its domain was created.
            foreach (var domain in InputObject) _gathered.Add(domain);
            return;
        }

        foreach (var (target, domain, error) in Select(Name, forChange: false))
        {
            if (error is null) _gathered.Add(domain!);
            else WriteError(ToRecord(error, target));
        }
    });

    protected override void EndProcessing() => ForItem(CurrentHost, () =>
    {
        var measured = new List<DomainMeasurement>(_gathered.Keys.Count);
        foreach (var (asked, measurement, error) in _gathered.Keys.Count == 0 ? [] : CurrentHost.Measure(_gathered.Domains, TimeSpan.FromMilliseconds(Interval), Cancellation))
        {
            if (error is not null) WriteError(ToRecord(error, asked));
            else measured.Add(measurement!);
        }

        if (Total) WriteObject(DomainMeasurementTotal.Of(measured));
        else WriteObject(measured, enumerateCollection: true);
    });
}
