using LightVM.Bench.Contenders;

namespace LightVM.Bench;

/// <summary>What every suite on a real Xen is told.</summary>
internal sealed record SuiteOptions
{
    public required string Kernel { get; init; }

    /// <summary>How many guests run beside, ascending.</summary>
    public IReadOnlyList<int> Others { get; init; } = [];

    public required int Samples { get; init; }

    /// <summary>The same for series that start a process.</summary>
    public required int ProcessSamples { get; init; }

    public required int Blocks { get; init; }

    public required Pause Pause { get; init; }

    /// <summary>The folder of the programs in C (bench/baseline).</summary>
    public required string Programs { get; init; }

    public string Baseline => Path.Combine(Programs, "baseline");

    public string Timed => Path.Combine(Programs, "timed");

    /// <summary>
    /// One block: who is measured how often, in an order in which each begins once. Whatever drifts (the machine's load, the store's memory)
    /// hits all alike so.
    /// </summary>
    public IEnumerable<(IContender Contender, int Count)> Turns(IReadOnlyList<IContender> contenders, int block)
    {
        for (var i = 0; i < contenders.Count; i++)
        {
            var contender = contenders[(i + block) % contenders.Count];
            var samples = contender.IsProcess ? ProcessSamples : Samples;
            var count = samples * (block + 1) / Blocks - samples * block / Blocks;
            if (count > 0) yield return (contender, count);
        }
    }
}
