using System.Management.Automation;
using LightVM.Cmdlets.Completion;
using LightVM.Cmdlets.Configuration;
using LightVM.Cmdlets.Domains;
using LightVM.Cmdlets.Jobs;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;

namespace LightVM.Cmdlets.Commands;

/// <summary>
/// Creates domains out of files, configurations or parameters, several at once. What parameters say goes over what a file or a
/// configuration says.
/// </summary>
[Cmdlet(VerbsCommon.New, "LvmDomain", DefaultParameterSetName = FromPath, SupportsShouldProcess = true)]
[OutputType(typeof(Domain))]
[OutputType(typeof(Job))]
public sealed class NewLvmDomainCommand : ConfigCmdlet
{
    private const string FromPath = "Path";
    private const string FromLiteralPath = "LiteralPath";
    private const string FromConfig = "Config";
    private const string FromParameters = "Parameters";
    private const string FromGuest = "Guest";
    private const int MaxWorkers = 64;

    private readonly BatchProgress _progress = new("Creating domains");
    private readonly List<BatchItem> _forJob = [];
    private DomainBatch? _batch;
    private bool _isProgressShown;

    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ParameterSetName = FromPath)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    public string[] Path { get; set; } = [];

    [Parameter(Mandatory = true, ValueFromPipelineByPropertyName = true, ParameterSetName = FromLiteralPath)]
    [ValidateNotNullOrEmpty]
    [Alias("PSPath", "LP")]
    public string[] LiteralPath { get; set; } = [];

    [Parameter(Mandatory = true, ValueFromPipeline = true, ParameterSetName = FromConfig)]
    [ValidateNotNull]
    [DomainConfigFile]
    public DomainConfig[] Config { get; set; } = [];

    // By value, so that a script block can make each domain's name of what the pipeline brings: 1..9 | New-LvmDomain -Config web.json -Name { "web$_" }.
    // Not by property name: files have names as well.
    [Parameter(ParameterSetName = FromPath)]
    [Parameter(ParameterSetName = FromLiteralPath)]
    [Parameter(ValueFromPipeline = true, ParameterSetName = FromConfig)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FromParameters)]
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FromGuest)]
    [ValidateNotNullOrEmpty]
    [NameText]
    public string? Name { get; set; }

    // In one set only: it is what tells a domain out of parameters from a file that some parameters change.
    [Parameter(Mandatory = true, ParameterSetName = FromParameters)]
    [ValidateNotNullOrEmpty]
    public string? Kernel { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = FromGuest)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(GuestNameCompleter))]
    public string? Guest { get; set; }

    [Parameter(ParameterSetName = FromPath)]
    [Parameter(ParameterSetName = FromLiteralPath)]
    [Parameter(ParameterSetName = FromConfig)]
    [Parameter(ParameterSetName = FromGuest)]
    [Parameter(Mandatory = true, ParameterSetName = FromParameters)]
    [ValidateRange(1, 1 << 24)]
    public int MemoryMiB { get; set; }

    [Parameter]
    [ValidateRange(1, 32751)]
    public int Count { get; set; }

    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? NamePattern { get; set; }

    [Parameter]
    [ValidateRange(1, MaxWorkers)]
    public int ThrottleLimit { get; set; } = WorkQueue.DefaultWorkers;

    [Parameter]
    public SwitchParameter KeepCompleted { get; set; }

    [Parameter]
    public SwitchParameter AsJob { get; set; }

    protected override void BeginProcessing()
    {
        if (NamePattern is not null && !IsGiven(nameof(Count))) throw new ParameterBindingException("-NamePattern says how the domains of -Count are named; give -Count as well.");
    }

    protected override void ProcessRecord()
    {
        var isLiteral = ParameterSetName == FromLiteralPath;
        switch (ParameterSetName)
        {
            case FromParameters:
                CreateAll(Name!, "parameters", () => new DomainConfigDraft { VcpuCount = 1 });
                break;
            case FromGuest:
                CreateAll(Name!, $"guest '{Guest}'", () => new DomainConfigDraft { VcpuCount = 1, MemoryMiB = GuestImages.MemoryMiB, Kernel = GuestImages.Installed.Find(Guest!) });
                break;
            case FromConfig:
                foreach (var config in Config) CreateAll(config, $"configuration '{config.Name}'", config.ToDraft);
                break;
            default:
                ForFiles(isLiteral ? LiteralPath : Path, isLiteral, ErrorIds.ConfigNotFound, path => CreateAll(path, path, () => DomainConfigJson.ReadFile(path).ToDraft()));
                break;
        }
    }

    protected override void EndProcessing()
    {
        if (_forJob.Count > 0)
        {
            var job = new CreationJob(CurrentHost, _forJob, ThrottleLimit, KeepCompleted, MyInvocation.Line);
            JobRepository.Add(job);
            WriteObject(job);
            job.Start();
        }

        _batch?.Complete();
        while (_batch?.Take() is { } outcome) Tell(outcome);
        if (_isProgressShown) WriteProgress(_progress.End());
    }

    /// <summary>However this ends: what was begun and is not put out is undone.</summary>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _batch?.Dispose();
        base.Dispose(disposing);
    }

    private void CreateAll(object target, string source, Func<DomainConfigDraft> read) => ForItem(target, () =>
    {
        var draft = read().With(ReadParameters(Name, Kernel, Given(nameof(MemoryMiB), MemoryMiB))).StartingAt(CurrentDirectory);
        var series = new BatchSeries(DomainSeries.Of(DomainConfig.From(draft, source), source, Given(nameof(Count), Count), NamePattern), target, IsGiven(nameof(Count)));
        // Of what the pipeline may still bring nobody knows how many there are.
        _progress.Total = MyInvocation.ExpectingInput ? null : (_progress.Total ?? 0) + series.Configs.Count;
        foreach (var config in series.Configs)
        {
            if (series.IsOver) break;
            if (!ShouldProcess($"domain '{config.Name}' ({config.MemoryMiB} MiB, {config.VcpuCount} vCPU{(config.VcpuCount == 1 ? "" : "s")}, {config.Kernel})", "Create")) continue;
            var item = new BatchItem(config, series);
            if (AsJob) _forJob.Add(item);
            else Create(item);
        }
    });

    private void Create(BatchItem item)
    {
        // One that stands alone needs no thread.
        _batch ??= new DomainBatch(CurrentHost, MyInvocation.ExpectingInput || item.Series.Configs.Count > 1 ? ThrottleLimit : 1, KeepCompleted, Cancellation);
        _progress.Begin();
        _batch.Add(item);
        while (_batch.TryTake() is { } outcome) Tell(outcome);
    }

    private void Tell(WorkOutcome<BatchItem, Domain?> outcome)
    {
        try
        {
            ForItem(outcome.Item.Config.Name, () =>
            {
                if (outcome.Error is { } error) throw error;
                if (outcome.Result is { } domain) WriteObject(domain);
            });
            if (!_progress.Count(outcome.Result is null)) return;
            _isProgressShown = true;
            WriteProgress(_progress.Show());
        }
        catch (PipelineStoppedException)
        {
            // A later command may hear of Ctrl+C before this one does; or it wants no more, and then what it was given stays.
            if (IsEverythingStopped) _batch!.Stop();
            throw;
        }
    }
}
