namespace LightVM.Services;

/// <summary>A service that can be looked at, started and stopped. Every failure is an <see cref="Errors.LvmException"/>.</summary>
internal interface IManagedService : IDisposable
{
    string Name { get; }

    /// <summary>How it does now.</summary>
    HostService Get();

    /// <summary>Starts it, and returns when it is ready. One that runs is left alone. Errors: ServiceFailure, OperationCancelled.</summary>
    void Start(CancellationToken cancellation);

    /// <summary>Stops it, and returns when it has ended. One that does not run is left alone. Errors: ServiceFailure, OperationCancelled.</summary>
    void Stop(CancellationToken cancellation);
}
