using System.CommandLine;

namespace LightVM.Host.Commands;

internal static class InfoCommand
{
    public static Command Make(CommandLine line) =>
        line.Define(new Command("info", "Show the hypervisor, its CPUs and its memory"), context =>
        {
            var info = context.Host.GetInfo();
            context.Answer(
                json =>
                {
                    json.WriteStartObject();
                    json.WriteString("kind", info.Kind);
                    json.WriteString("version", info.Version);
                    json.WriteString("capabilities", info.Capabilities);
                    json.WriteNumber("physicalCpus", info.PhysicalCpus);
                    json.WriteNumber("totalMemoryKiB", info.TotalMemoryKiB);
                    json.WriteNumber("freeMemoryKiB", info.FreeMemoryKiB);
                    json.WriteBoolean("supportsPV64", info.SupportsPV64);
                    json.WriteBoolean("supportsPV32", info.SupportsPV32);
                    json.WriteBoolean("supportsPvh", info.SupportsPvh);
                    json.WriteEndObject();
                },
                text =>
                {
                    text.WriteLine($"Hypervisor    {info.Kind} {info.Version}");
                    text.WriteLine($"Capabilities  {info.Capabilities}");
                    text.WriteLine($"CPUs          {info.PhysicalCpus}");
                    text.WriteLine($"Memory        {info.TotalMemoryKiB / 1024} MiB, {info.FreeMemoryKiB / 1024} MiB free");
                    text.WriteLine($"Guests        {string.Join(", ", Guests(info))}");
                });
            return ExitCodes.Ok;
        });

    private static IEnumerable<string> Guests(Hypervisor.HypervisorInfo info)
    {
        if (info.SupportsPV64) yield return "PV (64 bit)";
        if (info.SupportsPV32) yield return "PV (32 bit)";
        if (info.SupportsPvh) yield return "PVH";
    }
}
