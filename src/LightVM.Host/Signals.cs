using System.Runtime.InteropServices;

namespace LightVM.Host;

/// <summary>
/// SIGINT, SIGTERM and SIGHUP as a cancellation token, for commands that must not end in the middle of something. Before the first
/// <see cref="Arm"/> and after its end they do what they do to any process; a second signal always does.
/// </summary>
internal sealed class Signals : IDisposable
{
    private static readonly (PosixSignal Signal, int Number)[] Caught =
    [
        (PosixSignal.SIGHUP, 1),
        (PosixSignal.SIGINT, 2),
        (PosixSignal.SIGTERM, 15),
    ];

    private readonly CancellationTokenSource _source = new();
    private readonly List<PosixSignalRegistration> _registrations = [];
    private readonly bool _ofProcess;
    private int _armed;
    private int _received;

    /// <param name="ofProcess">Whether this process's signals count, or only <see cref="Raise"/>.</param>
    public Signals(bool ofProcess)
    {
        _ofProcess = ofProcess;
    }

    public CancellationToken Token => _source.Token;

    /// <summary>128 plus the number of the signal that came; null when none did.</summary>
    public int? ExitCode => _received == 0 ? null : ExitCodes.Signal + _received;

    /// <summary>Done when a second signal is about to end the process.</summary>
    public Action? LastWords { get; set; }

    /// <summary>Catches signals until the result is disposed. May be nested.</summary>
    public IDisposable Arm()
    {
        if (_armed++ == 0 && _ofProcess)
        {
            foreach (var (signal, number) in Caught)
                _registrations.Add(PosixSignalRegistration.Create(signal, context => context.Cancel = Raise(number)));
        }

        return new Disarming(this);
    }

    /// <summary>Does what a signal does; false when it is not the first.</summary>
    public bool Raise(int number)
    {
        if (Interlocked.CompareExchange(ref _received, number, 0) != 0)
        {
            LastWords?.Invoke();
            return false;
        }

        _source.Cancel();
        return true;
    }

    public void Dispose()
    {
        Release();
        _source.Dispose();
    }

    private void Release()
    {
        foreach (var registration in _registrations) registration.Dispose();
        _registrations.Clear();
    }

    private sealed class Disarming(Signals signals) : IDisposable
    {
        public void Dispose()
        {
            if (--signals._armed == 0) signals.Release();
        }
    }
}
