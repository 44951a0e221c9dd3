using LightVM.Simulation;

namespace LightVM.Cmdlets.Connection;

/// <summary>The simulated machine that Connect-LvmHost was asked for.</summary>
internal static class SimulatedMachineOptions
{
    /// <summary>The least memory of a machine, MiB: its control domain has one half of it, a guest may have the other.</summary>
    public const int MinMemoryMiB = 16;

    /// <summary>Options out of parameters; null is "not said". A small machine has a control domain of half its memory.</summary>
    public static SimulatedHostOptions From(int? physicalCpus, int? memoryMiB, bool noPvh)
    {
        var options = new SimulatedHostOptions { SupportsPvh = !noPvh };
        if (physicalCpus is int cpus) options = options with { PhysicalCpus = cpus };
        if (memoryMiB is int memory)
            options = options with { TotalMemoryMiB = memory, ControlDomainMemoryMiB = Math.Min(options.ControlDomainMemoryMiB, memory / 2) };
        return options;
    }
}
