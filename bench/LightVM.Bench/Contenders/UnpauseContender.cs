using System.Diagnostics;
using System.Text.RegularExpressions;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Bench.Contenders;

/// <summary>A domain that is all there, and nothing but the hypercall that lets it run: how soon its guest writes something then is the least there is.</summary>
internal sealed class UnpauseContender(LvmHost host, IHypervisor hypervisor, GuestFiles files, Regex line) : IContender
{
    private int _number;

    public string Name => "unpause";

    public bool IsProcess => false;

    public void Create(int count, Action<string, double> sample)
    {
        for (var i = 0; i < count; i++)
        {
            var draft = files.Config($"unpause-{Environment.ProcessId}-{_number++}").ToDraft();
            draft.Paused = true;
            var domain = host.CreateDomain(Configuration.DomainConfig.From(draft));
            using var first = new FirstLine(host, [domain.Key], line);
            files.Pause.Take();
            var begin = Stopwatch.GetTimestamp();
            hypervisor.Unpause(domain.Id);
            sample("create-unpause", Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
            first.Await(domain.Key, begin, milliseconds => sample("line-unpause", milliseconds));
            files.Pause.Take();
            host.DestroyDomain(domain.Key);
            files.Pause.Take();
        }
    }
}
