using LightVM.Configuration;
using LightVM.Hypervisor;

namespace LightVM.Bench;

/// <summary>What the guest that everybody creates has of devices.</summary>
/// <param name="Bridge">Where its interface is; null for none.</param>
/// <param name="Disk">An image file; null for none.</param>
internal sealed record GuestDevices(string? Bridge, string? Disk)
{
    public const string VirtualDevice = "xvda";

    /// <summary>Part of the names of figures.</summary>
    public string Name => (Bridge, Disk) switch { (null, null) => "none", (_, null) => "vif", (null, _) => "disk", _ => "vif-disk" };
}

/// <summary>The guest that everybody creates, in every language.</summary>
internal sealed class GuestFiles : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("lightvm-bench-");

    public GuestFiles(string kernel, int memoryMiB, Pause pause, GuestDevices? devices = null, GuestType type = GuestType.PV, DeviceMethod method = DeviceMethod.Xenstore)
    {
        Kernel = kernel;
        MemoryMiB = memoryMiB;
        Pause = pause;
        Type = type;
        Method = method;
        Devices = devices ?? new GuestDevices(null, null);
        Json = Path.Combine(_directory.FullName, "guest.json");
        DomainConfigJson.WriteFile(Config("guest"), Json, overwrite: false);
    }

    public string Kernel { get; }

    public int MemoryMiB { get; }

    public Pause Pause { get; }

    public GuestType Type { get; }

    /// <summary>How it learns of its devices, where our toolstack makes it: nobody else has a choice.</summary>
    public DeviceMethod Method { get; }

    public GuestDevices Devices { get; }

    /// <summary>A configuration file for lightvm and the cmdlet.</summary>
    public string Json { get; }

    public DomainConfig Config(string name) => DomainConfig.From(new DomainConfigDraft
    {
        Name = name,
        Type = Type,
        DeviceMethod = Method,
        Kernel = Kernel,
        MemoryMiB = MemoryMiB,
        VcpuCount = 1,
        Vifs = Devices.Bridge is null ? [] : [new NetworkConfig(null, null, Devices.Bridge)],
        Vbds = Devices.Disk is null ? [] : [new DiskConfig(Devices.Disk, DiskType.File, GuestDevices.VirtualDevice, DiskAccess.ReadWrite)],
    });

    /// <summary>A configuration file for xl.</summary>
    /// <param name="script">Runs in place of Xen's hotplug scripts; null for these.</param>
    public string Xl(string name, string? script = null)
    {
        var path = Path.Combine(_directory.FullName, "guest.cfg");
        var text = $"name = \"{name}\"\ntype = \"{(Type == GuestType.PVH ? "pvh" : "pv")}\"\nkernel = \"{Kernel}\"\nmemory = {MemoryMiB}\nvcpus = 1\n";
        var chosen = script is null ? "" : $"script={script},";
        if (Devices.Bridge is { } bridge) text += $"vif = [ \"{chosen}bridge={bridge}\" ]\n";
        if (Devices.Disk is { } disk) text += $"disk = [ \"format=raw,vdev={GuestDevices.VirtualDevice},access=rw,{chosen}target={disk}\" ]\n";
        File.WriteAllText(path, text);
        return path;
    }

    public void Dispose() => _directory.Delete(recursive: true);
}
