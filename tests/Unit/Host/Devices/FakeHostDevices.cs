using System.Collections.Concurrent;
using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Host.Devices;

namespace LightVM.Unit.Host.Devices;

/// <summary>A host with the bridges and disks that a test gives it.</summary>
internal sealed class FakeHostDevices : IHostDevices
{
    public HashSet<string> Bridges { get; } = ["xenbr0"];

    /// <summary>Disks by their path.</summary>
    public Dictionary<string, DiskIdentity> Disks { get; } = [];

    /// <summary>Who has what besides the daemon's domains.</summary>
    public Dictionary<DiskIdentity, string> ForeignUsers { get; } = [];

    /// <summary>Held while a disk is examined, for a disk that is slow.</summary>
    public ManualResetEventSlim? Slowness { get; set; }

    public ConcurrentQueue<string> Calls { get; } = new();

    /// <summary>A disk at a path; its inode is its number.</summary>
    public DiskIdentity AddFile(string path) => Disks[path] = new DiskIdentity(false, 8, 1, (ulong)Disks.Count + 1);

    public bool IsBridge(string name) => Bridges.Contains(name);

    public DiskIdentity Examine(DiskConfig disk)
    {
        if (disk.Target.Contains("slow", StringComparison.Ordinal)) Slowness?.Wait();
        return Disks.TryGetValue(disk.Target, out var identity) ? identity : throw new LvmException(ErrorIds.DiskNotFound, $"disk '{disk.Target}' does not exist") { Errno = 2 };
    }

    public string? FindForeignUser(DiskIdentity disk, DiskAccess access, OwnDisks ours) => ForeignUsers.GetValueOrDefault(disk);

    public void AttachInterface(string name, string? bridge) => Calls.Enqueue($"attach {name} {bridge}");

    public void DetachInterface(string name) => Calls.Enqueue($"detach {name}");

    public LoopDevice Bind(DiskConfig disk, string label) => throw new LvmException(ErrorIds.DeviceFailure, "there are no loop devices here");

    public string? PathOfDevice(uint major, uint minor) => (major, minor) == (7, 3) ? "/disks/a.img" : null;

    public void Unbind(uint minor) => Calls.Enqueue($"unbind {minor}");
}
