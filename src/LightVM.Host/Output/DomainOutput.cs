using System.Globalization;
using System.Text.Json;
using LightVM.Domains;
using LightVM.Hypervisor;

namespace LightVM.Host.Output;

/// <summary>How domains look: a table that reads like that of <c>xl list</c>, and JSON.</summary>
internal static class DomainOutput
{
    public static void WriteTable(TextWriter output, IEnumerable<Domain> domains)
    {
        var table = new Table(("Name", -24), ("ID", 5), ("Mem", 5), ("VCPUs", 5), ("State", -6), ("Time(s)", 8), ("Uptime", 8));
        foreach (var domain in domains)
        {
            table.Add(
                domain.Name.Length > 0 ? domain.Name : "(no name)",
                domain.Id.ToString(CultureInfo.InvariantCulture),
                domain.MemoryMiB.ToString(CultureInfo.InvariantCulture),
                domain.VcpuCount.ToString(CultureInfo.InvariantCulture),
                Letters(domain.State),
                domain.CpuTime.TotalSeconds.ToString("F1", CultureInfo.InvariantCulture),
                Uptime(domain.Uptime));
        }

        table.Write(output);
    }

    public static void WriteJson(Utf8JsonWriter json, Domain domain) => WriteJson(json, domain, _ => { });

    /// <summary>A domain with what was found of it: its address, or a line of its console.</summary>
    public static void WriteJson(Utf8JsonWriter json, DomainOutcome outcome, Domain domain) => WriteJson(json, domain, writer =>
    {
        if (outcome.Address is { } address)
        {
            writer.WriteString("macAddress", address.MacAddress);
            writer.WriteString("ipAddress", address.IPAddress.ToString());
        }

        if (outcome.Line is { } line) writer.WriteString("line", line);
    });

    private static void WriteJson(Utf8JsonWriter json, Domain domain, Action<Utf8JsonWriter> more)
    {
        json.WriteStartObject();
        json.WriteString("name", domain.Name);
        json.WriteNumber("id", domain.Id);
        json.WriteString("uuid", domain.Uuid);
        json.WriteString("state", domain.State.ToString());
        json.WriteString("shutdownReason", domain.ShutdownReason?.ToString());
        json.WriteString("type", domain.Type.ToString());
        json.WriteNumber("vcpus", domain.VcpuCount);
        json.WriteNumber("maxVcpus", domain.MaxVcpuCount);
        json.WriteNumber("memoryKiB", domain.MemoryKiB);
        if (domain.MaxMemoryKiB == long.MaxValue) json.WriteNull("maxMemoryKiB");
        else json.WriteNumber("maxMemoryKiB", domain.MaxMemoryKiB);
        json.WriteNumber("cpuSeconds", Math.Round(domain.CpuTime.TotalSeconds, 6));
        if (domain.StartTime is { } start) json.WriteString("startTime", start);
        else json.WriteNull("startTime");
        if (domain.Uptime is { } uptime) json.WriteNumber("uptimeSeconds", Math.Round(uptime.TotalSeconds, 3));
        else json.WriteNull("uptimeSeconds");
        if (domain.Creation is { } creation) WriteCreation(json, creation);
        more(json);
        json.WriteEndObject();
    }

    private static void WriteCreation(Utf8JsonWriter json, CreationRecord creation)
    {
        json.WriteStartObject("creation");
        json.WriteMilliseconds("milliseconds", creation.Duration);
        json.WriteString("source", creation.Source.ToString());
        json.WriteString("pool", creation.Pool);
        json.WritePropertyName("steps");
        json.WriteArray(creation.Steps, (writer, step) =>
        {
            writer.WriteStartObject();
            writer.WriteString("name", step.Name);
            writer.WriteMilliseconds("milliseconds", step.Duration);
            writer.WriteEndObject();
        });
        json.WriteEndObject();
    }

    /// <summary>xl's six letters: running, blocked, paused, shut down, crashed, dying. None of them: waiting for a CPU.</summary>
    private static string Letters(DomainState state) => state switch
    {
        DomainState.Running => "r-----",
        DomainState.Blocked => "-b----",
        DomainState.Paused => "--p---",
        DomainState.Shutdown => "---s--",
        DomainState.Crashed => "---sc-",
        DomainState.Dying => "-----d",
        _ => "------",
    };

    private static string Uptime(TimeSpan? uptime) => uptime switch
    {
        null => "-",
        { Days: > 0 } days => days.ToString(@"d\dhh\:mm\:ss", CultureInfo.InvariantCulture),
        { } short_ => short_.ToString(@"h\:mm\:ss", CultureInfo.InvariantCulture),
    };
}
