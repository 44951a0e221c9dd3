namespace LightVM.Linux;

/// <summary>A file that poll(2) finds readable once somebody has called <see cref="Wake"/>, until <see cref="Clear"/>. (eventfd)</summary>
internal sealed unsafe class WakeFile : IDisposable
{
    private readonly object _lock = new();
    private int _file;

    public WakeFile()
    {
        _file = Libc.EventFile(0, Libc.OpenCloseOnExec | Libc.OpenNonBlocking);
        if (_file < 0) throw Libc.Failure("eventfd");
    }

    /// <summary>What to poll for <see cref="Libc.PollIn"/>.</summary>
    public int File => _file;

    public void Wake()
    {
        ulong one = 1;
        lock (_lock)
        {
            if (_file >= 0) _ = Libc.Write(_file, (byte*)&one, sizeof(ulong));
        }
    }

    public void Clear()
    {
        ulong count;
        _ = Libc.Read(_file, (byte*)&count, sizeof(ulong));
    }

    public void Dispose()
    {
        lock (_lock)
        {
            if (_file >= 0) _ = Libc.Close(_file);
            _file = -1;
        }
    }
}
