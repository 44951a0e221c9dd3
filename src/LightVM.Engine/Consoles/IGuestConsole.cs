namespace LightVM.Consoles;

/// <summary>
/// A domain's console, read by one of any number of readers: each gets all that is kept of what the guest has written, and all that
/// it writes from then on. Reading and writing may be done by two threads.
/// </summary>
public interface IGuestConsole : IDisposable
{
    /// <summary>How long after the last read something may come that the guest had written before: the end of the backlog is where nothing does.</summary>
    TimeSpan Lag { get; }

    /// <summary>
    /// Waits for something to read. 0 at the end of the console, which is the domain's; null when nothing came in time.
    /// Errors: ConsoleUnavailable, HostFileFailure.
    /// </summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    int? Read(Span<byte> buffer, TimeSpan timeout, CancellationToken cancellation);

    /// <summary>
    /// Writes what is typed at the guest: keys, so that a line ends with a carriage return. Waits until the console daemon has taken it.
    /// Errors: ConsoleUnavailable, WaitTimeout.
    /// </summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    void Write(ReadOnlySpan<byte> bytes, TimeSpan timeout, CancellationToken cancellation);
}
