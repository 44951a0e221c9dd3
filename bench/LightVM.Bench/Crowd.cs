using System.Diagnostics;
using LightVM.Hosts;

namespace LightVM.Bench;

/// <summary>The guests that run beside.</summary>
internal sealed class Crowd(LvmHost host, GuestFiles files)
{
    private readonly List<Domains.Domain> _members = [];

    public void Grow(int count, Results results)
    {
        while (_members.Count < count)
        {
            var begin = Stopwatch.GetTimestamp();
            var member = host.CreateDomain(files.Config($"crowd-{Environment.ProcessId}-{_members.Count}"));
            results.Sample("create-nth", _members.Count, Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
            _members.Add(member);
            if (_members.Count % 50 == 0) Results.Progress($"{_members.Count} others");
        }

        Settle();
    }

    public void Remove()
    {
        foreach (var member in _members) host.DestroyDomain(member.Key);
        _members.Clear();
    }

    /// <summary>Waits until they have booted: a guest that does still takes the processor from what is measured.</summary>
    private void Settle()
    {
        for (var attempt = 0; attempt < 60; attempt++)
        {
            var before = CpuTime();
            Thread.Sleep(1000);
            if (CpuTime() - before < TimeSpan.FromMilliseconds(50)) return;
        }

        Results.Progress("the others do not come to rest; measuring all the same");
    }

    private TimeSpan CpuTime() => host.ListDomains().Where(domain => !domain.IsControlDomain).Aggregate(TimeSpan.Zero, (sum, domain) => sum + domain.CpuTime);
}
