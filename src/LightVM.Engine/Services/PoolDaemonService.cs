using LightVM.Errors;
using LightVM.Pools;

namespace LightVM.Services;

/// <summary>The pool daemon, <c>lightvm poold</c>.</summary>
internal sealed class PoolDaemonService() : DaemonService(ServiceName, Description, Unit)
{
    public const string ServiceName = "poold";
    public const string Description = "Keeps domains ready that have not been asked for yet";
    public const string Unit = "lightvm-poold.service";

    private readonly PoolDaemonClient _client = new();

    protected override HostService? Ask(HostService service)
    {
        try
        {
            var status = _client.GetStatus();
            return service with { StartTime = status.StartTime, Version = status.Version, ShellCount = status.Ready, ClientCount = status.Clients };
        }
        catch (LvmException error) when (error.ErrorId is ErrorIds.PoolDaemonUnavailable or ErrorIds.ServiceFailure)
        {
            return null;
        }
    }

    protected override void Dispose(bool disposing) => _client.Dispose();
}
