using LightVM.Consoles;
using LightVM.Hypervisor;

namespace LightVM.Unit.Consoles;

/// <summary>A console as on Xen: a pseudo-terminal with a guest behind it, a folder for spools, and one for Xen's locks.</summary>
internal sealed class TestConsole : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lightvm-console-");
    private volatile bool _exists = true;

    public PseudoTerminal Guest { get; } = new();

    public DomainKey Key { get; } = new(7, Guid.NewGuid());

    public string Folder => _folder.FullName;

    public string Spool => ConsoleSpools.PathOf(Folder, Key.Uuid);

    public ConsoleSource Source => new()
    {
        Key = Key,
        SpoolFolder = Folder,
        LockFolder = Folder,
        FindTerminal = () => Guest.Path,
        Exists = () => _exists,
    };

    public IGuestConsole Open() => new XenConsole(Source);

    /// <summary>The domain ends, and xenconsoled closes its console.</summary>
    public void End()
    {
        _exists = false;
        Guest.Hangup();
    }

    public void Dispose()
    {
        Guest.Dispose();
        _folder.Delete(recursive: true);
    }
}
