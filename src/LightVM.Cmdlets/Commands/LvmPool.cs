using System.Management.Automation;
using LightVM.Cmdlets.Completion;
using LightVM.Cmdlets.Configuration;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Pools;

namespace LightVM.Cmdlets.Commands;

/// <summary>Begins a pool of domains that are made before they are asked for.</summary>
[Cmdlet(VerbsCommon.New, "LvmPool", DefaultParameterSetName = FromConfig, SupportsShouldProcess = true)]
[OutputType(typeof(Pool))]
public sealed class NewLvmPoolCommand : LvmCmdlet
{
    private const string FromConfig = "Config";
    private const string FromImage = "Image";

    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Name { get; set; } = "";

    [Parameter(Mandatory = true, Position = 1, ValueFromPipeline = true, ParameterSetName = FromConfig)]
    [ValidateNotNull]
    [DomainConfigFile]
    public DomainConfig? Config { get; set; }

    [Parameter(ParameterSetName = FromConfig)]
    public SwitchParameter Built { get; set; }

    [Parameter(Mandatory = true, ParameterSetName = FromImage)]
    [ValidateNotNullOrEmpty]
    public string ImagePath { get; set; } = "";

    [Parameter]
    [ValidateRange(0, PoolDefinition.Most)]
    public int Minimum { get; set; }

    [Parameter]
    [ValidateRange(1, PoolDefinition.Most)]
    public int Maximum { get; set; }

    [Parameter]
    [ValidateRange(0, 1 << 24)]
    public int MemoryBudgetMiB { get; set; }

    protected override void ProcessRecord() => ForItem(Name, () =>
    {
        var flavour = Config is null
            ? PoolFlavour.OfImage(ToFilePath(ImagePath, ErrorIds.ImageNotFound))
            : PoolFlavour.Of(DomainConfig.From(Config.ToDraft().StartingAt(CurrentDirectory)), Built ? ShellKind.Built : ShellKind.Shell);
        var pool = new PoolDefinition { Name = Name, Flavour = flavour };
        pool = pool with { Minimum = Given(nameof(Minimum), Minimum) ?? pool.Minimum };
        pool = pool with { Maximum = Given(nameof(Maximum), Maximum) ?? Math.Max(pool.Minimum, pool.Maximum), MemoryBudgetMiB = MemoryBudgetMiB > 0 ? MemoryBudgetMiB : null };
        if (ShouldProcess($"pool '{Name}'", $"Keep {pool.Minimum} to {pool.Maximum} domains of {flavour.MemoryMiB} MiB ready")) WriteObject(CurrentHost.Pools.Add(pool));
    });
}

/// <summary>Shows pools, and how they are used.</summary>
[Cmdlet(VerbsCommon.Get, "LvmPool")]
[OutputType(typeof(Pool))]
public sealed class GetLvmPoolCommand : LvmCmdlet
{
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(PoolNameCompleter))]
    public string[]? Name { get; set; }

    protected override void ProcessRecord()
    {
        foreach (var name in Name ?? ["*"]) ForItem(name, () => WriteObject(PoolPatterns.Find(CurrentHost, name), enumerateCollection: true));
    }
}

/// <summary>Changes how many domains pools keep ready.</summary>
[Cmdlet(VerbsCommon.Set, "LvmPool", SupportsShouldProcess = true)]
[OutputType(typeof(Pool))]
public sealed class SetLvmPoolCommand : LvmCmdlet
{
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(PoolNameCompleter))]
    public string[] Name { get; set; } = [];

    [Parameter]
    [ValidateRange(0, PoolDefinition.Most)]
    public int Minimum { get; set; }

    [Parameter]
    [ValidateRange(1, PoolDefinition.Most)]
    public int Maximum { get; set; }

    [Parameter]
    [ValidateRange(0, 1 << 24)]
    public int MemoryBudgetMiB { get; set; }

    [Parameter]
    public SwitchParameter PassThru { get; set; }

    protected override void ProcessRecord()
    {
        foreach (var name in Name)
        {
            ForItem(name, () =>
            {
                foreach (var pool in PoolPatterns.Find(CurrentHost, name)) ForItem(pool, () => Change(pool));
            });
        }
    }

    private void Change(Pool pool)
    {
        var changed = pool.Definition with
        {
            Minimum = Given(nameof(Minimum), Minimum) ?? pool.Minimum,
            Maximum = Given(nameof(Maximum), Maximum) ?? pool.Maximum,
            MemoryBudgetMiB = Given(nameof(MemoryBudgetMiB), MemoryBudgetMiB) is { } budget ? (budget > 0 ? budget : null) : pool.MemoryBudgetMiB,
        };
        if (!ShouldProcess($"pool '{pool}'", $"Keep {changed.Minimum} to {changed.Maximum} domains ready")) return;
        var now = CurrentHost.Pools.Set(changed);
        if (PassThru) WriteObject(now);
    }
}

/// <summary>Ends pools, with the domains that wait in them.</summary>
[Cmdlet(VerbsCommon.Remove, "LvmPool", SupportsShouldProcess = true)]
[OutputType(typeof(void))]
public sealed class RemoveLvmPoolCommand : LvmCmdlet
{
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(PoolNameCompleter))]
    public string[] Name { get; set; } = [];

    protected override void ProcessRecord()
    {
        foreach (var name in Name)
        {
            ForItem(name, () =>
            {
                foreach (var pool in PoolPatterns.Find(CurrentHost, name))
                    ForItem(pool, () =>
                    {
                        if (ShouldProcess($"pool '{pool}'", $"Remove, with the {pool.ReadyCount} domains that wait in it")) CurrentHost.Pools.Remove(pool.Name);
                    });
            });
        }
    }
}
