using System.Text.Json;
using LightVM.Errors;
using LightVM.Services;

namespace LightVM.Devices;

/// <summary>
/// The way to the device daemon: one connection, made when it is first needed and kept, and made anew when the daemon was restarted
/// meanwhile. Members may be called from several threads.
/// </summary>
internal sealed class DeviceDaemonClient : IDisposable
{
    /// <summary>How long an answer may take.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly DaemonConnection _connection;

    /// <param name="path">The daemon's socket; null for the usual one.</param>
    public DeviceDaemonClient(string? path = null)
    {
        _connection = new DaemonConnection("the device daemon", path ?? DeviceDaemonProtocol.SocketPath, ErrorIds.DeviceDaemonUnavailable, Patience);
    }

    /// <summary>
    /// Asks for devices of a domain. They are held for the domain for a minute, or until they appear. Errors: BridgeNotFound,
    /// MacAddressTaken, NetworkAdapterInvalid, DiskNotFound, DiskInvalid, DiskInUse, DeviceFailure, DeviceDaemonUnavailable, XenNotPrivileged.
    /// </summary>
    /// <returns>The devices, with MAC addresses where there were none.</returns>
    public IReadOnlyList<Device> Reserve(Guid uuid, IReadOnlyList<Device> devices)
    {
        var asked = ThatAreAskedFor(devices);
        if (asked.Length == 0) return devices;
        var macs = Ask(new DeviceDaemonRequest.Reserve(uuid, asked), DeviceDaemonProtocol.ReadMacs);
        if (macs.Count != asked.Count(device => device is NetworkDevice))
            throw new LvmException(ErrorIds.DeviceFailure, $"the device daemon gave {macs.Count} addresses for {asked.Count(device => device is NetworkDevice)} interfaces");
        var next = 0;
        return devices.Select(device => device is NetworkDevice network ? network with { Config = network.Config with { Mac = macs[next++] } } : device).ToArray();
    }

    /// <summary>
    /// Gives up devices that are not going to appear, so that others may have their disks and addresses at once. A daemon that cannot be
    /// asked holds nothing, or not for long.
    /// </summary>
    public void Release(Guid uuid, IReadOnlyList<Device> devices)
    {
        var asked = ThatAreAskedFor(devices);
        if (asked.Length == 0) return;
        try
        {
            Ask(new DeviceDaemonRequest.Release(uuid, asked), _ => true);
        }
        catch (LvmException)
        {
            // What it holds it forgets within a minute.
        }
    }

    /// <summary>How the daemon does; null when none runs. Errors: DeviceFailure, XenNotPrivileged.</summary>
    public DeviceDaemonStatus? TryGetStatus()
    {
        try
        {
            return Ask(new DeviceDaemonRequest.Status(), DeviceDaemonProtocol.ReadStatus);
        }
        catch (LvmException error) when (error.ErrorId == ErrorIds.DeviceDaemonUnavailable)
        {
            return null;
        }
    }

    public void Dispose() => _connection.Dispose();

    /// <summary>Asks, and reads the members of the answer.</summary>
    public T Ask<T>(DeviceDaemonRequest request, Func<JsonElement, T> read)
    {
        var line = DeviceDaemonProtocol.Write(request);
        if (line.Length > DaemonProtocol.MaxLine)
            throw new LvmException(ErrorIds.DeviceFailure, $"a request of {line.Length} bytes is too long for the device daemon ({DaemonProtocol.MaxLine})");
        return _connection.Ask(line, answer => DeviceDaemonProtocol.ReadAnswer(answer, read));
    }

    private static Device[] ThatAreAskedFor(IReadOnlyList<Device> devices) => devices.Where(device => device is NetworkDevice or DiskDevice).ToArray();
}
