using LightVM.Errors;

namespace LightVM.Services;

/// <summary>The daemons of this toolstack on a host.</summary>
public sealed class HostServices
{
    private readonly IReadOnlyList<IManagedService> _services;

    internal HostServices(IReadOnlyList<IManagedService> services)
    {
        _services = services;
    }

    /// <summary>All services, whether they run or not.</summary>
    public IReadOnlyList<HostService> List() => _services.Select(service => service.Get()).ToList();

    /// <summary>How a service does. Errors: ServiceNotFound.</summary>
    public HostService Get(string name) => Find(name).Get();

    /// <summary>Starts a service, and returns when it is ready. One that runs is left alone. Errors: ServiceNotFound, ServiceFailure, OperationCancelled.</summary>
    public HostService Start(string name, CancellationToken cancellation = default) => Do(name, "start", service => service.Start(cancellation));

    /// <summary>Stops a service, and returns when it has ended. One that does not run is left alone. Errors: ServiceNotFound, ServiceFailure, OperationCancelled.</summary>
    public HostService Stop(string name, CancellationToken cancellation = default) => Do(name, "stop", service => service.Stop(cancellation));

    internal void Dispose()
    {
        foreach (var service in _services) service.Dispose();
    }

    private HostService Do(string name, string verb, Action<IManagedService> work)
    {
        var service = Find(name);
        try
        {
            work(service);
            return service.Get();
        }
        catch (LvmException error)
        {
            throw error.During($"{verb} service '{service.Name}'");
        }
        catch (OperationCanceledException error)
        {
            throw new LvmException(ErrorIds.OperationCancelled, "it was cancelled", error).During($"{verb} service '{service.Name}'");
        }
    }

    private IManagedService Find(string name) => _services.FirstOrDefault(service => service.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new LvmException(ErrorIds.ServiceNotFound, $"there is no service '{name}'; there is {string.Join(", ", _services.Select(service => service.Name))}");
}
