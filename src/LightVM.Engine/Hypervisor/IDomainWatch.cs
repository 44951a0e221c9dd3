namespace LightVM.Hypervisor;

/// <summary>Tells when a domain has ended, as long as it is not disposed. Used by one thread.</summary>
public interface IDomainWatch : IDisposable
{
    /// <summary>Waits until a domain may have ended since the last call; the first call may return at once. False when the time was over.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    bool Wait(TimeSpan timeout, CancellationToken cancellation);
}
