using LightVM.Hosts;

namespace LightVM.Host.Devices;

/// <summary>Carries out what domains' configurations say of their guests' ends, as any user of the engine could.</summary>
internal sealed class LifecycleTask(DaemonLog log) : IDaemonTask
{
    public string Name => "lifecycle";

    public void Run(CancellationToken cancellation)
    {
        using var host = LvmHost.OpenXen();
        new LifecycleActions(host, log.Notice).Run(cancellation);
    }
}
