using System.Globalization;
using System.Text.RegularExpressions;
using LightVM.Configuration;
using LightVM.Hosts;

namespace LightVM.Bench;

/// <summary>
/// What goes through a disk by the store (the kernel's blkback, a loop device) and by noxs (lightvm noxsd), whose guest reads and writes by itself and says
/// how long that took (src/Native/guests/apps/disk.c). The disk is a file, as most are.
/// </summary>
/// <param name="guest">The guest disk.</param>
/// <param name="lightvm">The executable, whose daemons serve the guests.</param>
internal sealed class DisksSuite(string guest, string lightvm)
{
    private const int Mebibytes = 64;
    private const int Samples = 5;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>What is measured: its name, what the guest is told, and whether the throughput or the time of one request is asked for.</summary>
    private static readonly (string Name, string Words, bool IsThroughput)[] Works =
    [
        ("read", "do=read size=44 depth=32 total=64", true),
        ("write", "do=write size=44 depth=32 total=64", true),
        ("read-4k-one", "do=read size=4 depth=1 random=1 total=4", false),
        ("write-4k-one", "do=write size=4 depth=1 random=1 total=4", false),
        ("read-4k-32", "do=read size=4 depth=32 random=1 total=16", false),
        ("write-4k-32", "do=write size=4 depth=32 random=1 total=16", false),
    ];

    public void Run(DirectoryInfo output)
    {
        output.Create();
        var results = new Results();
        var log = Path.Combine(output.FullName, "disks-suite.log");
        using var noxsd = new DaemonProcess(lightvm, ["noxsd"], log);
        using var devd = new DaemonProcess(lightvm, ["devd"], log);
        using var host = LvmHost.OpenXen();
        var image = Path.Combine("/var/tmp", $"lightvm-bench-{Environment.ProcessId}.img"); // on a disk, and not in memory
        var content = new byte[1 << 20];
        using (var file = File.Create(image))
        {
            for (var i = 0; i < Mebibytes; i++) file.Write(content);
            file.Flush(flushToDisk: true);
        }

        try
        {
            foreach (var (work, words, isThroughput) in Works)
            {
                Results.Progress($"disk: {work}");
                foreach (var (name, method) in new[] { ("blkback", DeviceMethod.Xenstore), ("noxsd", DeviceMethod.Noxs) })
                {
                    for (var i = 0; i < Samples; i++) results.Sample($"disk-{work}-{name}", 0, MicrosecondsEach(host, image, words, method));
                    var each = results.Median($"disk-{work}-{name}", 0);
                    if (isThroughput) results.Figure($"disk-{work}-{name}", 44 * 1024 / each, "MB/s");
                    else results.Figure($"disk-{work}-{name}", each / 1000, "ms");
                }

                results.Figure($"disk-{work}-noxsd-over-blkback", results.Median($"disk-{work}-noxsd", 0) / results.Median($"disk-{work}-blkback", 0), "ratio");
            }
        }
        finally
        {
            File.Delete(image);
            results.Write(output, "disks");
        }
    }

    private double MicrosecondsEach(LvmHost host, string image, string words, DeviceMethod method)
    {
        var domain = host.CreateDomain(DomainConfig.From(new DomainConfigDraft
        {
            Name = $"disk-traffic-{Environment.ProcessId}",
            Kernel = guest,
            MemoryMiB = 4,
            VcpuCount = 1,
            Type = Hypervisor.GuestType.PVH,
            CommandLine = words,
            DeviceMethod = method,
            Vbds = [new DiskConfig(image, DiskType.File, "xvda", DiskAccess.ReadWrite)],
        }));
        try
        {
            var line = host.Consoles.WaitForLine(domain.Key, new Regex(@"KiB in (\d+) us, (\d+) requests, .* 0 errors"), Patience);
            var match = Regex.Match(line, @"KiB in (\d+) us, (\d+) requests");
            return double.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) / double.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture);
        }
        finally
        {
            host.DestroyDomain(domain.Key);
        }
    }
}
