using LightVM.Bench.Contenders;
using LightVM.Configuration;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Bench;

/// <summary>
/// Guests that are saved and restored on a real Xen, by the engine, the bare C loop and xl, in turns. Each guest is new, is checkpointed
/// (saved, and goes on), saved, restored and destroyed. One of them has, made by the engine, no store.
/// </summary>
/// <param name="folder">Where images are saved: on a disk, for in memory it costs nothing to write them through.</param>
/// <param name="idle">The guest idle, which needs no store.</param>
/// <param name="lightvm">The executable, whose daemon serves that.</param>
/// <param name="saved">Which of the guests, by their names.</param>
internal sealed class ImagesSuite(SuiteOptions options, string folder, string idle, string lightvm, IReadOnlyList<string> saved)
{
    private const int SmallMiB = 4;
    private const int LargeMiB = 64;

    private static readonly string[] Operations = ["checkpoint", "save", "restore"];

    private static readonly string[] SaveSteps = ["begin", "suspend", "memory", "complete", "sync"];

    private static readonly string[] RestoreSteps = ["inspect", "domain", "limits", "ports", "memory", "publish", "start"];

    private readonly Results _results = new();

    public void Run(DirectoryInfo output)
    {
        output.Create();
        using var small = new GuestFiles(options.Kernel, SmallMiB, options.Pause);
        using var large = new GuestFiles(options.Kernel, LargeMiB, options.Pause);
        using var pvh = new GuestFiles(options.Kernel, SmallMiB, options.Pause, type: GuestType.PVH);
        using var noxs = new GuestFiles(idle, SmallMiB, options.Pause, method: DeviceMethod.Noxs);
        using var noxsd = new DaemonProcess(lightvm, ["noxsd"], Path.Combine(output.FullName, "images-suite.log"));
        using var host = LvmHost.OpenXen();
        using var times = new ActivityTimes();
        var image = Path.Combine(folder, $"lightvm-bench-{Environment.ProcessId}.image");
        var variants = new[] { small, large, pvh, noxs }.Select(files => new Variant(files, host, times, options.Programs, image)).Where(variant => saved.Contains(variant.Name)).ToArray();
        var crowd = new Crowd(host, small);
        try
        {
            foreach (var contender in variants.SelectMany(variant => variant.Contenders)) contender.Create(contender.IsProcess ? 1 : 3, (_, _) => { }); // warm
            foreach (var others in options.Others)
            {
                Results.Progress($"{others} others: starting them");
                crowd.Grow(others, _results);
                for (var block = 0; block < options.Blocks; block++)
                {
                    foreach (var variant in variants) RunBlock(variant, block, others);
                }

                foreach (var variant in variants) Report(variant, others);
            }
        }
        finally
        {
            _results.Write(output, "images");
            Results.Progress("removing the others");
            crowd.Remove();
            File.Delete(image);
        }
    }

    private void RunBlock(Variant variant, int block, int others)
    {
        foreach (var (contender, count) in options.Turns(variant.Contenders, block))
        {
            Results.Progress($"{others} others, block {block + 1}/{options.Blocks}: {count} of {variant.Name} by {contender.Name}");
            if (!contender.IsProcess) contender.Create(1, (_, _) => { });
            contender.Create(count, (series, milliseconds) => _results.Sample($"{series}-{variant.Name}", others, milliseconds));
        }
    }

    private void Report(Variant variant, int others)
    {
        foreach (var operation in Operations)
        {
            foreach (var contender in variant.Contenders) _results.Figures($"{operation}-{contender.Name}-{variant.Name}", others);
            // Neither the bare C loop nor xl waits for the disk: what that costs is told apart.
            var engine = Median(operation == "restore" ? "restore-engine" : $"{operation}-engine-unsynced");
            _results.Figure($"{operation}-engine-over-baseline-{variant.Name}-{others}", engine / Median($"{operation}-baseline"), "ratio", operation == "checkpoint" ? null : Bound.Below(1.2));
            var bound = (operation, variant.IsSmallPV) switch { ("save", true) => Bound.Above(5), ("restore", true) => Bound.Above(10), _ => default(Bound?) };
            // With the disk: this is what its user waits for.
            _results.Figure($"{operation}-xl-over-engine-{variant.Name}-{others}", Median($"{operation}-xl") / Median($"{operation}-engine"), "ratio", bound);
            _results.Figure($"{operation}-xl-over-baseline-{variant.Name}-{others}", Median($"{operation}-xl") / Median($"{operation}-baseline"), "ratio");
        }

        _results.Figure($"standstill-engine-{variant.Name}-median-{others}", Median("standstill-engine"), "ms");
        _results.Figure($"standstill-baseline-{variant.Name}-median-{others}", Median("step-baseline-checkpoint-memory") + Median("step-baseline-checkpoint-resume"), "ms");
        foreach (var name in new[] { "engine", "baseline" })
        {
            foreach (var step in SaveSteps.Append("resume")) Step(name, "checkpoint", step);
            foreach (var step in SaveSteps.Append("destroy")) Step(name, "save", step);
            foreach (var step in RestoreSteps) Step(name, "restore", step);
        }

        double Median(string series) => _results.Median($"{series}-{variant.Name}", others);

        void Step(string name, string operation, string step) =>
            _results.Figure($"step-{name}-{operation}-{step}-{variant.Name}-{others}", Median($"step-{name}-{operation}-{step}"), "ms");
    }

    /// <summary>A guest, and who saves and restores it.</summary>
    private sealed class Variant
    {
        public Variant(GuestFiles files, LvmHost host, ActivityTimes times, string programs, string image)
        {
            Name = $"{(files.Type == GuestType.PVH ? "pvh" : "pv")}-{files.MemoryMiB}{(files.Method == DeviceMethod.Noxs ? "-noxs" : "")}";
            IsSmallPV = files is { Type: GuestType.PV, MemoryMiB: SmallMiB };
            Contenders = [new SavedEngineContender(host, times, files, image)];
            if (files.Type == GuestType.PV) Contenders.Insert(0, new SavedBaselineContender(Path.Combine(programs, "baseline"), files, image));
            if (XlContender.Find() is { } xl) Contenders.Add(new SavedXlContender(xl, Path.Combine(programs, "timed"), files, image));
        }

        public string Name { get; }

        public bool IsSmallPV { get; }

        /// <summary>The bare C loop has no PVH guests.</summary>
        public List<IContender> Contenders { get; }
    }
}
