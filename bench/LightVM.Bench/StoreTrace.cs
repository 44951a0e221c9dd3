using System.Text.RegularExpressions;

namespace LightVM.Bench;

/// <summary>
/// What is asked of the store for the devices of one guest, by xenstored's own trace: its toolstack, the kernel's backends and the device
/// daemon tell themselves apart by what they ask.
/// </summary>
internal static partial class StoreTrace
{
    public const string Backends = "/local/domain/0/backend";

    /// <summary>Where the kernel's paths begin, which are relative.</summary>
    private const string ControlDomain = "/local/domain/0/";

    private static readonly Dictionary<string, string> Words = new(StringComparer.Ordinal)
    {
        ["TRANSACTION_START"] = "start",
        ["TRANSACTION_END"] = "commit",
        ["WRITE"] = "write",
        ["READ"] = "read",
        ["DIRECTORY"] = "list",
        ["SET_PERMS"] = "permit",
        ["WATCH"] = "watch",
        ["UNWATCH"] = "unwatch",
        ["RM"] = "remove",
    };

    /// <summary>Traces what is done, for as long as it is done and a moment longer; null where xenstored writes no traces (oxenstored).</summary>
    /// <param name="control">xenstore-control.</param>
    public static IReadOnlyList<string>? Take(string control, Action action)
    {
        var folder = Directory.CreateTempSubdirectory("lightvm-bench-");
        try
        {
            var file = Path.Combine(folder.FullName, "trace");
            Child.Run(control, "logfile", file);
            try
            {
                action();
            }
            finally
            {
                Child.Run(control, "log", "off");
            }

            return File.Exists(file) ? File.ReadAllLines(file) : null;
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    /// <summary>The requests of a trace that are for the devices of a domain, in their order.</summary>
    public static IReadOnlyList<StoreOperation> Parse(IEnumerable<string> trace, uint domain)
    {
        var requests = new List<Request>();
        foreach (var line in trace)
        {
            if (RequestLine().Match(line) is not { Success: true } match || !Words.TryGetValue(match.Groups["type"].Value, out var word)) continue;
            var (path, value) = word is "start" or "commit" ? ("", "") : Split(match.Groups["payload"].Value);
            requests.Add(new Request(match.Groups["connection"].Value, word, path, value));
        }

        MarkTransactions(requests, domain);
        var kernel = ConnectionsOf(requests, request => request.Path.StartsWith("backend/", StringComparison.Ordinal));
        var daemon = ConnectionsOf(requests, request => request is { What: "write", Value: "connected" } && request.Path.EndsWith("/hotplug-status", StringComparison.Ordinal));
        return requests.Where(request => request.Device is not null)
            .Select(request => new StoreOperation(
                kernel.Contains(request.Connection) ? request.Device == "vbd" ? "blkback" : "netback" : daemon.Contains(request.Connection) ? "devd" : "toolstack",
                request.What, Absolute(request.Path), request.Value))
            .ToArray();
    }

    [GeneratedRegex(@"^IN (?<connection>\S+) \d{8} [\d:]{8} (?<type>[A-Z_]+) \((?<payload>.*)\)$")]
    private static partial Regex RequestLine();

    /// <summary>A path, and what follows it. The trace has spaces for NULs; neither paths nor the values of devices have any.</summary>
    private static (string Path, string Value) Split(string payload)
    {
        var space = payload.IndexOf(' ', StringComparison.Ordinal);
        return space < 0 ? ("", payload) : (payload[..space], payload[(space + 1)..].TrimEnd(' '));
    }

    private static string Absolute(string path) => path is "" || path[0] == '/' ? path : ControlDomain + path;

    /// <summary>Whose device a path belongs to: "vif", "vbd", "" for both; null for none of the domain's.</summary>
    private static string? DeviceOf(string path, uint domain)
    {
        var parts = Absolute(path).Split('/', StringSplitOptions.RemoveEmptyEntries);
        return parts switch
        {
            ["local", "domain", "0", "backend", var kind, var id, ..] when id == $"{domain}" => kind,
            ["local", "domain", var id, "device", var kind, ..] when id == $"{domain}" => kind,
            ["libxl", var id, "device", var kind, ..] when id == $"{domain}" => kind,
            _ => null,
        };
    }

    /// <summary>Gives each request its device, and those of a transaction the device of the first in it that has one.</summary>
    private static void MarkTransactions(List<Request> requests, uint domain)
    {
        foreach (var request in requests) request.Device = DeviceOf(request.Path, domain);
        foreach (var connection in requests.GroupBy(request => request.Connection))
        {
            List<Request>? open = null;
            foreach (var request in connection)
            {
                if (request.What == "start") open = [];
                open?.Add(request);
                if (request.What != "commit" || open is null) continue;
                if (open.FirstOrDefault(member => member.Device is not null)?.Device is { } device)
                {
                    foreach (var member in open) member.Device ??= device;
                }

                open = null;
            }
        }
    }

    private static HashSet<string> ConnectionsOf(IEnumerable<Request> requests, Func<Request, bool> isTheirs) =>
        requests.Where(isTheirs).Select(request => request.Connection).ToHashSet(StringComparer.Ordinal);

    private sealed record Request(string Connection, string What, string Path, string Value)
    {
        public string? Device { get; set; }
    }
}
