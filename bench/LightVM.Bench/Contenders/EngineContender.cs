using System.Diagnostics;
using System.Text.RegularExpressions;
using LightVM.Hosts;

namespace LightVM.Bench.Contenders;

/// <summary>The engine, in this process.</summary>
/// <param name="name">Part of the names of its series.</param>
/// <param name="line">What its guest writes first; null where that is not waited for.</param>
internal sealed class EngineContender(LvmHost host, GuestFiles files, string name = "engine", Regex? line = null) : IContender
{
    private int _number;

    /// <summary>Steps of a creation, of the engine and of the bare C loop.</summary>
    public static IReadOnlyList<string> Steps { get; } =
        ["domain", "vcpus", "limits", "ports", "memory", "kernel", "build", "boot", "grants", "publish", "start"];

    public string Name => name;

    public bool IsProcess => false;

    public void Create(int count, Action<string, double> sample)
    {
        for (var i = 0; i < count; i++)
        {
            var config = files.Config($"{name}-{Environment.ProcessId}-{_number++}");
            var begin = Stopwatch.GetTimestamp();
            var domain = host.CreateDomain(config);
            sample($"create-{name}", Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
            if (line is not null) FirstLine.Await(host, domain, line, begin, milliseconds => sample($"line-{name}", milliseconds));
            foreach (var step in domain.Creation!.Steps) sample($"step-{name}-{step.Name}", step.Duration.TotalMilliseconds);

            files.Pause.Take();
            begin = Stopwatch.GetTimestamp();
            host.DestroyDomain(domain.Key);
            sample($"destroy-{name}", Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
            files.Pause.Take();
        }
    }
}
