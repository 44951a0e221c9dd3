using System.Globalization;
using System.Text.Json;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Configuration;

/// <summary>
/// Turns a JSON text into a draft and collects everything that is wrong on the way: first what the format says (keys, types),
/// then what <see cref="DomainConfigRules"/> says of the draft, each with its place in the text.
/// </summary>
internal sealed class DomainConfigReader
{
    private readonly bool requireKernel;
    private readonly List<(int Offset, ConfigError Error)> errors = [];

    /// <summary>Where the value of each path stands.</summary>
    private readonly Dictionary<string, int> offsets = new(StringComparer.Ordinal);

    /// <summary>Paths whose values could not be taken into the draft: what the rules say of these, or of what is in them, is void.</summary>
    private readonly HashSet<string> untaken = new(StringComparer.Ordinal);

    private DomainConfigReader(bool requireKernel) => this.requireKernel = requireKernel;

    /// <summary>The configuration in a text.</summary>
    /// <exception cref="InvalidConfigException">The text is no valid configuration.</exception>
    internal static DomainConfig Read(ReadOnlySpan<byte> utf8, string source, bool requireKernel)
    {
        if (utf8.Length > DomainConfigJson.MaxFileSize) throw DomainConfigFile.TooLarge(source);

        var text = SourceText.WithoutMark(utf8);
        var positions = new SourceText(text);
        if (SourceText.EncodingProblem(text) is var (offset, message))
        {
            var (line, column) = positions.PositionOf(offset);
            throw new InvalidConfigException(ErrorIds.ConfigNotUtf8, source, [new ConfigError("$", message, line, column)]);
        }

        var tree = SourceTree.Read(text, positions);
        var reader = new DomainConfigReader(requireKernel);
        var draft = reader.Draft(tree);
        if (reader.errors.Count == 0) return DomainConfig.From(draft, source);

        throw new InvalidConfigException(tree.Failure?.ErrorId ?? ErrorIds.ConfigInvalid, source, reader.Located(positions));
    }

    private DomainConfigDraft Draft(SourceTree tree)
    {
        var draft = new DomainConfigDraft();
        var complete = tree.Root is { Closed: true };
        if (tree.Root is not null)
        {
            offsets["$"] = tree.Root.Offset;
            TakeRoot(tree.Root, draft);
            TakeRules(DomainConfigRules.Check(draft, requireKernel, complete), complete);
        }

        if (tree.Failure is { } failure) errors.Add((failure.Offset, new ConfigError("$", failure.Message)));
        return draft;
    }

    private ConfigError[] Located(SourceText positions) =>
        errors.OrderBy(entry => entry.Offset).Select(entry =>
        {
            var (line, column) = positions.PositionOf(entry.Offset);
            return entry.Error with { Line = line, Column = column };
        }).ToArray();

    /// <summary>Places what the rules found. In a text that broke off, only what stands there can be wrong.</summary>
    private void TakeRules(List<ConfigError> found, bool complete)
    {
        foreach (var error in found)
        {
            var path = error.Path;
            var known = offsets.TryGetValue(path, out var offset);
            if (!known && !complete) continue;

            var isVoid = untaken.Contains(path);
            // Something missing is placed at what should have held it.
            while (path != "$" && !isVoid)
            {
                path = path[..path.LastIndexOfAny(['.', '['])];
                isVoid = untaken.Contains(path);
                if (!known) known = offsets.TryGetValue(path, out offset);
            }

            if (!isVoid) errors.Add((offset, error));
        }
    }

    private void TakeRoot(SourceNode root, DomainConfigDraft draft) => TakeObject(root, "$", new()
    {
        ["name"] = (value, path) => draft.Name = TakeText(value, path),
        ["kernel"] = (value, path) => draft.Kernel = TakeKernel(value, path),
        ["ramdisk"] = (value, path) => draft.Ramdisk = TakeText(value, path),
        ["cmdline"] = (value, path) => draft.CommandLine = TakeText(value, path),
        ["memory"] = (value, path) => draft.MemoryMiB = TakeInteger(value, path),
        ["vcpus"] = (value, path) => TakeVcpus(value, path, draft),
        ["address_size"] = (value, path) => draft.AddressSize = TakeInteger(value, path),
        ["paused"] = (value, path) => draft.Paused = TakeBoolean(value, path),
        ["vifs"] = (value, path) => draft.Vifs = TakeList(value, path, TakeVif),
        ["vbds"] = (value, path) => draft.Vbds = TakeList(value, path, TakeVbd),
        ["xen"] = (value, path) => TakeXen(value, path, draft),
        ["uuid"] = (value, path) => draft.Uuid = TakeUuid(value, path),
        ["max_memory"] = (value, path) => draft.MaxMemoryMiB = TakeInteger(value, path),
        ["console"] = (value, path) => draft.Console = TakeBoolean(value, path),
        ["on_poweroff"] = (value, path) => draft.OnPoweroff = TakeWord(value, path, ConfigWords.LifecycleActions),
        ["on_reboot"] = (value, path) => draft.OnReboot = TakeWord(value, path, ConfigWords.LifecycleActions),
        ["on_crash"] = (value, path) => draft.OnCrash = TakeWord(value, path, ConfigWords.LifecycleActions),
    });

    /// <summary>Chaos writes "" into a saved domain's configuration for the kernel that it has not got.</summary>
    private string? TakeKernel(SourceNode value, string path) =>
        TakeText(value, path) is { } kernel && (kernel.Length > 0 || requireKernel) ? kernel : null;

    private void TakeVcpus(SourceNode value, string path, DomainConfigDraft draft)
    {
        if (value.Kind != JsonValueKind.Object)
        {
            draft.VcpuCount = TakeInteger(value, path, "a whole number or an object");
            return;
        }

        draft.CpuMap = [];
        TakeObject(value, path, new()
        {
            ["count"] = (count, at) => draft.VcpuCount = TakeInteger(count, at),
            ["cpumap"] = (map, at) => draft.CpuMap = TakeList(map, at, (cpus, cpusAt) => TakeList(cpus, cpusAt, TakeCpu)),
        });
    }

    /// <summary>What stands in for a wrong one is no CPU, so that it is nobody's double.</summary>
    private int TakeCpu(SourceNode value, string path) => TakeInteger(value, path) ?? -1;

    private void TakeXen(SourceNode value, string path, DomainConfigDraft draft) => TakeObject(value, path, new()
    {
        ["pvh"] = (pvh, at) => draft.Type = TakeBoolean(pvh, at) is bool isPvh ? (isPvh ? GuestType.PVH : GuestType.PV) : null,
        ["dev_method"] = (method, at) => draft.DeviceMethod = TakeWord(method, at, ConfigWords.DeviceMethods),
    });

    private NetworkConfig TakeVif(SourceNode value, string path)
    {
        var vif = new NetworkConfig(null, null, null);
        TakeObject(value, path, new()
        {
            ["ip"] = (ip, at) => vif = vif with { Ip = TakeText(ip, at) },
            ["mac"] = (mac, at) => vif = vif with { Mac = TakeText(mac, at) },
            ["bridge"] = (bridge, at) => vif = vif with { Bridge = TakeText(bridge, at) },
            ["rate"] = (rate, at) => vif = vif with { Rate = TakeText(rate, at) },
            ["queues"] = (queues, at) => vif = vif with { QueueCount = TakeInteger(queues, at) },
            ["id"] = (id, at) => vif = vif with { DeviceId = TakeInteger(id, at) },
            ["trusted"] = (trusted, at) => vif = vif with { Trusted = TakeBoolean(trusted, at) ?? true },
        });
        return vif;
    }

    private DiskConfig TakeVbd(SourceNode value, string path)
    {
        // What stands in for a missing value is never used: that it is missing is an error.
        var vbd = new DiskConfig("", default, "", default);
        TakeObject(
            value,
            path,
            new()
            {
                ["target"] = (target, at) => vbd = vbd with { Target = TakeText(target, at) ?? "" },
                ["type"] = (type, at) => vbd = vbd with { Type = TakeWord(type, at, ConfigWords.DiskTypes) ?? default },
                ["vdev"] = (vdev, at) => vbd = vbd with { VirtualDevice = TakeText(vdev, at) ?? "" },
                ["access"] = (access, at) => vbd = vbd with { Access = TakeWord(access, at, ConfigWords.DiskAccesses) ?? default },
            },
            allRequired: true);
        return vbd;
    }

    /// <summary>Takes the members that are known, each with what it is for. Of a repeated key every value is checked.</summary>
    private void TakeObject(SourceNode node, string path, Dictionary<string, Action<SourceNode, string>> known, bool allRequired = false)
    {
        if (node.Kind != JsonValueKind.Object)
        {
            WrongType(node, path, "an object");
            return;
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var member in node.Members)
        {
            var memberPath = path + Quoted.PathStep(member.Name);
            if (!seen.Add(member.Name)) errors.Add((member.Offset, new ConfigError(memberPath, "stands here again")));
            if (!known.TryGetValue(member.Name, out var take))
            {
                var nearest = Spelling.Nearest(member.Name, known.Keys.Except(seen));
                errors.Add((member.Offset, new ConfigError(memberPath, nearest is null ? "is not a known key" : $"is not a known key; did you mean \"{nearest}\"?")));
                continue;
            }

            Place(member.Value, memberPath);
            take(member.Value, memberPath);
        }

        if (!allRequired || !node.Closed) return;
        foreach (var name in known.Keys.Where(name => !seen.Contains(name))) Untaken(node, $"{path}.{name}", "is missing");
    }

    private List<T> TakeList<T>(SourceNode node, string path, Func<SourceNode, string, T> take)
    {
        if (node.Kind != JsonValueKind.Array)
        {
            WrongType(node, path, "an array");
            return [];
        }

        var list = new List<T>(node.Items.Count);
        foreach (var item in node.Items)
        {
            var itemPath = $"{path}[{list.Count}]";
            Place(item, itemPath);
            list.Add(take(item, itemPath));
        }

        return list;
    }

    private void Place(SourceNode node, string path)
    {
        // An array that broke off before its first item is not an empty one.
        if (node is { Kind: JsonValueKind.Array, Closed: false, Items.Count: 0 }) return;
        offsets[path] = node.Offset;
    }

    private string? TakeText(SourceNode node, string path)
    {
        if (node.Kind != JsonValueKind.String) WrongType(node, path, "a string");
        else if (node.Text is null) Untaken(node, path, "contains half of a surrogate pair, which is no character");
        return node.Kind == JsonValueKind.String ? node.Text : null;
    }

    private int? TakeInteger(SourceNode node, string path, string expected = "a whole number")
    {
        if (node.Kind != JsonValueKind.Number)
        {
            WrongType(node, path, expected);
            return null;
        }

        var digits = node.Text!;
        if (digits.AsSpan().ContainsAny('.', 'e', 'E'))
        {
            Untaken(node, path, "must be a whole number, without a fraction or an exponent");
            return null;
        }

        // Past the range of an int it is past every range of the rules, and one of them will say so.
        if (int.TryParse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)) return number;
        return digits[0] == '-' ? int.MinValue : int.MaxValue;
    }

    private bool? TakeBoolean(SourceNode node, string path)
    {
        if (node.Kind is JsonValueKind.True or JsonValueKind.False) return node.Kind == JsonValueKind.True;
        WrongType(node, path, "true or false");
        return null;
    }

    private T? TakeWord<T>(SourceNode node, string path, WordTable<T> words)
        where T : struct, Enum
    {
        if (node.Kind != JsonValueKind.String) WrongType(node, path, words.Choices);
        else if (words.TryParse(node.Text ?? "", out var value)) return value;
        else Untaken(node, path, $"must be {words.Choices}, not {Quoted.Text(node.Text ?? "")}");
        return null;
    }

    private Guid? TakeUuid(SourceNode node, string path)
    {
        if (TakeText(node, path) is not { } text) return null;
        if (Guid.TryParseExact(text, "D", out var uuid)) return uuid;
        Untaken(node, path, "must be a UUID, such as \"6b29fc40-ca47-4067-831d-00dd010662da\"");
        return null;
    }

    private void WrongType(SourceNode node, string path, string expected) => Untaken(node, path, $"must be {expected}, not {KindName(node.Kind)}");

    private void Untaken(SourceNode node, string path, string message)
    {
        untaken.Add(path);
        errors.Add((node.Offset, new ConfigError(path, message)));
    }

    private static string KindName(JsonValueKind kind) => kind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "an array",
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.Null => "null",
        _ => "true or false",
    };
}
