using System.Management.Automation;

namespace LightVM.Cmdlets.Commands;

/// <summary>Cmdlets that take devices away from domains: with the guest's consent, for which they wait, or without it.</summary>
public abstract class RemoveDeviceCmdlet : DomainCmdlet
{
    [Parameter]
    public SwitchParameter Force { get; set; }

    [Parameter]
    [ValidateRange(1, MaxSeconds)]
    public int Timeout { get; set; }

    private protected TimeSpan? Patience => Seconds(nameof(Timeout), Timeout);
}

/// <summary>Cmdlets that give devices to domains.</summary>
public abstract class AddDeviceCmdlet : ChangingDomainCmdlet
{
    [Parameter]
    [ValidateRange(1, MaxSeconds)]
    public int Timeout { get; set; }

    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected TimeSpan? Patience => Seconds(nameof(Timeout), Timeout);
}
