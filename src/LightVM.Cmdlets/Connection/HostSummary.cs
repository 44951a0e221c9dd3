using LightVM.Hypervisor;

namespace LightVM.Cmdlets.Connection;

/// <summary>The connected host, as Get-LvmHost shows it. Memory is as of the moment it was asked.</summary>
public sealed record HostSummary
{
    /// <summary>"Xen" or "Simulated".</summary>
    public required string Kind { get; init; }

    public required string Version { get; init; }

    /// <summary>The hypervisor's own words for the guests that it runs.</summary>
    public required IReadOnlyList<string> Capabilities { get; init; }

    /// <summary>The same in ours: "PV (64-bit)", "PV (32-bit)", "PVH".</summary>
    public required IReadOnlyList<string> GuestTypes { get; init; }

    public required int PhysicalCpus { get; init; }

    public required long TotalMemoryMiB { get; init; }

    public required long FreeMemoryMiB { get; init; }

    public required DateTimeOffset ConnectedSince { get; init; }

    internal static HostSummary Of(OpenHost open)
    {
        var info = open.Host.GetInfo();
        return new HostSummary
        {
            Kind = info.Kind,
            Version = info.Version,
            Capabilities = info.Capabilities.Split(' ', StringSplitOptions.RemoveEmptyEntries),
            GuestTypes = GuestTypesOf(info),
            PhysicalCpus = info.PhysicalCpus,
            TotalMemoryMiB = info.TotalMemoryKiB / 1024,
            FreeMemoryMiB = info.FreeMemoryKiB / 1024,
            ConnectedSince = open.Since,
        };
    }

    private static string[] GuestTypesOf(HypervisorInfo info)
    {
        (bool Offered, string Words)[] all = [(info.SupportsPV64, "PV (64-bit)"), (info.SupportsPV32, "PV (32-bit)"), (info.SupportsPvh, "PVH")];
        return all.Where(type => type.Offered).Select(type => type.Words).ToArray();
    }
}
