using System.Diagnostics;
using LightVM.Hosts;

namespace LightVM.Bench.Contenders;

/// <summary>The engine, in this process.</summary>
internal sealed class EngineContender(LvmHost host, GuestFiles files) : IContender
{
    private int _number;

    /// <summary>Steps of a creation, of the engine and of the bare C loop.</summary>
    public static IReadOnlyList<string> Steps { get; } =
        ["domain", "vcpus", "limits", "ports", "memory", "kernel", "build", "boot", "grants", "publish", "start"];

    public string Name => "engine";

    public bool IsProcess => false;

    public void Create(int count, Action<string, double> sample)
    {
        for (var i = 0; i < count; i++)
        {
            var config = files.Config($"engine-{Environment.ProcessId}-{_number++}");
            var begin = Stopwatch.GetTimestamp();
            var domain = host.CreateDomain(config);
            sample("create-engine", Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
            foreach (var step in domain.Creation!.Steps) sample($"step-engine-{step.Name}", step.Duration.TotalMilliseconds);

            Thread.Sleep(files.PauseMs);
            begin = Stopwatch.GetTimestamp();
            host.DestroyDomain(domain.Key);
            sample("destroy-engine", Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
            Thread.Sleep(files.PauseMs);
        }
    }
}
