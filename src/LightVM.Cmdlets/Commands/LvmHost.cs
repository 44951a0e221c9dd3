using System.Management.Automation;
using LightVM.Cmdlets.Connection;
using LightVM.Errors;
using LightVM.Hosts;

namespace LightVM.Cmdlets.Commands;

/// <summary>Chooses the host that the other cmdlets work on.</summary>
[Cmdlet(VerbsCommunications.Connect, "LvmHost", DefaultParameterSetName = "Xen")]
[OutputType(typeof(HostSummary))]
public sealed class ConnectLvmHostCommand : LvmCmdlet
{
    [Parameter(Mandatory = true, ParameterSetName = "Simulated")]
    public SwitchParameter Simulated { get; set; }

    [Parameter(ParameterSetName = "Simulated")]
    [ValidateRange(1, 256)]
    public int PhysicalCpus { get; set; }

    [Parameter(ParameterSetName = "Simulated")]
    [ValidateRange(SimulatedMachineOptions.MinMemoryMiB, int.MaxValue)]
    public int MemoryMiB { get; set; }

    [Parameter(ParameterSetName = "Simulated")]
    public SwitchParameter NoPvh { get; set; }

    [Parameter]
    public SwitchParameter PassThru { get; set; }

    protected override void EndProcessing()
    {
        try
        {
            var open = HostConnection.Session.Open(Simulated ? OpenSimulated : LvmHost.OpenXen);
            if (PassThru) WriteObject(HostSummary.Of(open));
        }
        catch (LvmException error)
        {
            ThrowTerminatingError(ToRecord(error, null));
        }
    }

    private LvmHost OpenSimulated() => LvmHost.OpenSimulated(
        SimulatedMachineOptions.From(Given(nameof(PhysicalCpus), PhysicalCpus), Given(nameof(MemoryMiB), MemoryMiB), NoPvh));
}

/// <summary>Closes the current host. A simulated one is gone with all its domains.</summary>
[Cmdlet(VerbsCommunications.Disconnect, "LvmHost")]
[OutputType(typeof(void))]
public sealed class DisconnectLvmHostCommand : LvmCmdlet
{
    protected override void EndProcessing() => HostConnection.Session.Close();
}

/// <summary>Shows the current host.</summary>
[Cmdlet(VerbsCommon.Get, "LvmHost")]
[OutputType(typeof(HostSummary))]
public sealed class GetLvmHostCommand : LvmCmdlet
{
    protected override void EndProcessing()
    {
        try
        {
            WriteObject(HostSummary.Of(HostConnection.Session.Require()));
        }
        catch (LvmException error)
        {
            ThrowTerminatingError(ToRecord(error, null));
        }
    }
}

/// <summary>Checks whether this machine can run domains.</summary>
[Cmdlet(VerbsDiagnostic.Test, "LvmHost")]
[OutputType(typeof(HostCheck), typeof(bool))]
public sealed class TestLvmHostCommand : LvmCmdlet
{
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    protected override void EndProcessing()
    {
        var checks = HostChecks.RunLocal();
        if (Quiet) WriteObject(checks.All(check => check.Status != HostCheckStatus.Failed));
        else WriteObject(checks, enumerateCollection: true);
    }
}
