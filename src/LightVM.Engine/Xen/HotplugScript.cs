using System.ComponentModel;
using System.Diagnostics;
using LightVM.Devices;
using LightVM.Errors;

namespace LightVM.Xen;

/// <summary>
/// The script with which another toolstack set a device up. Whoever takes the device away runs it once more, so that its loop devices, routes
/// and rules go too (libxl's contract with its scripts: docs/misc/block-scripts.txt, docs/man/xl-network-configuration.5).
/// </summary>
/// <param name="Path">What the backend's node "script" says.</param>
/// <param name="GatewayDevice">What its node "gatewaydev" says.</param>
internal sealed record HotplugScript(string Path, string? GatewayDevice)
{
    /// <summary>Runs it for the end of a device, whose nodes must still be there. Errors: DeviceFailure.</summary>
    public void End(uint domain, DeviceKind kind, int id, TimeSpan patience)
    {
        var name = XenstoreDeviceNodes.KindName(kind);
        var start = new ProcessStartInfo(Path, kind == DeviceKind.Network ? ["offline", "type_if=vif"] : ["remove"])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["script"] = Path;
        start.Environment["XENBUS_TYPE"] = name;
        start.Environment["XENBUS_PATH"] = $"backend/{name}/{domain}/{id}";
        start.Environment["XENBUS_BASE_PATH"] = "backend";
        if (kind == DeviceKind.Network)
        {
            start.Environment["vif"] = $"vif{domain}.{id}";
            start.Environment["netdev"] = GatewayDevice ?? "";
        }

        try
        {
            using var process = Process.Start(start) ?? throw new Win32Exception();
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync();
            var errors = process.StandardError.ReadToEndAsync();
            if (!process.WaitForExit(patience))
            {
                process.Kill(entireProcessTree: true);
                throw new LvmException(ErrorIds.DeviceFailure, $"'{Path}' has not ended within {patience.TotalSeconds:0.#} s over the end of {name} {id}");
            }

            if (process.ExitCode == 0) return;
            // It has ended; what it left running may hold its streams open.
            var words = Task.WaitAll([errors, output], TimeSpan.FromSeconds(1)) ? $"{errors.Result}{output.Result}".Trim() : "";
            throw new LvmException(ErrorIds.DeviceFailure, $"'{Path}' ended with {process.ExitCode} over the end of {name} {id}: {words}");
        }
        catch (Win32Exception error)
        {
            throw new LvmException(ErrorIds.DeviceFailure, $"'{Path}', which is to be run for the end of {name} {id}, cannot be: {error.Message}", error);
        }
    }
}
