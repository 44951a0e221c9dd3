using System.Diagnostics;
using LightVM.Domains;
using LightVM.Hosts;

namespace LightVM.Bench.Contenders;

/// <summary>The engine, in this process.</summary>
internal sealed class SavedEngineContender(LvmHost host, ActivityTimes times, GuestFiles files, string image) : IContender
{
    private int _number;

    public string Name => "engine";

    public bool IsProcess => false;

    public void Create(int count, Action<string, double> sample)
    {
        for (var i = 0; i < count; i++)
        {
            var domain = host.CreateDomain(files.Config($"saved-{Environment.ProcessId}-{_number++}"));
            files.Pause.Take();
            Save("checkpoint", domain, sample);
            // From the hypervisor's "suspended" to its "runs".
            sample("standstill-engine", times.BetweenEnds("save/suspend", "save/resume"));
            Save("save", domain, sample);

            var begin = Stopwatch.GetTimestamp();
            domain = host.Images.Restore(image);
            sample("restore-engine", Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
            foreach (var step in domain.Creation!.Steps) sample($"step-engine-restore-{(step.Name == "restore" ? "memory" : step.Name)}", step.Duration.TotalMilliseconds);
            sample("step-engine-restore-inspect", times.DurationOf("restore/inspect"));
            files.Pause.Take();
            host.DestroyDomain(domain.Key);
            File.Delete(image);
            files.Pause.Take();
        }
    }

    private void Save(string operation, Domain domain, Action<string, double> sample)
    {
        var options = new SaveOptions { KeepRunning = operation == "checkpoint", Overwrite = true };
        if (!options.KeepRunning) File.Delete(image); // which the others replace, and do not put aside until theirs is whole
        times.Clear();
        var begin = Stopwatch.GetTimestamp();
        host.Images.Save(domain.Key, image, options);
        var total = Stopwatch.GetElapsedTime(begin).TotalMilliseconds;
        sample($"{operation}-engine", total);
        sample($"{operation}-engine-unsynced", total - times.DurationOf("save/sync"));
        foreach (var step in new[] { "begin", "suspend", "complete", "sync", options.KeepRunning ? "resume" : "destroy" }) sample($"step-engine-{operation}-{step}", times.DurationOf($"save/{step}"));
        sample($"step-engine-{operation}-memory", times.BetweenEnds("save/suspend", "save/memory"));
        files.Pause.Take();
    }
}
