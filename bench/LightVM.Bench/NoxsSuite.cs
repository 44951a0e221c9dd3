using System.Text.RegularExpressions;
using LightVM.Bench.Contenders;
using LightVM.Configuration;
using LightVM.Hosts;
using LightVM.Pools;
using LightVM.Xen;

namespace LightVM.Bench;

/// <summary>
/// Guests whose devices come from a page, without the store, beside those of the store, the bare C loop and xl, without and with an interface,
/// in full and from a pool, with more and more guests without a store running; until they are created, and until they have said their first line.
/// </summary>
/// <param name="template">The guest template, whose interface is measured.</param>
/// <param name="address">The address that it gets, with its bits.</param>
/// <param name="bridge">The bridge that the guests' interfaces join.</param>
/// <param name="lightvm">The executable, whose daemons serve the guests.</param>
internal sealed partial class NoxsSuite(SuiteOptions options, string template, string address, string bridge, string lightvm)
{
    private const int MemoryMiB = 4;

    private readonly Results _results = new();

    public void Run(DirectoryInfo output)
    {
        output.Create();
        var interfaces = new GuestDevices(bridge, null);
        using var plain = new GuestFiles(options.Kernel, MemoryMiB, options.Pause);
        using var withInterface = new GuestFiles(options.Kernel, MemoryMiB, options.Pause, interfaces);
        using var noxs = new GuestFiles(options.Kernel, MemoryMiB, options.Pause, method: DeviceMethod.Noxs);
        using var noxsWithInterface = new GuestFiles(options.Kernel, MemoryMiB, options.Pause, interfaces, method: DeviceMethod.Noxs);
        var log = Path.Combine(output.FullName, "noxs-suite.log");
        using var noxsd = new DaemonProcess(lightvm, ["noxsd"], log);
        using var devd = new DaemonProcess(lightvm, ["devd"], log);
        using var host = LvmHost.OpenXen();
        using var hypervisor = XenHypervisor.Open();
        var pool = new Func<DaemonProcess>(() => new DaemonProcess(lightvm, ["poold"], log));
        var contenders = new List<IContender>
        {
            new BaselineContender(options.Baseline, plain),
            new EngineContender(host, plain, "store", FirstLine()),
            new EngineContender(host, withInterface, "store-vif", FirstLine()),
            new EngineContender(host, noxs, "noxs", FirstLine()),
            new EngineContender(host, noxsWithInterface, "noxs-vif", FirstLine()),
            new PoolContender(host, noxs, ShellKind.Built, pool, "", "hot-noxs", (FirstLine(), hypervisor)),
            new PoolContender(host, noxsWithInterface, ShellKind.Built, pool, "", "hot-noxs-vif", (FirstLine(), hypervisor)),
            new UnpauseContender(host, hypervisor, noxs, FirstLine()),
        };
        if (XlContender.Find() is { } xl)
        {
            contenders.Add(new XlContender(xl, options.Timed, plain));
            contenders.Add(new XlContender(xl, options.Timed, withInterface, "xl-vif"));
        }

        var crowd = new Crowd(host, noxsWithInterface);
        try
        {
            foreach (var contender in contenders) contender.Create(contender.IsProcess ? 1 : 5, (_, _) => { }); // warm
            var traffic = new VifTraffic(host, template, bridge, address);
            traffic.Measure("netback", DeviceMethod.Xenstore, _results);
            traffic.Measure("noxsd", DeviceMethod.Noxs, _results);
            foreach (var others in options.Others)
            {
                Results.Progress($"{others} others: starting them");
                crowd.Grow(others, _results);
                for (var block = 0; block < options.Blocks; block++) RunBlock(contenders, block, others);
                Report(contenders, others);
            }

            _results.Figure($"memory-noxsd-{options.Others[^1]}", noxsd.ResidentMiB, "MiB", Bound.Below(64));
        }
        finally
        {
            _results.Write(output, "noxs");
            _results.WriteMedians(Path.Combine(output.FullName, "noxs-medians.csv"), options.Others, contenders.Where(contender => contender is not UnpauseContender).Select(contender => $"create-{contender.Name}"));
            Results.Progress("removing the others");
            crowd.Remove();
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
        foreach (var contender in contenders)
        {
            _results.Figures($"create-{contender.Name}", others);
            if (contender is EngineContender or PoolContender or UnpauseContender) _results.Figures($"line-{contender.Name}", others);
            if (contender is PoolContender) _results.Figures($"run-{contender.Name}", others);
        }

        foreach (var step in EngineContender.Steps.Append("devices"))
        {
            foreach (var name in new[] { "noxs", "noxs-vif" }) _results.Figure($"step-{name}-{step}-{others}", Median($"step-{name}-{step}"), "ms");
        }

        // The bare loop publishes its guest in the store, as it has to where there is one: that part is not what a creation without one is held against.
        _results.Figure($"create-noxs-vif-over-baseline-without-store-{others}", Median("create-noxs-vif") / (Median("create-baseline") - Median("step-baseline-publish")), "ratio", Bound.Below(1.2));
        _results.Figure($"create-noxs-vif-over-baseline-{others}", Median("create-noxs-vif") / Median("create-baseline"), "ratio");
        foreach (var name in new[] { "noxs", "noxs-vif" })
        {
            if (others > 0) _results.Figure($"create-{name}-over-first-{others}", Median($"create-{name}") / _results.Median($"create-{name}", 0), "ratio", Bound.Below(1.1));
        }

        _results.Figure($"create-xl-over-noxs-{others}", Median("create-xl") / Median("create-noxs"), "ratio", Bound.Above(25));
        _results.Figure($"create-xl-vif-over-noxs-vif-{others}", Median("create-xl-vif") / Median("create-noxs-vif"), "ratio", Bound.Above(others >= 500 ? 100 : 60));
        _results.Figure($"create-store-vif-over-noxs-vif-{others}", Median("create-store-vif") / Median("create-noxs-vif"), "ratio");
        foreach (var name in new[] { "hot-noxs", "hot-noxs-vif" })
        {
            if (others > 0) _results.Figure($"run-{name}-over-first-{others}", Median($"run-{name}") / _results.Median($"run-{name}", 0), "ratio", Bound.Below(1.3));
        }

        _results.Figure($"create-xl-over-run-hot-noxs-{others}", Median("create-xl") / Median("run-hot-noxs"), "ratio", Bound.Above(40));
        _results.Figure($"line-hot-noxs-over-unpause-{others}", Median("line-hot-noxs") / Median("line-unpause"), "ratio", Bound.Below(1.3));

        double Median(string series) => _results.Median(series, others);
    }

    [GeneratedRegex("first run to main")]
    private static partial Regex FirstLine();
}
