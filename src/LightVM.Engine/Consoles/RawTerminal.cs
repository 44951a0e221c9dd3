using LightVM.Linux;

namespace LightVM.Consoles;

/// <summary>A terminal that passes every key on at once, Ctrl+C included, until this is disposed. What is no terminal is left alone.</summary>
internal sealed class RawTerminal : IDisposable
{
    private readonly int _file;
    private Libc.TerminalSettings _before;
    private int _changed;

    public RawTerminal(int file)
    {
        _file = file;
        if (Libc.IsTerminal(file) == 0 || Libc.GetTerminal(file, ref _before) != 0) return;
        var raw = _before;
        Libc.MakeRaw(ref raw);
        if (Libc.SetTerminal(file, Libc.SetWhenDrained, ref raw) == 0) _changed = 1;
    }

    public bool IsRaw => _changed != 0;

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _changed, 0) != 0) _ = Libc.SetTerminal(_file, Libc.SetWhenDrained, ref _before);
    }
}
