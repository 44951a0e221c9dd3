using System.Globalization;
using System.Text;
using LightVM.Errors;
using LightVM.Host.Devices;
using LightVM.Linux;
using LightVM.Noxs;
using LightVM.Xen;

namespace LightVM.Host.Noxs;

/// <summary>How the noxs daemon is to run.</summary>
internal sealed record NoxsDaemonOptions
{
    /// <summary>Where its process id is.</summary>
    public string Folder { get; init; } = RunFolder.Path;

    /// <summary>Threads that serve devices, as long as an earlier daemon did not have another number.</summary>
    public int Workers { get; init; } = Math.Min(Environment.ProcessorCount, 4);

    /// <summary>Where guests' consoles are logged; null for nowhere.</summary>
    public string? ConsoleLogs { get; init; }
}

/// <summary>The noxs daemon: devices of guests that have no store, behind <c>/dev/xen/noxs_backend</c>.</summary>
internal static class NoxsDaemon
{
    public const string PidFileName = "noxsd.pid";
    public const string DeviceName = "xen/noxs_backend";

    private const string GrantDevice = "/dev/xen/gntalloc";
    private const string PortDevice = "/dev/xen/evtchn";

    /// <summary>How many pages may be granted from programs: one for each device.</summary>
    private const string GrantLimit = "/sys/module/xen_gntalloc/parameters/limit";
    private const int WantedGrants = 1 << 16;

    /// <summary>
    /// Runs until it is cancelled. Guests keep their devices after that, and stand still where they need them, until the next one runs. Errors:
    /// ServiceFailure where one runs already or a module of the kernel is missing, XenNotRunning, XenNotPrivileged, HostFileFailure.
    /// </summary>
    public static void Run(NoxsDaemonOptions options, DaemonLog log, ServiceNotifier notifier, CancellationToken cancellation)
    {
        using var hypervisor = XenHypervisor.Open();
        using var instance = InstanceLock.Take(options.Folder, PidFileName, "a noxs daemon", null);
        SystemCalls.RaiseFileLimit();
        RaiseGrantLimit(log);
        var folder = NoxsFiles.DaemonFolder;
        var note = Path.Combine(folder, "keeper");
        var keeper = DescriptorKeeper.Find(note, i => i == 0 ? GrantDevice : PortDevice);
        var isFirst = keeper is null;
        keeper ??= DescriptorKeeper.Start(note, [XenAccess.OpenGrants(), .. Enumerable.Range(0, Math.Max(options.Workers, 1)).Select(_ => XenAccess.OpenPorts())]);
        var workers = keeper.Files.Skip(1).Select((ports, number) => new Worker(number, new XenAccess(keeper.Files[0], ports))).ToList();
        using var host = new NoxsHost(hypervisor, workers, folder, options.ConsoleLogs, log);
        var service = new NoxsService(host, log);
        host.TakeOver(service, hasFiles: !isFirst);
        using var ends = new DomainEnds(hypervisor, service, log);
        service.Suspected = ends.Suspect;
        service.Begun = ends.Begin;
        using var device = new CuseDevice(DeviceName, service);
        device.Begin();
        WriteStatus();
        notifier.Ready("serving devices");
        var (guests, vifs, vbds) = service.Counts;
        log.Notice($"lightvm {CommandLine.Version} serves noxs devices{(guests > 0 ? $"; it has taken over {guests} guests with {vifs} interfaces and {vbds} disks" : "")}");
        try
        {
            DeviceDaemon.RunAll([device, host.Late, ends, new LooksTask(ends), .. workers], cancellation);
        }
        finally
        {
            notifier.Stopping();
            if (service.Counts.Guests == 0) keeper.End();
            else log.Notice("stopping; guests keep their devices, which rest until the next one runs");
            File.Delete(NoxsFiles.StatusFile);
            foreach (var worker in workers) worker.Dispose();
        }
    }

    private static void WriteStatus() => RunFile.Write(
        NoxsFiles.StatusFile,
        Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{CommandLine.Version} {DateTimeOffset.UtcNow.ToUnixTimeMilliseconds()}\n")));

    private static void RaiseGrantLimit(DaemonLog log)
    {
        if (!int.TryParse(XenHost.ReadFirstLine(GrantLimit), out var limit) || limit >= WantedGrants) return;
        try
        {
            File.WriteAllText(GrantLimit, WantedGrants.ToString(CultureInfo.InvariantCulture));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            log.Warning($"no more than {limit} devices can be made ('{GrantLimit}': {error.Message})");
        }
    }

    private sealed class LooksTask(DomainEnds ends) : IDaemonTask
    {
        public string Name => "looks for ends of domains";

        public void Run(CancellationToken cancellation) => ends.LookByItself(cancellation);
    }
}
