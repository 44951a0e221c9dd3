using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Consoles;

/// <summary>Where a domain's console is, and where what it writes is kept.</summary>
internal sealed record ConsoleSource
{
    public required DomainKey Key { get; init; }

    /// <summary>The folder of the spools.</summary>
    public required string SpoolFolder { get; init; }

    /// <summary>The device file of the console; null when there is none. Asked again whenever it is opened: another domain may get the same one later.</summary>
    public required Func<string?> FindTerminal { get; init; }

    /// <summary>Whether the domain is still there.</summary>
    public required Func<bool> Exists { get; init; }

    /// <summary>Whether a daemon fills the spool by itself, and the device file is only for what is typed.</summary>
    public bool IsWrittenElsewhere { get; init; }

    /// <summary>Where Xen's own client locks consoles.</summary>
    public string LockFolder { get; init; } = ConsoleLock.DefaultDirectory;

    public string SpoolPath => ConsoleSpools.PathOf(SpoolFolder, Key.Uuid);

    public static LvmException NoTerminal() => new(ErrorIds.ConsoleUnavailable, "xenconsoled has given it no console");
}
