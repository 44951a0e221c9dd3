using System.Management.Automation;
using LightVM.Cmdlets.Completion;
using LightVM.Services;

namespace LightVM.Cmdlets.Commands;

/// <summary>Shows the daemons of this toolstack.</summary>
[Cmdlet(VerbsCommon.Get, "LvmService")]
[OutputType(typeof(HostService))]
public sealed class GetLvmServiceCommand : LvmCmdlet
{
    [Parameter(Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ServiceNameCompleter))]
    public string[]? Name { get; set; }

    protected override void ProcessRecord()
    {
        foreach (var name in Name ?? ["*"])
        {
            ForItem(name, () =>
            {
                if (WildcardPattern.ContainsWildcardCharacters(name)) WriteObject(CurrentHost.Services.List().Where(service => WildcardPattern.Get(name, WildcardOptions.IgnoreCase).IsMatch(service.Name)), enumerateCollection: true);
                else WriteObject(CurrentHost.Services.Get(name));
            });
        }
    }
}

/// <summary>Cmdlets that change services: each asks first (-WhatIf, -Confirm), and one failure does not stop the others.</summary>
public abstract class ChangingServiceCmdlet : LvmCmdlet
{
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(ServiceNameCompleter))]
    public string[] Name { get; set; } = [];

    [Parameter]
    public SwitchParameter PassThru { get; set; }

    private protected abstract string Action { get; }

    protected override void ProcessRecord()
    {
        foreach (var name in Name)
        {
            ForItem(name, () =>
            {
                var service = CurrentHost.Services.Get(name);
                if (!ShouldProcess($"service '{service}'", Action)) return;
                var changed = Change(service.Name);
                if (PassThru) WriteObject(changed);
            });
        }
    }

    private protected abstract HostService Change(string name);
}

/// <summary>Starts daemons of this toolstack.</summary>
[Cmdlet(VerbsLifecycle.Start, "LvmService", SupportsShouldProcess = true)]
[OutputType(typeof(HostService))]
public sealed class StartLvmServiceCommand : ChangingServiceCmdlet
{
    private protected override string Action => "Start";

    private protected override HostService Change(string name) => CurrentHost.Services.Start(name, Cancellation);
}

/// <summary>Stops daemons of this toolstack.</summary>
[Cmdlet(VerbsLifecycle.Stop, "LvmService", SupportsShouldProcess = true)]
[OutputType(typeof(HostService))]
public sealed class StopLvmServiceCommand : ChangingServiceCmdlet
{
    private protected override string Action => "Stop";

    private protected override HostService Change(string name) => CurrentHost.Services.Stop(name, Cancellation);
}
