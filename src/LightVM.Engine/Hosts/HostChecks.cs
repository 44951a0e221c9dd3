using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Noxs;
using LightVM.Trust;
using LightVM.Xen;

namespace LightVM.Hosts;

/// <summary>The check list that tells whether this machine can run domains, and what to do where it cannot.</summary>
public static class HostChecks
{
    /// <summary>Where xenconsoled writes its process id.</summary>
    private static readonly string[] ConsoleDaemonPidFiles = ["/run/xen/xenconsoled.pid", "/var/run/xenconsoled.pid"];

    /// <summary>Looks at this machine: is it a dom0, which Xen, which libraries, which daemons, which privileges. Never throws.</summary>
    public static IReadOnlyList<HostCheck> RunLocal()
    {
        var checks = new List<HostCheck>
        {
            Check("Xen", XenHost.IsXen, "this machine runs under Xen", "this machine does not run under Xen", ErrorIds.XenNotRunning),
            Check("Control domain", XenHost.IsControlDomain, "this is dom0", "this is not dom0", ErrorIds.XenNotPrivileged),
            Check("Privileges", XenHost.IsRoot, "running as root", "not running as root", ErrorIds.XenNotPrivileged),
        };
        foreach (var library in NativeLibraries.All)
        {
            var (handle, fileOrProblem) = NativeLibraries.Load(library);
            checks.Add(handle != IntPtr.Zero
                ? Passed($"Library {library.Name}", fileOrProblem)
                : Failed($"Library {library.Name}", $"{fileOrProblem}; it is needed for {library.Purpose}", $"{ErrorCatalog.Get(ErrorIds.XenLibraryMissing).Remedy} ({library.Override})"));
        }

        foreach (var (name, open) in XenInterfaces.All)
        {
            // Without Xen there is nothing to open, and the libraries would complain on standard error.
            checks.Add(!XenHost.IsXen ? Failed(name, "there is no Xen to open it on", ErrorCatalog.Get(ErrorIds.XenNotRunning).Remedy) : Try(name, () =>
            {
                XenInterfaces.Probe(open);
                return Passed(name, "can be opened");
            }));
        }

        HypervisorInfo? found = null;
        checks.Add(Try("Hypervisor", () =>
        {
            using var hypervisor = XenHypervisor.Open();
            var info = found = hypervisor.GetInfo();
            return Passed("Hypervisor", $"{info.Kind} {info.Version}, {info.PhysicalCpus} CPUs, {info.FreeMemoryKiB / 1024} of {info.TotalMemoryKiB / 1024} MiB free");
        }));
        if (found is not null) checks.AddRange(DescribeGuestTypes(found));
        checks.Add(Try("Xenstore", () =>
        {
            using var store = XenstoreClient.Open();
            return Passed("Xenstore", store.Read("/local/domain/0/name") is { } name ? $"xenstored answers; the control domain is '{name}'" : "xenstored answers");
        }));
        checks.Add(ConsoleDaemonRuns()
            ? Passed("Console daemon", "xenconsoled runs")
            : new HostCheck("Console daemon", HostCheckStatus.Warning, "xenconsoled does not run: guests have no console", "Start xenconsoled (Debian: systemctl start xen)."));
        checks.Add(CheckNoxs(NoxsBackend.IsThere));
        checks.Add(CheckTls(OpenSsl.Name));
        return checks;
    }

    /// <summary>Whether guests can have their devices without a store. All others can be made without.</summary>
    internal static HostCheck CheckNoxs(bool isThere) => isThere
        ? Passed("noxs", $"'{NoxsBackend.DefaultPath}' is there, for guests without a store")
        : new HostCheck("noxs", HostCheckStatus.Warning, $"there is no '{NoxsBackend.DefaultPath}', by which guests without a store have their devices", ErrorCatalog.Get(ErrorIds.NoxsUnavailable).Remedy);

    /// <summary>Whether domains can be moved over TLS. All else works without, ssh as well.</summary>
    /// <param name="find">Gives the name of the library. Errors: TlsUnavailable.</param>
    internal static HostCheck CheckTls(Func<string> find)
    {
        var check = Try("TLS", () => Passed("TLS", $"{find()}, for moves to and from other hosts"));
        return check.Status == HostCheckStatus.Passed ? check : check with { Status = HostCheckStatus.Warning, Detail = $"{check.Detail}; without it there are no keys, and domains move over ssh only" };
    }

    private static IEnumerable<HostCheck> DescribeGuestTypes(HypervisorInfo info)
    {
        yield return Check("64-bit PV guests", info.SupportsPV64, "supported", "not supported by this hypervisor", ErrorIds.GuestTypeUnsupported);
        yield return info.SupportsPvh
            ? Passed("PVH guests", "supported")
            : new HostCheck("PVH guests", HostCheckStatus.Warning, "this host has no hardware virtualisation with nested paging", "Switch VT-x or AMD-V on in the firmware; PV guests work without it.");
    }

    private static bool ConsoleDaemonRuns() => ConsoleDaemonPidFiles
        .Select(XenHost.ReadFirstLine)
        .Any(pid => pid is not null && XenHost.ReadFirstLine($"/proc/{pid.Trim()}/comm") == "xenconsoled");

    private static HostCheck Check(string name, bool passed, string good, string bad, string errorId) =>
        passed ? Passed(name, good) : Failed(name, bad, ErrorCatalog.Get(errorId).Remedy);

    private static HostCheck Try(string name, Func<HostCheck> check)
    {
        try
        {
            return check();
        }
        catch (LvmException error)
        {
            return Failed(name, error.Errno is int errno ? $"{error.Problem} ({ErrnoText.Describe(errno)})" : error.Problem, error.Remedy);
        }
    }

    private static HostCheck Passed(string name, string detail) => new(name, HostCheckStatus.Passed, detail, "");

    private static HostCheck Failed(string name, string detail, string remedy) => new(name, HostCheckStatus.Failed, detail, remedy);
}
