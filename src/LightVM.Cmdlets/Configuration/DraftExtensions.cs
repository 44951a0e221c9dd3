using LightVM.Configuration;

namespace LightVM.Cmdlets.Configuration;

/// <summary>How parameters and configurations come together.</summary>
internal static class DraftExtensions
{
    /// <summary>Puts what <paramref name="changes"/> says over what the draft says. An empty ramdisk or command line takes it away.</summary>
    public static DomainConfigDraft With(this DomainConfigDraft draft, DomainConfigDraft changes)
    {
        draft.Name = changes.Name ?? draft.Name;
        draft.Kernel = changes.Kernel ?? draft.Kernel;
        draft.Ramdisk = changes.Ramdisk ?? draft.Ramdisk;
        draft.CommandLine = changes.CommandLine ?? draft.CommandLine;
        draft.MemoryMiB = changes.MemoryMiB ?? draft.MemoryMiB;
        draft.MaxMemoryMiB = changes.MaxMemoryMiB ?? draft.MaxMemoryMiB;
        draft.VcpuCount = changes.VcpuCount ?? draft.VcpuCount;
        draft.CpuMap = changes.CpuMap ?? draft.CpuMap;
        draft.AddressSize = changes.AddressSize ?? draft.AddressSize;
        draft.Paused = changes.Paused ?? draft.Paused;
        draft.Vifs = changes.Vifs ?? draft.Vifs;
        draft.Vbds = changes.Vbds ?? draft.Vbds;
        draft.Type = changes.Type ?? draft.Type;
        draft.DeviceMethod = changes.DeviceMethod ?? draft.DeviceMethod;
        draft.Uuid = changes.Uuid ?? draft.Uuid;
        draft.Console = changes.Console ?? draft.Console;
        draft.OnPoweroff = changes.OnPoweroff ?? draft.OnPoweroff;
        draft.OnReboot = changes.OnReboot ?? draft.OnReboot;
        draft.OnCrash = changes.OnCrash ?? draft.OnCrash;
        return draft;
    }

    /// <summary>
    /// Makes the paths of kernel and ramdisk absolute, starting at <paramref name="directory"/>: PowerShell's location, which is
    /// not the process's directory. Where a configuration file lies does not matter, as with Chaos and xl.
    /// </summary>
    public static DomainConfigDraft StartingAt(this DomainConfigDraft draft, string directory)
    {
        draft.Kernel = Absolute(draft.Kernel, directory);
        draft.Ramdisk = Absolute(draft.Ramdisk, directory);
        return draft;
    }

    private static string? Absolute(string? path, string directory) =>
        string.IsNullOrEmpty(path) || Path.IsPathRooted(path) ? path : Path.GetFullPath(path, directory);
}
