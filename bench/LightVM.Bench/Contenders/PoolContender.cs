using System.Diagnostics;
using System.Text.RegularExpressions;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Pools;

namespace LightVM.Bench.Contenders;

/// <summary>The engine, where the pool daemon has a shell ready. Between two guests there is time to make the next shell.</summary>
/// <param name="startDaemon">Starts it; there is none while the others are measured.</param>
/// <param name="image">A saved guest, for snapshots.</param>
/// <param name="name">Part of the names of its series; null for the kind's.</param>
/// <param name="line">What its guest writes first, and how shells are found; null where that is not waited for.</param>
internal sealed class PoolContender(
    LvmHost host, GuestFiles files, ShellKind kind, Func<DaemonProcess> startDaemon, string image, string? name = null, (Regex Line, IHypervisor Hypervisor)? line = null) : IContender
{
    /// <summary>Shells that are kept: what is made after one was taken is not what is taken next.</summary>
    private const int Ready = 2;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private int _number;

    public string Name { get; } = name ?? $"pool-{kind.ToString().ToLowerInvariant()}";

    public bool IsProcess => false;

    public void Create(int count, Action<string, double> sample)
    {
        using var daemon = startDaemon();
        using var times = new ActivityTimes("create/start");
        var pool = host.Pools.Add(new PoolDefinition
        {
            Name = Name,
            Flavour = kind == ShellKind.Snapshot ? PoolFlavour.OfImage(image) : PoolFlavour.Of(files.Config("shell"), kind),
            Minimum = Ready,
            Maximum = Ready,
        });
        try
        {
            for (var i = 0; i < count; i++)
            {
                AwaitShells();
                using var first = line is var (pattern, hypervisor) ? new FirstLine(host, hypervisor.ListDomains().Where(domain => domain.State == DomainState.Paused).Select(domain => domain.Key), pattern) : null;
                files.Pause.Take();
                var config = files.Config($"{Name}-{Environment.ProcessId}-{_number++}");
                var begin = Stopwatch.GetTimestamp();
                var domain = host.CreateDomain(config);
                sample($"create-{Name}", Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
                sample($"run-{Name}", times.UntilEndOf("create/start", begin));
                first?.Await(domain.Key, begin, milliseconds => sample($"line-{Name}", milliseconds));
                if (domain.Creation is not { } creation || creation.Pool != Name) throw new InvalidOperationException($"{domain} was not made of a shell of {Name}");
                foreach (var step in creation.Steps) sample($"step-{Name}-{step.Name}", step.Duration.TotalMilliseconds);
                files.Pause.Take();
                host.DestroyDomain(domain.Key);
            }
        }
        finally
        {
            host.Pools.Remove(pool.Name);
        }

        files.Pause.Take();
    }

    private void AwaitShells()
    {
        for (var begin = Stopwatch.GetTimestamp(); host.Pools.Get(Name) is not { ReadyCount: Ready, MakingCount: 0, LentCount: 0 };)
        {
            if (Stopwatch.GetElapsedTime(begin) > Patience) throw new InvalidOperationException($"{Name} has no shells: {host.Pools.Get(Name).Problem}");
            files.Pause.Take();
        }
    }
}
