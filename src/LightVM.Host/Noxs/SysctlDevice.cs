using LightVM.Host.Devices;
using LightVM.Noxs;

namespace LightVM.Host.Noxs;

/// <summary>The device by which a guest is asked to power off, suspend, reboot.</summary>
internal sealed unsafe class SysctlDevice(IWorker worker, ushort domain, DaemonLog log, in SharedPage page, uint port)
    : ControlledDevice(worker, domain, 0, log, page, port)
{
    private bool _asked;

    public override DeviceType Type => DeviceType.Sysctl;

    /// <summary>Called when the guest was asked, has answered, or takes leave: it may be about to end.</summary>
    public Action? Ending { get; set; }

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
        _asked = true;
        Tell();
        Ending?.Invoke();
    }

    /// <summary>Takes a request back; false where the guest has seen it, or there is none.</summary>
    public bool Withdraw() => Interlocked.Exchange(ref *(byte*)&Page->Request, 0) != 0;

    public override void OnPort(uint port)
    {
        base.OnPort(port);
        if (_asked) Ending?.Invoke();
    }

    /// <summary>Has the guest look at its device page.</summary>
    public void TellOfPage() => Tell();

    protected override void Fill()
    {
    }

    protected override Connecting Connect()
    {
        Needed?.Invoke();
        return Connecting.Done;
    }

    protected override void Disconnect() => Ending?.Invoke();

    /// <summary>A request that was answered is none any more: the guest may go on after it, as after a suspension.</summary>
    protected override void Reset() => Volatile.Write(ref *(byte*)&Page->Request, 0);
}
