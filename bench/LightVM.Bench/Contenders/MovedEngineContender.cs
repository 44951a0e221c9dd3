using LightVM.Hosts;
using LightVM.Migration;

namespace LightVM.Bench.Contenders;

/// <summary>The engine, in this process; at the other end its receiver.</summary>
internal sealed class MovedEngineContender(LvmHost host, GuestFiles files, MigrationTarget target) : IContender
{
    private int _number;

    public string Name { get; } = target.Transport.ToString().ToLowerInvariant();

    public bool IsProcess => target.Transport == MigrationTransport.Ssh;

    public void Create(int count, Action<string, double> sample)
    {
        for (var i = 0; i < count; i++)
        {
            var domain = host.CreateDomain(files.Config($"moved-{Name}-{Environment.ProcessId}-{_number++}"));
            files.Pause.Take();
            var result = host.Moves.Move(domain.Key, target);
            sample($"move-{Name}", result.TotalTime.TotalMilliseconds);
            sample($"downtime-{Name}", result.Downtime.TotalMilliseconds);
            files.Pause.Take();
            Child.Run("ssh", target.Host, $"lightvm destroy -q {domain.Name}");
            files.Pause.Take();
        }
    }
}
