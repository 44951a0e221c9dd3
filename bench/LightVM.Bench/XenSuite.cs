using System.Diagnostics;
using LightVM.Bench.Contenders;
using LightVM.Configuration;
using LightVM.Hosts;

namespace LightVM.Bench;

/// <summary>
/// Creation, destruction and listing on a real Xen, with more and more guests beside. All contenders take turns in short blocks: the figures
/// that count are ratios within one run.
/// </summary>
/// <param name="lightvm">The executable; left out where there is none.</param>
/// <param name="pwsh">Likewise PowerShell, which runs the script (cmdlet.ps1) with the module.</param>
internal sealed class XenSuite(SuiteOptions options, string? lightvm, string? pwsh, string module, string? cmdletScript)
{
    private const int MemoryMiB = 4;

    private readonly Results _results = new();

    public void Run(DirectoryInfo output)
    {
        using var work = new GuestFiles(options.Kernel, MemoryMiB, options.Pause);
        using var host = LvmHost.OpenXen();
        var contenders = new List<IContender> { new BaselineContender(options.Baseline, work), new EngineContender(host, work) };
        if (XlContender.Find() is { } xl) contenders.Add(new XlContender(xl, options.Timed, work));
        if (lightvm is not null) contenders.Add(new LightvmContender(lightvm, options.Timed, work));
        if (pwsh is not null && cmdletScript is not null) contenders.Add(new CmdletContender(pwsh, cmdletScript, module, work));

        var crowd = new Crowd(host, work);
        if (host.ListDomains().Count > 1) Results.Progress("guests are running already; they are not counted among the others");
        try
        {
            foreach (var contender in contenders) contender.Create(contender.IsProcess ? 1 : 5, (_, _) => { }); // warm
            foreach (var others in options.Others)
            {
                Results.Progress($"{others} others: starting them");
                crowd.Grow(others, _results);
                for (var block = 0; block < options.Blocks; block++) RunBlock(contenders, block, others);
                Listing.Measure(host, others, options.Samples, _results);
                Report(contenders, others);
            }

            _results.Figure("memory-engine-rss", Memory.OwnMiB(), "MiB");
        }
        finally
        {
            foreach (var contender in contenders.OfType<IDisposable>()) contender.Dispose();
            _results.Write(output, "xen");
            Results.Progress("removing the others");
            crowd.Remove();
        }
    }

    private void RunBlock(List<IContender> contenders, int block, int others)
    {
        foreach (var (contender, count) in options.Turns(contenders, block))
        {
            Results.Progress($"{others} others, block {block + 1}/{options.Blocks}: {count} by {contender.Name}");
            // Warm means warm: what the others did meanwhile, the engine has to learn first (the bare C loop warms up by itself).
            if (!contender.IsProcess) contender.Create(1, (_, _) => { });
            contender.Create(count, (series, milliseconds) => _results.Sample(series, others, milliseconds));
        }
    }

    private void Report(List<IContender> contenders, int others)
    {
        foreach (var contender in contenders)
        {
            _results.Figures($"create-{contender.Name}", others);
            _results.Figure($"destroy-{contender.Name}-median-{others}", _results.Median($"destroy-{contender.Name}", others), "ms");
        }

        foreach (var step in EngineContender.Steps)
        {
            _results.Figure($"step-engine-{step}-{others}", _results.Median($"step-engine-{step}", others), "ms");
            _results.Figure($"step-baseline-{step}-{others}", _results.Median($"step-baseline-{step}", others), "ms");
        }

        var engine = _results.Median("create-engine", others);
        _results.Figure($"create-engine-over-baseline-{others}", engine / _results.Median("create-baseline", others), "ratio", Bound.Below(1.15));
        // Between 0 and 500 nothing was promised but what holds with none.
        _results.Figure($"create-xl-over-engine-{others}", _results.Median("create-xl", others) / engine, "ratio", Bound.Above(others >= 500 ? 12 : 8));
        _results.Figure($"list-median-{others}", _results.Median("list", others), "ms");
        _results.Figure($"list-hypercall-share-{others}", _results.Median("list-hypercall", others) / _results.Median("list", others), "ratio", others >= 500 ? Bound.Above(0.5) : null);
    }
}
