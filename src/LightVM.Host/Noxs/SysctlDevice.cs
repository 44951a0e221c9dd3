using LightVM.Host.Devices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>The device by which a guest is asked to power off, suspend, reboot.</summary>
internal sealed unsafe class SysctlDevice(IWorker worker, ushort domain, DaemonLog log, in SharedPage page, uint port)
    : ControlledDevice(worker, domain, 0, log, page, port)
{
    public override DeviceType Type => DeviceType.Sysctl;

    /// <summary>Called when the guest takes leave: before it suspends or ends it does.</summary>
    public Action? Left { get; set; }

    private SysctlPage* Page => (SysctlPage*)Control;

    /// <summary>Asks the guest, now or as soon as it looks.</summary>
    public void Request(CloseRequest request)
    {
        Volatile.Write(ref *(byte*)&Page->Request, (byte)(request switch
        {
            CloseRequest.PowerOff => SysctlBits.PowerOff,
            CloseRequest.Suspend => SysctlBits.Suspend,
            _ => SysctlBits.Reboot,
        }));
        Tell();
    }

    protected override void Fill()
    {
    }

    protected override Connecting Connect() => Connecting.Done;

    protected override void Disconnect() => Left?.Invoke();

    /// <summary>A request that was answered is none any more: the guest may go on after it, as after a suspension.</summary>
    protected override void Reset() => Volatile.Write(ref *(byte*)&Page->Request, 0);
}
