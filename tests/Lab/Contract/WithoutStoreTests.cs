using System.Diagnostics;
using System.Globalization;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Lab;

/// <summary>
/// As many guests as LIGHTVM_WITHOUT_STORE says, on a host whose xenstored was killed: created, asked the time over the bridge, listed, one of them
/// restarted and one asked to power off, removed. What the host had at the start it has at the end. Xenstored cannot be started again, so this wants a
/// lab of its own.
/// </summary>
public sealed class WithoutStoreTests
{
    private const string Prefix = "storeless-";
    private const string Bridge = "xenbr0";

    private static readonly int Guests = int.Parse(Environment.GetEnvironmentVariable("LIGHTVM_WITHOUT_STORE") ?? "0", CultureInfo.InvariantCulture);
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Guests_are_served_where_no_store_runs()
    {
        Assert.SkipUnless(Guests > 0, "it ends xenstored for good; LIGHTVM_WITHOUT_STORE says with how many guests it shall");
        Dom0.Output("ip", "address", "add", "10.77.0.1/16", "dev", Bridge);
        Dom0.Output("pkill", "-9", "xenstored");
        GuestTests.AssertEventually(() => Dom0.Run("pgrep", "xenstored").ExitCode != 0, () => "xenstored still runs");

        using var daemon = DeviceDaemon.StartOther("noxsd", new Dictionary<string, string>());
        using var host = LvmHost.OpenXen();
        host.DestroyDomain(host.CreateDomain(Config(1), Cancellation).Key); // what Xen and the kernel keep of a first guest is no loss
        GuestTests.AssertEventually(() => host.ListDomains().Count == 1, () => "the first guest is still there");
        var before = "";
        GuestTests.AssertEventually(() => before == (before = Traces(daemon)), () => $"it does not come to rest: {before}");
        var free = host.GetInfo().FreeMemoryKiB;

        var domains = new List<Domain>(Guests);
        Measure("created", () => domains.AddRange(Enumerable.Range(1, Guests).Select(number => host.CreateDomain(Config(number), Cancellation))));
        Report($"  the first in {domains[0].Creation!.Duration.TotalMilliseconds:F1} ms, the last in {domains[^1].Creation!.Duration.TotalMilliseconds:F1} ms; {(free - host.GetInfo().FreeMemoryKiB) / Guests} KiB a guest");
        Measure("asked the time", () => Assert.All(Enumerable.Range(1, Guests), number => GuestService.AssertTellsTime(AddressOf(number))));
        Measure("listed", () => Assert.Equal(Guests, host.ListDomains().Count(domain => domain.Name.StartsWith(Prefix, StringComparison.Ordinal))));
        Measure("listed by another process", () => Assert.Contains($"\"{Prefix}{Guests}\"", Dom0.Output(Dom0.Lightvm, "list", "--json"), StringComparison.Ordinal));
        Report($"  with all of them: {Traces(daemon)}");
        var time = ProcessorTime(daemon);
        Thread.Sleep(TimeSpan.FromSeconds(10));
        Report($"  at rest the noxs daemon takes {(ProcessorTime(daemon) - time).TotalMilliseconds / 10:F1} ms of processor time a second; it has {Resident(daemon)} MiB");

        domains[0] = host.Lifecycle.Restart(domains[0].Key, Patience, cancellation: Cancellation);
        GuestService.AssertTellsTime(AddressOf(1));
        Assert.Null(host.Lifecycle.Stop(domains[^1].Key, Patience, cancellation: Cancellation));
        domains.RemoveAt(domains.Count - 1);
        Measure("removed", () =>
        {
            foreach (var domain in domains) host.DestroyDomain(domain.Key);
        });

        GuestTests.AssertEventually(() => host.ListDomains().Count == 1, () => "not all are gone");
        var after = "";
        GuestTests.AssertEventually(() => (after = Traces(daemon)) == before, () => $"before:\n{before}\nafter:\n{after}\nthe daemon:\n{daemon.Log}");
        GuestTests.AssertEventually(() => free - host.GetInfo().FreeMemoryKiB < 1024, () => $"of {free} KiB that were free {host.GetInfo().FreeMemoryKiB} are");
    }

    private static string AddressOf(int number) => $"10.77.{1 + number / 250}.{1 + number % 250}";

    private static DomainConfig Config(int number) => DomainConfig.From(new DomainConfigDraft
    {
        Name = $"{Prefix}{number}",
        Kernel = new GuestImages([Path.Combine(Dom0.Build, "guests")]).Find("daytime"),
        CommandLine = $"ip={AddressOf(number)}/16",
        MemoryMiB = GuestImages.MemoryMiB,
        VcpuCount = 1,
        Type = number % 2 == 0 ? GuestType.PVH : GuestType.PV,
        Vifs = [new NetworkConfig(null, null, Bridge)],
        DeviceMethod = DeviceMethod.Noxs,
        OnPoweroff = LifecycleAction.Destroy,
    });

    /// <summary>What guests cost: of the hypervisor, of the kernel, of the daemon, and in /run.</summary>
    private static string Traces(DeviceDaemon daemon)
    {
        var maps = File.ReadAllLines($"/proc/{daemon.ProcessId}/maps");
        var files = new DirectoryInfo("/run/lightvm").EnumerateFileSystemInfos("*", SearchOption.AllDirectories).Count(file => file is FileInfo);
        return $"{Dom0.Output("lsevtchn", "0").Split('\n', StringSplitOptions.RemoveEmptyEntries).Length} event channels, "
            + $"{maps.Count(line => line.EndsWith("gntalloc", StringComparison.Ordinal))} pages granted, {maps.Count(line => line.EndsWith("gntdev", StringComparison.Ordinal))} rings mapped, "
            + $"{Directory.GetDirectories("/sys/class/net", "vif*").Length} interfaces, {files} files";
    }

    private static TimeSpan ProcessorTime(DeviceDaemon daemon)
    {
        using var process = Process.GetProcessById(daemon.ProcessId);
        return process.TotalProcessorTime;
    }

    private static long Resident(DeviceDaemon daemon)
    {
        using var process = Process.GetProcessById(daemon.ProcessId);
        return process.WorkingSet64 >> 20;
    }

    private static void Measure(string what, Action work)
    {
        var begin = Stopwatch.GetTimestamp();
        work();
        Report($"  {what}: {Stopwatch.GetElapsedTime(begin).TotalSeconds:F1} s");
    }

    private static void Report(string text) => Console.Out.WriteLine(text);
}
