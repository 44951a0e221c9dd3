using LightVM.Devices;
using LightVM.Errors;

namespace LightVM.Services;

/// <summary>The device daemon, <c>lightvm devd</c>.</summary>
internal sealed class DeviceDaemonService() : DaemonService(ServiceName, Description, Unit)
{
    public const string ServiceName = "devd";
    public const string Description = "Gives guests' devices what they need of this host, and carries out what happens when guests end";
    public const string Unit = "lightvm-devd.service";

    private readonly DeviceDaemonClient _client = new();

    protected override HostService? Ask(HostService service)
    {
        try
        {
            return _client.TryGetStatus() is not { } status ? null : service with
            {
                StartTime = status.StartTime,
                Version = status.Version,
                NetworkAdapterCount = status.Vifs,
                DiskCount = status.Vbds,
                ClientCount = status.Clients,
            };
        }
        catch (LvmException error) when (error.ErrorId == ErrorIds.DeviceFailure)
        {
            return null;
        }
    }

    protected override void Dispose(bool disposing) => _client.Dispose();
}
