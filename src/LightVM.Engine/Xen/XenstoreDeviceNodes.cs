using System.Globalization;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;

namespace LightVM.Xen;

/// <summary>
/// What the store says of a device, and where: the front half under the guest, which owns it, the back half under the control domain, which
/// the guest may read (xen/include/public/io/{netif,blkif}.h), and what <c>xl network-list</c> and <c>block-list</c> look for under /libxl.
/// </summary>
internal static class XenstoreDeviceNodes
{
    public const string BackendRoot = "/local/domain/0/backend";

    /// <summary>Marks a backend as ours, for the device daemon, which leaves those of others alone.</summary>
    public const string Toolstack = "lightvm";

    /// <summary>netback does not start without the name of a script, and xl runs it when it destroys a domain: there is nothing left to do for one.</summary>
    public const string NoScript = "/bin/true";

    /// <summary>How much xenconsoled keeps of a console that nobody reads, bytes; xl's value.</summary>
    private const string ConsoleLimit = "1048576";

    public static string KindName(DeviceKind kind) => kind switch
    {
        DeviceKind.Network => "vif",
        DeviceKind.Disk => "vbd",
        _ => "console",
    };

    public static string Root(uint domain) => $"/local/domain/{domain}";

    public static string Front(uint domain, DeviceKind kind, int id) => $"{Root(domain)}/device/{KindName(kind)}/{Text(id)}";

    public static string Back(uint domain, DeviceKind kind, int id) => $"{BackendRoot}/{KindName(kind)}/{domain}/{Text(id)}";

    public static string Libxl(uint domain, DeviceKind kind, int id) => $"/libxl/{domain}/device/{KindName(kind)}/{Text(id)}";

    /// <summary>The device's name in /sys/bus/xen-backend/devices.</summary>
    public static string KernelName(uint domain, DeviceKind kind, int id) => $"{KindName(kind)}-{domain}-{Text(id)}";

    /// <summary>The guest's own directory, readable by the guest: what is made in it afterwards takes its permissions.</summary>
    public static void WriteRoot(XenstoreBatch nodes, uint domain)
    {
        nodes.Write(Root(domain), "");
        nodes.SetPermissions(Root(domain), new(0, XenstoreRights.None), new(domain, XenstoreRights.Read));
    }

    /// <summary>
    /// The back half's directory, to be there before <see cref="Write"/>: by it the kernel knows of a device. It comes with its first
    /// node, which is dom0's alone; what is made in it afterwards takes the permissions that it has got by then.
    /// </summary>
    public static void WriteBack(XenstoreBatch nodes, uint domain, Device device)
    {
        if (device is ConsoleDevice) return; // it stands by itself
        var back = Back(domain, device.Kind, device.Id);
        nodes.Write($"{back}/frontend", Front(domain, device.Kind, device.Id));
        nodes.SetPermissions(back, new(0, XenstoreRights.None), new(domain, XenstoreRights.Read));
    }

    public static void Write(XenstoreBatch nodes, uint domain, Device device)
    {
        switch (device)
        {
            case NetworkDevice network:
                WriteNetwork(nodes, domain, network);
                break;
            case DiskDevice disk:
                WriteDisk(nodes, domain, disk);
                break;
            case ConsoleDevice console:
                WriteConsole(nodes, domain, console);
                break;
        }
    }

    /// <summary>Gives an interface that is there, and that no guest has looked at yet, another address.</summary>
    public static void WriteAddress(XenstoreBatch nodes, uint domain, NetworkDevice device)
    {
        var mac = device.Config.Mac!;
        nodes.Write($"{Front(domain, device.Kind, device.Id)}/mac", mac);
        nodes.Write($"{Back(domain, device.Kind, device.Id)}/mac", mac);
        nodes.Write($"{Libxl(domain, device.Kind, device.Id)}/mac", mac);
        if (device.Config.Ip is { } ip) nodes.Write($"{Back(domain, device.Kind, device.Id)}/ip", ip);
    }

    public static void Remove(XenstoreBatch nodes, uint domain, DeviceKind kind, int id)
    {
        nodes.Remove(Front(domain, kind, id));
        nodes.Remove(Back(domain, kind, id));
        nodes.Remove(Libxl(domain, kind, id));
    }

    /// <summary>Reads what <see cref="Parse"/> wants to know of a device.</summary>
    public static void Read(XenstoreBatch nodes, uint domain, DeviceKind kind, int id)
    {
        var back = Back(domain, kind, id);
        foreach (var name in NamesOf(kind)) nodes.Read($"{back}/{name}");
        nodes.Read($"{Front(domain, kind, id)}/trusted");
    }

    /// <summary>How many answers <see cref="Read"/> brings.</summary>
    public static int AnswersOf(DeviceKind kind) => NamesOf(kind).Length + 1;

    /// <summary>A device out of the answers, whoever wrote them: null where there is none. What makes no sense is left out.</summary>
    public static DeviceStatus? Parse(uint domain, DeviceKind kind, int id, ReadOnlySpan<string?> answers)
    {
        if (answers[0] is null) return null;
        var state = int.TryParse(answers[0], NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is >= 0 and <= 8 ? (DeviceState)number : DeviceState.Unknown;
        return kind == DeviceKind.Network
            ? new DeviceStatus(domain, ParseNetwork(id, answers), state, $"vif{domain}.{Text(id)}", answers[1])
            : new DeviceStatus(domain, ParseDisk(id, answers), state, answers[7] ?? answers[6], answers[1]);
    }

    private static string[] NamesOf(DeviceKind kind) => kind == DeviceKind.Network
        ? ["state", "toolstack", "mac", "bridge", "ip", "rate", "queue-limit"]
        : ["state", "toolstack", "params", "type", "mode", "dev", "physical-device-path", "node"];

    private static NetworkDevice ParseNetwork(int id, ReadOnlySpan<string?> answers) => new(id, new NetworkConfig(
        answers[4],
        answers[2],
        string.IsNullOrEmpty(answers[3]) ? null : answers[3],
        ParseRate(answers[5]),
        int.TryParse(answers[6], NumberStyles.None, CultureInfo.InvariantCulture, out var queues) ? queues : null,
        answers[7] != "0"));

    private static DiskDevice ParseDisk(int id, ReadOnlySpan<string?> answers) => new(id, new DiskConfig(
        answers[2] ?? "",
        // xl calls everything "phy" that blkback serves; only what is behind a loop device is a file.
        answers[3] == "file" || answers[7]?.StartsWith("/dev/loop", StringComparison.Ordinal) == true ? DiskType.File : DiskType.Phy,
        VirtualDevice.NameOf(id) ?? answers[5] ?? Text(id),
        answers[4]?.StartsWith('w') == true ? DiskAccess.ReadWrite : DiskAccess.ReadOnly));

    private static string? ParseRate(string? text)
    {
        var parts = text?.Split(',');
        return parts is [var bytes, var interval]
            && ulong.TryParse(bytes, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            && uint.TryParse(interval, NumberStyles.None, CultureInfo.InvariantCulture, out var microseconds)
            ? new RateLimit(count, microseconds).ToString()
            : null;
    }

    private static void WriteNetwork(XenstoreBatch nodes, uint domain, NetworkDevice device)
    {
        var config = device.Config;
        var mac = config.Mac ?? throw new InvalidOperationException("The host has given this interface no address yet.");
        var front = BeginFront(nodes, domain, device);
        nodes.Write($"{front}/handle", Text(device.Id));
        nodes.Write($"{front}/mac", mac);
        if (!config.Trusted) nodes.Write($"{front}/trusted", "0");

        var back = BeginBack(nodes, domain, device);
        nodes.Write($"{back}/handle", Text(device.Id));
        nodes.Write($"{back}/mac", mac);
        nodes.Write($"{back}/type", "vif"); // xl asks, when it takes it away
        // There before the guest is, so that netback waits for what the device daemon makes of it.
        nodes.Write($"{back}/hotplug-status", "");
        if (config.Bridge is not null) nodes.Write($"{back}/bridge", config.Bridge);
        if (config.Ip is not null) nodes.Write($"{back}/ip", config.Ip);
        if (config.QueueCount is { } queues) nodes.Write($"{back}/queue-limit", Text(queues));
        if (config.Rate is not null && RateLimit.TryParse(config.Rate, out var rate, out _)) nodes.Write($"{back}/rate", $"{Text(rate.BytesPerInterval)},{Text(rate.IntervalMicroseconds)}");

        var libxl = BeginLibxl(nodes, domain, device);
        if (device.Id != 0) nodes.Write($"{libxl}/handle", Text(device.Id));
        nodes.Write($"{libxl}/mac", mac);
    }

    private static void WriteDisk(XenstoreBatch nodes, uint domain, DiskDevice device)
    {
        var config = device.Config;
        var mode = config.Access == DiskAccess.ReadWrite ? "w" : "r";
        var type = config.Type == DiskType.File ? "file" : "phy";
        var front = BeginFront(nodes, domain, device);
        nodes.Write($"{front}/virtual-device", Text(device.Id));
        nodes.Write($"{front}/device-type", "disk"); // a PVH guest takes no disk without it

        var back = BeginBack(nodes, domain, device);
        nodes.Write($"{back}/params", config.Target);
        nodes.Write($"{back}/type", type);
        nodes.Write($"{back}/mode", mode);
        nodes.Write($"{back}/dev", config.VirtualDevice);
        nodes.Write($"{back}/hotplug-status", "");

        var libxl = BeginLibxl(nodes, domain, device);
        nodes.Write($"{libxl}/frontend", Front(domain, device.Kind, device.Id)); // xl asks for a disk's alone
        nodes.Write($"{libxl}/params", config.Target);
        nodes.Write($"{libxl}/type", "phy");
        nodes.Write($"{libxl}/dev", config.VirtualDevice);
        nodes.Write($"{libxl}/mode", mode);
        nodes.Write($"{libxl}/removable", "0");
        nodes.Write($"{libxl}/device-type", "disk");
    }

    /// <summary>The first console stands by itself, beside the other devices, and its state is kept by xenconsoled alone.</summary>
    private static void WriteConsole(XenstoreBatch nodes, uint domain, ConsoleDevice device)
    {
        var console = $"{Root(domain)}/console";
        nodes.Write($"{console}/port", Text(device.Port));
        if (device.Frame != 0) nodes.Write($"{console}/ring-ref", Text(device.Frame)); // else it comes with the kernel
        nodes.Write($"{console}/type", "xenconsoled");
        nodes.Write($"{console}/output", "pty");
        nodes.Write($"{console}/limit", ConsoleLimit);
    }

    private static string BeginFront(XenstoreBatch nodes, uint domain, Device device)
    {
        var front = Front(domain, device.Kind, device.Id);
        nodes.Write($"{front}/backend", Back(domain, device.Kind, device.Id)); // the guest reads it, and the directory comes with it
        nodes.SetPermissions(front, new(domain, XenstoreRights.None), new(0, XenstoreRights.Read));
        nodes.Write($"{front}/backend-id", "0");
        nodes.Write($"{front}/state", Text((int)DeviceState.Initialising));
        return front;
    }

    private static string BeginBack(XenstoreBatch nodes, uint domain, Device device)
    {
        var back = Back(domain, device.Kind, device.Id);
        nodes.Write($"{back}/frontend-id", Text(domain));
        nodes.Write($"{back}/online", "1");
        nodes.Write($"{back}/state", Text((int)DeviceState.Initialising));
        nodes.Write($"{back}/script", NoScript);
        nodes.Write($"{back}/toolstack", Toolstack);
        return back;
    }

    private static string BeginLibxl(XenstoreBatch nodes, uint domain, Device device)
    {
        var libxl = Libxl(domain, device.Kind, device.Id);
        nodes.Write($"{libxl}/backend", Back(domain, device.Kind, device.Id));
        return libxl;
    }

    private static string Text<T>(T number) where T : IFormattable => number.ToString(null, CultureInfo.InvariantCulture);
}
