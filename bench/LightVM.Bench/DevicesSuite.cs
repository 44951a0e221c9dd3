using LightVM.Bench.Contenders;
using LightVM.Configuration;
using LightVM.Hosts;

namespace LightVM.Bench;

/// <summary>
/// Guests with devices on a real Xen: created and destroyed by the engine, the bare C loop and xl, beside the store traffic that their
/// devices need. The device daemon of this build serves the first two; in a part of each block, xl as well.
/// </summary>
/// <param name="bridge">The bridge that the guests' interfaces join.</param>
/// <param name="lightvm">The executable, whose daemons serve the guests.</param>
internal sealed class DevicesSuite(SuiteOptions options, string bridge, string lightvm)
{
    private const int MemoryMiB = 4;

    /// <summary>In place of Xen's hotplug scripts, where the daemon does their work.</summary>
    private const string NoScript = "/bin/true";

    /// <summary>Parts of a creation that are for its devices.</summary>
    private static readonly string[] DeviceParts = ["reserve", "devices", "backends"];

    /// <summary>
    /// The most that toolstack and daemon may ask of the store for the devices of one guest: each of the nodes that netback, blkback, xl and
    /// the daemon look for once, and the waiting (a look, and where that is too early a watch, a look at each of its events, and its end).
    /// More than that is more than is needed. What the kernel asks is the kernel's affair.
    /// </summary>
    private static readonly Dictionary<(string Devices, string Who), int> MostRequests = new()
    {
        [("vif", "toolstack")] = 28,
        [("vif", "devd")] = 11,
        [("vif-disk", "toolstack")] = 63,
        [("vif-disk", "devd")] = 25,
    };

    private readonly Results _results = new();

    public void Run(DirectoryInfo output)
    {
        output.Create();
        using var image = new DiskImage();
        using var bare = new GuestFiles(options.Kernel, MemoryMiB, options.Pause);
        using var withInterface = new GuestFiles(options.Kernel, MemoryMiB, options.Pause, new GuestDevices(bridge, null));
        using var withDisk = new GuestFiles(options.Kernel, MemoryMiB, options.Pause, new GuestDevices(bridge, image.Path));
        using var host = LvmHost.OpenXen();
        if (!host.Devices.ListBridges().Contains(bridge))
        {
            Results.Progress($"there is no bridge {bridge}: guests with devices are left out");
            return;
        }

        using var times = new ActivityTimes();
        using var bridges = new BridgeWatch(Path.Combine(options.Programs, "joined"));
        var log = Path.Combine(output.FullName, "devd.log");
        File.Delete(log);
        var xl = XlContender.Find();
        var variants = new[] { bare, withInterface, withDisk }.Select(files => new Variant(files, host, options.Programs, xl)).ToArray();
        var crowd = new Crowd(host, withInterface);
        try
        {
            using (new DaemonProcess(lightvm, ["devd"], log))
            {
                foreach (var variant in variants) Warm(variant, host);
            }

            foreach (var others in options.Others)
            {
                using (new DaemonProcess(lightvm, ["devd"], log))
                {
                    Results.Progress($"{others} others: starting them");
                    crowd.Grow(others, _results);
                    MeasureBridge(withInterface, host, times, bridges, xl, others);
                }

                for (var block = 0; block < options.Blocks; block++)
                {
                    using (new DaemonProcess(lightvm, ["devd"], log))
                    {
                        foreach (var variant in variants) RunBlock(variant, variant.Contenders, times, block, others);
                    }

                    using (new DaemonProcess(lightvm, ["devd", "--all"], log))
                    {
                        foreach (var variant in variants) RunBlock(variant, variant.WithoutScripts, times, block, others);
                    }
                }

                foreach (var variant in variants) Report(variant, others);
            }
        }
        finally
        {
            foreach (var variant in variants) variant.Dispose();
            _results.Write(output, "devices");
            Results.Progress("removing the others");
            using (new DaemonProcess(lightvm, ["devd"], log)) crowd.Remove();
        }
    }

    /// <summary>Each contender's first creation, and the trace of one of the engine's.</summary>
    private void Warm(Variant variant, LvmHost host)
    {
        Results.Progress($"guests with {variant.Name}: warming up");
        foreach (var contender in variant.Contenders) contender.Create(contender.IsProcess ? 1 : 3, (_, _) => { });
        if (variant.HasDevices) AddTraffic(variant, host);
    }

    private void AddTraffic(Variant variant, LvmHost host)
    {
        var control = XlContender.Find() is { } xl ? Path.Combine(Path.GetDirectoryName(xl)!, "xenstore-control") : "";
        var domain = default(Domains.Domain);
        var trace = File.Exists(control) ? StoreTrace.Take(control, () =>
        {
            domain = host.CreateDomain(variant.Files.Config($"traced-{Environment.ProcessId}"));
            Thread.Sleep(1000); // the kernel looks at the last changes later
        }) : null;
        if (domain is not null) host.DestroyDomain(domain.Key);
        if (trace is null || domain is null)
        {
            Results.Progress("xenstored writes no trace: nothing is said of the pure store traffic");
            return;
        }

        var operations = StoreTrace.Parse(trace, domain.Id);
        foreach (var who in operations.GroupBy(operation => operation.Who).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            Bound? bound = MostRequests.TryGetValue((variant.Name, who.Key), out var most) ? Bound.Below(most) : null;
            _results.Figure($"store-requests-{who.Key}-{variant.Name}", who.Count(), "requests", bound);
        }

        _results.Figure($"store-requests-{variant.Name}", operations.Count, "requests");
        variant.Contenders.Add(new TrafficContender(Path.Combine(options.Programs, "traffic"), operations, options.Pause));
    }

    /// <summary>When interfaces come onto their bridge: after their announcement, or xl's start, and before their guests run.</summary>
    private void MeasureBridge(GuestFiles files, LvmHost host, ActivityTimes times, BridgeWatch bridges, string? xl, int others)
    {
        for (var i = 0; i < options.ProcessSamples; i++)
        {
            var domain = host.CreateDomain(files.Config($"bridged-{Environment.ProcessId}-{i}"));
            Take("engine", domain.Id, times.BeginOf("create/devices"), times.BeginOf("create/start"));
            host.DestroyDomain(domain.Key);

            if (xl is null) continue;
            // Left paused, so that its end is before the guest's start.
            var name = $"bridged-xl-{Environment.ProcessId}-{i}";
            var begin = BridgeWatch.Now();
            Child.Run(xl, "create", "-q", "-p", files.Xl(name));
            var end = BridgeWatch.Now();
            Take("xl", host.GetDomain(name).Id, begin, end);
            Child.Run(xl, "destroy", name);
        }

        foreach (var name in xl is null ? new[] { "engine" } : ["engine", "xl"])
        {
            _results.Figure($"to-bridge-{name}-median-{others}", _results.Median($"to-bridge-{name}", others), "ms");
            _results.Figure($"start-to-bridge-{name}-median-{others}", _results.Median($"start-to-bridge-{name}", others), "ms");
            _results.Figure($"start-to-bridge-{name}-most-{others}", _results.Percentile($"start-to-bridge-{name}", others, 100), "ms", name == "engine" ? Bound.Below(0) : null);
        }

        void Take(string name, uint domain, double begin, double start)
        {
            var bridged = bridges.When($"vif{domain}.0");
            _results.Sample($"to-bridge-{name}", others, bridged - begin);
            _results.Sample($"start-to-bridge-{name}", others, bridged - start);
            options.Pause.Take();
        }
    }

    private void RunBlock(Variant variant, List<IContender> contenders, ActivityTimes times, int block, int others)
    {
        foreach (var (contender, count) in options.Turns(contenders, block))
        {
            Results.Progress($"{others} others, block {block + 1}/{options.Blocks}: {count} with {variant.Name} by {contender.Name}");
            if (!contender.IsProcess) contender.Create(1, (_, _) => { });
            times.Clear();
            contender.Create(count, (series, milliseconds) =>
            {
                _results.Sample($"{series}-{variant.Name}", others, milliseconds);
                if (series != "create-engine") return;
                _results.Sample($"device-part-{variant.Name}", others, DeviceParts.Sum(part => times.DurationOf($"create/{part}")));
                _results.Sample($"step-engine-reserve-{variant.Name}", others, times.DurationOf("create/reserve"));
            });
        }
    }

    private void Report(Variant variant, int others)
    {
        var engine = Median("create-engine");
        foreach (var contender in variant.All)
        {
            _results.Figures($"create-{contender.Name}-{variant.Name}", others);
            _results.Figure($"destroy-{contender.Name}-{variant.Name}-median-{others}", Median($"destroy-{contender.Name}"), "ms");
        }

        _results.Figure($"create-engine-over-baseline-{variant.Name}-{others}", engine / Median("create-baseline"), "ratio");
        _results.Figure($"create-xl-over-engine-{variant.Name}-{others}", Median("create-xl") / engine, "ratio", variant.HasDevices ? Bound.Above(15) : null);
        _results.Figure($"create-xl-devd-over-engine-{variant.Name}-{others}", Median("create-xl-devd") / engine, "ratio");
        _results.Figure($"destroy-xl-over-engine-{variant.Name}-{others}", Median("destroy-xl") / Median("destroy-engine"), "ratio");
        if (!variant.HasDevices) return;
        foreach (var part in DeviceParts)
        {
            _results.Figure($"step-engine-{part}-{variant.Name}-{others}", Median($"step-engine-{part}"), "ms");
            _results.Figure($"step-baseline-{part}-{variant.Name}-{others}", Median($"step-baseline-{part}"), "ms");
        }

        var store = Median("store-traffic");
        _results.Figure($"store-traffic-{variant.Name}-median-{others}", store, "ms");
        foreach (var who in new[] { "toolstack", "netback", "blkback", "devd" })
            _results.Figure($"store-traffic-{who}-{variant.Name}-median-{others}", Median($"store-traffic-{who}"), "ms");
        _results.Figure($"device-part-{variant.Name}-median-{others}", Median("device-part"), "ms");
        _results.Figure($"device-part-over-store-{variant.Name}-{others}", Median("device-part") / store, "ratio", Bound.Below(1.5));
        // All that devices add to a creation: their kernel drivers and the daemon at work beside the other steps as well.
        var added = engine - _results.Median("create-engine-none", others);
        _results.Figure($"devices-added-{variant.Name}-{others}", added, "ms");
        _results.Figure($"devices-added-over-store-{variant.Name}-{others}", added / store, "ratio", Bound.Below(1.5));

        double Median(string series) => _results.Median($"{series}-{variant.Name}", others);
    }

    /// <summary>A guest, and who creates it.</summary>
    private sealed class Variant : IDisposable
    {
        public Variant(GuestFiles files, LvmHost host, string programs, string? xl)
        {
            Files = files;
            Contenders = [new BaselineContender(Path.Combine(programs, "baseline"), files), new EngineContender(host, files)];
            if (xl is null) return;
            var timed = Path.Combine(programs, "timed");
            Contenders.Add(new XlContender(xl, timed, files));
            if (HasDevices) WithoutScripts.Add(new XlContender(xl, timed, files, "xl-devd", NoScript));
        }

        public GuestFiles Files { get; }

        public string Name => Files.Devices.Name;

        public bool HasDevices => Files.Devices is not { Bridge: null, Disk: null };

        public List<IContender> Contenders { get; }

        /// <summary>Who does without hotplug scripts, with a daemon that serves all.</summary>
        public List<IContender> WithoutScripts { get; } = [];

        public IEnumerable<IContender> All => Contenders.Concat(WithoutScripts).Where(contender => contender is not TrafficContender);

        public void Dispose()
        {
            foreach (var contender in Contenders.OfType<IDisposable>()) contender.Dispose();
        }
    }

    /// <summary>What is behind the guests' disks, one at a time.</summary>
    private sealed class DiskImage : IDisposable
    {
        private const long Size = 8 << 20;

        private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lightvm-bench-");

        public DiskImage()
        {
            Path = System.IO.Path.Combine(_folder.FullName, "disk.img");
            using var file = File.Create(Path);
            file.SetLength(Size);
        }

        public string Path { get; }

        public void Dispose() => _folder.Delete(recursive: true);
    }
}
