using System.Net;
using System.Net.Sockets;
using System.Text;
using LightVM.Hypervisor;

namespace LightVM.Configuration;

/// <summary>
/// Every rule that a domain configuration obeys, wherever it comes from. What belongs to the file format alone
/// (types, unknown and repeated keys) is <see cref="DomainConfigReader"/>'s.
/// </summary>
internal sealed class DomainConfigRules
{
    /// <summary>16 TiB: no limit of Xen's, but beyond any host, so that a slip (bytes or KiB for MiB) is seen here.</summary>
    internal const int MaxMemoryMiB = 16 << 20;

    /// <summary>Chaos' limits on vCPUs and physical CPUs; 128 is also Xen's HVM_MAX_VCPUS.</summary>
    internal const int MaxVcpus = 128;
    internal const int MaxPhysicalCpus = 256;

    /// <summary>Chaos' limit on devices of one kind.</summary>
    internal const int MaxDevices = 16;

    /// <summary>No limit of Xen's either: interfaces are named vifDOMAIN.NUMBER in the 15 characters that Linux has for that.</summary>
    private const int MaxVifId = 255;

    /// <summary>No limit of Xen's, but far beyond what netback offers by itself: a queue for each CPU of its domain, and at most eight.</summary>
    internal const int MaxQueues = 64;

    /// <summary>PV: start_info.cmd_line in Xen's public/xen.h is 1024 bytes with the closing NUL, and libxc cuts silently.</summary>
    internal const int MaxCommandLinePv = 1024 - 1;

    /// <summary>PVH: libxc takes any length; one page with the NUL is more than any kernel keeps (Linux: 2048).</summary>
    internal const int MaxCommandLinePvh = 4096 - 1;

    /// <summary>Linux' PATH_MAX, less the NUL.</summary>
    internal const int MaxPath = 4096 - 1;

    /// <summary>Linux' IFNAMSIZ, less the NUL.</summary>
    internal const int MaxInterfaceName = 16 - 1;

    /// <summary>What Chaos writes for an interface without an address.</summary>
    internal const string NoIp = "0.0.0.0";

    private readonly List<ConfigError> errors = [];
    private readonly bool complete;

    private DomainConfigRules(bool complete) => this.complete = complete;

    /// <summary>Everything that is wrong with a draft.</summary>
    /// <param name="draft">The draft.</param>
    /// <param name="requireKernel">Whether a kernel has to be named, as in a file from which a domain is to be created.</param>
    /// <param name="complete">
    /// False for what could be read of a broken file: then nothing is wrong that the missing rest could put right.
    /// </param>
    internal static List<ConfigError> Check(DomainConfigDraft draft, bool requireKernel = false, bool complete = true)
    {
        var rules = new DomainConfigRules(complete);
        rules.CheckNameAndKernel(draft, requireKernel);
        rules.CheckMemory(draft);
        rules.CheckVcpus(draft);
        rules.CheckGuestType(draft);
        rules.CheckVifs(draft.Vifs ?? []);
        rules.CheckVbds(draft.Vbds ?? []);
        rules.CheckLifecycle(draft);
        return rules.errors;
    }

    /// <summary>Everything that is wrong with an interface of its own, as for one that is added to a domain. Paths begin at the interface: "$.mac".</summary>
    internal static IReadOnlyList<ConfigError> Check(NetworkConfig vif)
    {
        var rules = new DomainConfigRules(complete: true);
        rules.CheckVif("$", vif);
        return rules.errors;
    }

    /// <summary>Everything that is wrong with a disk of its own, as for one that is added to a domain. Paths begin at the disk: "$.vdev".</summary>
    internal static IReadOnlyList<ConfigError> Check(DiskConfig vbd)
    {
        var rules = new DomainConfigRules(complete: true);
        rules.CheckVbd("$", vbd);
        return rules.errors;
    }

    /// <summary>A valid interface in the one spelling that a <see cref="DomainConfig"/> has for it.</summary>
    internal static NetworkConfig Canonical(NetworkConfig vif, int? place = null) => vif with
    {
        Ip = vif.Ip == NoIp ? null : vif.Ip,
        Mac = MacAddress.TryParse(vif.Mac ?? "", out var mac, out _) && mac != MacAddress.None ? mac : null,
        Rate = RateLimit.TryParse(vif.Rate ?? "", out var rate, out _) ? rate.ToString() : null,
        DeviceId = vif.DeviceId == place ? null : vif.DeviceId,
    };

    private void CheckNameAndKernel(DomainConfigDraft draft, bool requireKernel)
    {
        if (draft.Name is null) Missing("$.name");
        else if (!DomainName.IsValid(draft.Name, out var why)) Wrong("$.name", why);

        if (draft.Kernel is not null) CheckPath("$.kernel", draft.Kernel);
        else if (requireKernel) Missing("$.kernel");

        if (!string.IsNullOrEmpty(draft.Ramdisk)) CheckPath("$.ramdisk", draft.Ramdisk);
        if (draft.CommandLine is null) return;

        var isPv = draft.Type == GuestType.PV || (draft.Type is null && complete);
        CheckText("$.cmdline", draft.CommandLine, isPv ? MaxCommandLinePv : MaxCommandLinePvh, isPv ? " for a PV guest" : "");
    }

    private void CheckMemory(DomainConfigDraft draft)
    {
        if (draft.MemoryMiB is not int memory) Missing("$.memory");
        else if (memory is < 1 or > MaxMemoryMiB) Wrong("$.memory", $"must be 1 to {MaxMemoryMiB} (MiB)");

        if (draft.MaxMemoryMiB is not int most) return;
        if (most is < 1 or > MaxMemoryMiB) Wrong("$.max_memory", $"must be 1 to {MaxMemoryMiB} (MiB)");
        else if (most < draft.MemoryMiB) Wrong("$.max_memory", $"must be at least the memory, {draft.MemoryMiB} (MiB)");
    }

    private void CheckVcpus(DomainConfigDraft draft)
    {
        // The format has a number, or an object with a number and a map.
        var path = draft.CpuMap is null ? "$.vcpus" : "$.vcpus.count";
        if (draft.VcpuCount is not int count) Missing(path);
        else if (count is < 1 or > MaxVcpus) Wrong(path, $"must be 1 to {MaxVcpus}");

        if (draft.CpuMap is not { } map) return;
        if (draft.VcpuCount is >= 1 and <= MaxVcpus && map.Count > draft.VcpuCount)
            Wrong("$.vcpus.cpumap", $"has {map.Count} entries for {draft.VcpuCount} vCPUs");

        for (var vcpu = 0; vcpu < map.Count; vcpu++) CheckAffinity($"$.vcpus.cpumap[{vcpu}]", map[vcpu]);
    }

    private void CheckAffinity(string path, IReadOnlyList<int>? cpus)
    {
        if (cpus is null || cpus.Count == 0)
        {
            Wrong(path, "must name at least one physical CPU");
            return;
        }

        var seen = new HashSet<int>();
        for (var i = 0; i < cpus.Count; i++)
        {
            if (cpus[i] is < 0 or >= MaxPhysicalCpus) Wrong($"{path}[{i}]", $"must be a physical CPU, 0 to {MaxPhysicalCpus - 1}");
            else if (!seen.Add(cpus[i])) Wrong($"{path}[{i}]", $"names CPU {cpus[i]} again");
        }
    }

    private void CheckGuestType(DomainConfigDraft draft)
    {
        if (draft.Type is not (null or GuestType.PV or GuestType.PVH)) Wrong("$.xen.pvh", "the guest type must be PV or PVH; other types cannot be created here");

        if (draft.AddressSize is not (null or 32 or 64)) Wrong("$.address_size", "must be 32 or 64");
        else if (draft.AddressSize == 32 && draft.Type == GuestType.PVH) Wrong("$.address_size", "must be 64 for a PVH guest; only a PV guest can be 32");

        CheckWord("$.xen.dev_method", draft.DeviceMethod, ConfigWords.DeviceMethods);
        if (draft.Uuid == Guid.Empty) Wrong("$.uuid", "must not be all zeros, which Xen takes for none");
    }

    private void CheckLifecycle(DomainConfigDraft draft)
    {
        CheckWord("$.on_poweroff", draft.OnPoweroff, ConfigWords.LifecycleActions);
        CheckWord("$.on_reboot", draft.OnReboot, ConfigWords.LifecycleActions);
        CheckWord("$.on_crash", draft.OnCrash, ConfigWords.LifecycleActions);
    }

    private void CheckVifs(IReadOnlyList<NetworkConfig> vifs)
    {
        if (vifs.Count > MaxDevices) Wrong("$.vifs", $"has {vifs.Count} interfaces, at most {MaxDevices} are allowed");

        var holders = new Dictionary<string, int>(StringComparer.Ordinal);
        var ids = new Dictionary<int, int>();
        for (var i = 0; i < vifs.Count; i++)
        {
            var path = $"$.vifs[{i}]";
            if (vifs[i] is not { } vif)
            {
                Wrong(path, "must not be null");
                continue;
            }

            if (vif.DeviceId is < 0 or > MaxVifId) Wrong($"{path}.id", $"must be 0 to {MaxVifId}");
            else if (!ids.TryAdd(vif.DeviceId ?? i, i)) Wrong($"{path}.id", $"is the number of $.vifs[{ids[vif.DeviceId ?? i]}] already");
            if (CheckVif(path, vif) is { } mac && !holders.TryAdd(mac, i)) Wrong($"{path}.mac", $"is the address of $.vifs[{holders[mac]}] already");
        }
    }

    /// <returns>The interface's hardware address, null when it has none or a wrong one.</returns>
    private string? CheckVif(string path, NetworkConfig vif)
    {
        if (vif.Ip is not null && !IsAddress(vif.Ip)) Wrong($"{path}.ip", "must be an IPv4 or IPv6 address, such as \"10.0.0.2\"");
        if (vif.Bridge is not null) CheckBridge($"{path}.bridge", vif.Bridge);
        if (vif.Rate is not null && !RateLimit.TryParse(vif.Rate, out _, out var why)) Wrong($"{path}.rate", why);
        if (vif.QueueCount is < 1 or > MaxQueues) Wrong($"{path}.queues", $"must be 1 to {MaxQueues}");
        if (vif.Mac is null) return null;

        if (MacAddress.TryParse(vif.Mac, out var mac, out why)) return mac == MacAddress.None ? null : mac;
        Wrong($"{path}.mac", why);
        return null;
    }

    private void CheckBridge(string path, string bridge)
    {
        // The kernel's own rule, dev_valid_name() in net/core/dev.c.
        if (bridge.Length == 0 || bridge is "." or ".." || bridge.Any(c => c is '/' or ':' || char.IsWhiteSpace(c)))
            Wrong(path, "must be the name of an interface: not empty, without '/', ':' and white space");
        else
            CheckText(path, bridge, MaxInterfaceName);
    }

    private void CheckVbds(IReadOnlyList<DiskConfig> vbds)
    {
        if (vbds.Count > MaxDevices) Wrong("$.vbds", $"has {vbds.Count} disks, at most {MaxDevices} are allowed");

        var holders = new Dictionary<int, int>();
        for (var i = 0; i < vbds.Count; i++)
        {
            var path = $"$.vbds[{i}]";
            if (vbds[i] is not { } vbd)
            {
                Wrong(path, "must not be null");
                continue;
            }

            if (CheckVbd(path, vbd) is { } id && !holders.TryAdd(id, i)) Wrong($"{path}.vdev", $"is the same device as $.vbds[{holders[id]}].vdev (device id {id})");
        }
    }

    /// <returns>The disk's device id, null when it has none or a wrong one.</returns>
    private int? CheckVbd(string path, DiskConfig vbd)
    {
        CheckPath($"{path}.target", vbd.Target);
        CheckWord($"{path}.type", vbd.Type, ConfigWords.DiskTypes);
        CheckWord($"{path}.access", vbd.Access, ConfigWords.DiskAccesses);

        if (vbd.VirtualDevice is null) Missing($"{path}.vdev");
        else if (VirtualDevice.TryParse(vbd.VirtualDevice, out var id, out var why)) return id;
        else Wrong($"{path}.vdev", why);
        return null;
    }

    private void CheckPath(string path, string? value)
    {
        if (value is null) Missing(path);
        else if (value.Length == 0) Wrong(path, "must not be empty");
        else CheckText(path, value, MaxPath);
    }

    /// <summary>Text that ends up as a C string in UTF-8.</summary>
    private void CheckText(string path, string value, int maxBytes, string context = "")
    {
        if (value.Contains('\0')) Wrong(path, "must not contain a NUL character");
        else if (HasLoneSurrogate(value)) Wrong(path, "contains half of a surrogate pair, which is no character");
        else if (Encoding.UTF8.GetByteCount(value) is var bytes && bytes > maxBytes) Wrong(path, $"has {bytes} bytes, at most {maxBytes} are allowed{context}");
    }

    private void CheckWord<T>(string path, T? value, WordTable<T> words)
        where T : struct, Enum
    {
        if (value is { } given && !words.Has(given)) Wrong(path, $"must be {words.Choices}");
    }

    private void Missing(string path) => Wrong(path, "is missing");

    private void Wrong(string path, string message) => errors.Add(new ConfigError(path, message));

    private static bool HasLoneSurrogate(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (!char.IsSurrogate(text[i])) continue;
            if (i + 1 == text.Length || !char.IsSurrogatePair(text[i], text[i + 1])) return true;
            i++;
        }

        return false;
    }

    /// <summary>Stricter than IPAddress, which also takes "10.1", "0x0a000001", scopes and brackets.</summary>
    private static bool IsAddress(string text)
    {
        if (!IPAddress.TryParse(text, out var address)) return false;
        return address.AddressFamily == AddressFamily.InterNetwork
            ? address.ToString() == text
            : text.All(c => char.IsAsciiHexDigit(c) || c is ':' or '.');
    }
}
