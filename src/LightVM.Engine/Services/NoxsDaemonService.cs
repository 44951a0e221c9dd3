using System.Globalization;
using System.Text;
using LightVM.Linux;
using LightVM.Noxs;

namespace LightVM.Services;

/// <summary>The noxs daemon, <c>lightvm noxsd</c>. It answers by the file that it writes of itself, and by its device.</summary>
internal sealed class NoxsDaemonService() : DaemonService(ServiceName, Description, Unit)
{
    public const string ServiceName = "noxsd";
    public const string Description = "Has the other ends of devices of guests that use no store";
    public const string Unit = "lightvm-noxsd.service";

    protected override HostService? Ask(HostService service)
    {
        if (!NoxsBackend.IsThere || RunFile.Read(NoxsFiles.StatusFile) is not { } bytes) return null;
        return Encoding.ASCII.GetString(bytes).Trim().Split(' ') is [var version, var started] && long.TryParse(started, NumberStyles.None, CultureInfo.InvariantCulture, out var time)
            ? service with { Version = version, StartTime = DateTimeOffset.FromUnixTimeMilliseconds(time) }
            : null;
    }

    protected override void Dispose(bool disposing)
    {
    }
}
