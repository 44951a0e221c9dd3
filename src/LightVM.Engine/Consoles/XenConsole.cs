using LightVM.Linux;

namespace LightVM.Consoles;

/// <summary>One reader's place in a domain's console on Xen.</summary>
internal sealed class XenConsole(ConsoleSource source) : IGuestConsole
{
    /// <summary>xenconsoled passes on what it has kept for us in pieces: how long it may take for the next one.</summary>
    private static readonly TimeSpan DaemonLag = TimeSpan.FromMilliseconds(200);

    private SharedConsole? _shared;
    private int _terminal = -1;
    private long _offset;

    public TimeSpan Lag => (_shared ??= SharedConsole.Join(source)).MayLag ? DaemonLag : TimeSpan.Zero;

    public int? Read(Span<byte> buffer, TimeSpan timeout, CancellationToken cancellation)
    {
        _shared ??= SharedConsole.Join(source);
        var count = _shared.Read(ref _offset, buffer, timeout, cancellation);
        cancellation.ThrowIfCancellationRequested();
        return count;
    }

    public void Write(ReadOnlySpan<byte> bytes, TimeSpan timeout, CancellationToken cancellation)
    {
        if (_terminal < 0) _terminal = GuestTerminal.Open(source.FindTerminal() ?? throw ConsoleSource.NoTerminal());
        GuestTerminal.Write(_terminal, bytes, timeout, cancellation);
    }

    public void Dispose()
    {
        _shared?.Leave();
        _shared = null;
        if (_terminal >= 0) _ = Libc.Close(_terminal);
        _terminal = -1;
    }
}
