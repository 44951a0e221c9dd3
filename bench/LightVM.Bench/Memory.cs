using System.Globalization;

namespace LightVM.Bench;

/// <summary>Memory of processes.</summary>
internal static class Memory
{
    /// <summary>What this process has in use, without what is waste, MiB.</summary>
    public static double OwnMiB()
    {
        GC.Collect();
        return ResidentMiB(Environment.ProcessId);
    }

    /// <summary>Pages that a process has in memory, MiB.</summary>
    public static double ResidentMiB(int process)
    {
        var line = File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return int.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) / 1024.0;
    }
}
