using System.Management.Automation;
using System.Management.Automation.Runspaces;

namespace LightVM.Cmdlets.Connection;

/// <summary>Closes the host when the last runspace that imported the module removes it.</summary>
public sealed class ModuleLifetime : IModuleAssemblyInitializer, IModuleAssemblyCleanup
{
    public void OnImport()
    {
        // Whoever imports a module does it in a runspace; without one there is nobody to wait for.
        if (Runspace.DefaultRunspace is { } runspace) HostConnection.Session.Hold(runspace, () => IsOpen(runspace));
    }

    public void OnRemove(PSModuleInfo psModuleInfo) => HostConnection.Session.Release(Runspace.DefaultRunspace ?? new object());

    private static bool IsOpen(Runspace runspace) =>
        runspace.RunspaceStateInfo.State is not (RunspaceState.Closed or RunspaceState.Closing or RunspaceState.Broken);
}
