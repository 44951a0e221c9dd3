using System.Diagnostics;
using LightVM.Bench.Contenders;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Pools;

namespace LightVM.Bench;

/// <summary>
/// Guests that are made of shells, of the three kinds, beside those that are made in full, by the engine, the bare C loop and xl, with more
/// and more guests running; then many at once, by several threads.
/// </summary>
/// <param name="folder">Where the guest is saved that snapshots are made of: on a disk, for Linux cannot write a guest's memory to every file system.</param>
/// <param name="lightvm">The executable, whose pool daemon makes the shells.</param>
internal sealed class PoolsSuite(SuiteOptions options, string folder, string lightvm)
{
    private const int MemoryMiB = 4;
    private const int AtOnce = 200;

    private static readonly int[] Workers = [1, 2, 4];

    private readonly Results _results = new();

    public void Run(DirectoryInfo output)
    {
        output.Create();
        using var files = new GuestFiles(options.Kernel, MemoryMiB, options.Pause);
        using var host = LvmHost.OpenXen();
        var image = Path.Combine(folder, $"lightvm-bench-{Environment.ProcessId}.image");
        var log = Path.Combine(output.FullName, "poold.log");
        var contenders = new List<IContender> { new BaselineContender(options.Baseline, files), new EngineContender(host, files) };
        foreach (var kind in Enum.GetValues<ShellKind>()) contenders.Add(new PoolContender(host, files, kind, () => new DaemonProcess(lightvm, ["poold"], log), image));
        if (XlContender.Find() is { } xl) contenders.Add(new XlContender(xl, options.Timed, files));
        var crowd = new Crowd(host, files);
        try
        {
            var saved = host.CreateDomain(files.Config("snapshot"));
            Thread.Sleep(1000); // it has to be up
            host.Images.Save(saved.Key, image);
            foreach (var contender in contenders) contender.Create(contender.IsProcess ? 1 : 5, (_, _) => { }); // warm
            foreach (var workers in Workers) MeasureAtOnce(host, files, workers);

            var ownBefore = Memory.OwnMiB();
            foreach (var others in options.Others)
            {
                Results.Progress($"{others} others: starting them");
                crowd.Grow(others, _results);
                for (var block = 0; block < options.Blocks; block++) RunBlock(contenders, block, others);
                Report(contenders, others);
            }

            ReportMemory(host, ownBefore, log);
        }
        finally
        {
            _results.Write(output, "pools");
            _results.WriteMedians(Path.Combine(output.FullName, "pools-medians.csv"), options.Others, [.. contenders.Select(contender => $"create-{contender.Name}"), "run-pool-built", "run-pool-snapshot"]);
            Results.Progress("removing the others");
            crowd.Remove();
            File.Delete(image);
        }
    }

    private void RunBlock(List<IContender> contenders, int block, int others)
    {
        foreach (var (contender, count) in options.Turns(contenders, block))
        {
            Results.Progress($"{others} others, block {block + 1}/{options.Blocks}: {count} by {contender.Name}");
            if (!contender.IsProcess) contender.Create(1, (_, _) => { });
            contender.Create(count, (series, milliseconds) => _results.Sample(series, others, milliseconds));
        }
    }

    private void Report(List<IContender> contenders, int others)
    {
        foreach (var contender in contenders) _results.Figures($"create-{contender.Name}", others);
        var (full, xl) = (Median("create-engine"), Median("create-xl"));
        foreach (var kind in Enum.GetValues<ShellKind>())
        {
            var pool = $"pool-{kind.ToString().ToLowerInvariant()}";
            // What has its kernel in it is what is hot; a shell has its kernel still to get.
            var isHot = kind != ShellKind.Shell;
            // A guest that is hot runs before its name is written; what the call takes after that is told beside it.
            _results.Figures($"run-{pool}", others);
            var (whole, running) = (Median($"create-{pool}"), Median($"run-{pool}"));
            _results.Figure($"create-{pool}-over-engine-{others}", whole / full, "ratio", isHot ? Bound.Below(1 / 3.0) : null);
            _results.Figure($"run-{pool}-over-engine-{others}", running / full, "ratio", isHot ? Bound.Below(1 / 3.0) : null);
            _results.Figure($"create-xl-over-{pool}-{others}", xl / whole, "ratio");
            _results.Figure($"create-xl-over-run-{pool}-{others}", xl / running, "ratio", isHot ? Bound.Above(40) : null);
            foreach (var step in EngineContender.Steps.Append("shell")) _results.Figure($"step-{pool}-{step}-{others}", Median($"step-{pool}-{step}"), "ms");
            if (others == 0) continue;
            _results.Figure($"create-{pool}-over-first-{others}", whole / _results.Median($"create-{pool}", 0), "ratio");
            _results.Figure($"run-{pool}-over-first-{others}", running / _results.Median($"run-{pool}", 0), "ratio", isHot ? Bound.Below(1.3) : null);
        }

        _results.Figure($"create-xl-over-engine-{others}", xl / full, "ratio");
        if (others > 0) _results.Figure($"create-engine-without-store-over-first-{others}", WithoutStore(others) / WithoutStore(0), "ratio", Bound.Below(1.2));

        double Median(string series) => _results.Median(series, others);

        double WithoutStore(int beside) => _results.Median("create-engine", beside) - _results.Median("step-engine-publish", beside);
    }

    private void MeasureAtOnce(LvmHost host, GuestFiles files, int workers)
    {
        Results.Progress($"{AtOnce} at once by {workers}");
        var domains = new Domain[AtOnce];
        var begin = Stopwatch.GetTimestamp();
        Parallel.For(0, AtOnce, new ParallelOptions { MaxDegreeOfParallelism = workers }, i => domains[i] = host.CreateDomain(files.Config($"at-once-{workers}-{i}")));
        var seconds = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        _results.Figure($"creations-per-second-{workers}-workers", AtOnce / seconds, "1/s");
        foreach (var domain in domains) host.DestroyDomain(domain.Key);
    }

    /// <summary>With all that run beside known to everybody.</summary>
    private void ReportMemory(LvmHost host, double ownBefore, string log)
    {
        var others = options.Others[^1];
        host.ListDomains();
        _results.Figure($"memory-engine-added-{others}", Memory.OwnMiB() - ownBefore, "MiB", Bound.Below(64));
        foreach (var daemon in new[] { "poold", "devd" })
        {
            using var process = new DaemonProcess(lightvm, [daemon], Path.ChangeExtension(log, $".{daemon}.log"));
            host.ListDomains();
            Thread.Sleep(2000); // it has looked at all that there are
            _results.Figure($"memory-{daemon}-{others}", process.ResidentMiB, "MiB", Bound.Below(64));
        }
    }
}
