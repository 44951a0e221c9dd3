using LightVM.Consoles;
using LightVM.Hypervisor;

namespace LightVM.Noxs;

/// <summary>Consoles of guests that noxsd serves: it writes the spool that all readers read, and takes what is typed out of a FIFO.</summary>
internal static class NoxsConsole
{
    /// <summary>One reader's place in a console.</summary>
    /// <param name="exists">Whether the domain is still there.</param>
    /// <param name="backend">Has the FIFO when it is asked for the console, if not before.</param>
    public static IGuestConsole Open(DomainKey key, Func<bool> exists, INoxsBackend backend) => new XenConsole(new ConsoleSource
    {
        Key = key,
        SpoolFolder = NoxsFiles.ConsoleFolder,
        FindTerminal = () => NoxsFiles.InputOf(key.Id) is var path && (File.Exists(path) || backend.List(DeviceType.Console, (ushort)key.Id).Count > 0) ? path : null,
        Exists = exists,
        IsWrittenElsewhere = true,
    });
}
