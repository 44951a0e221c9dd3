using System.Diagnostics;
using LightVM.Hosts;

namespace LightVM.Bench.Contenders;

/// <summary>
/// libxc's live save into a TCP connection, and libxc's restore out of it at the other end (bench/baseline/moved.c): two hosts and the wire
/// between them as every move has them, and nothing else. How long its guest stands still is the least there is.
/// </summary>
internal sealed class BareMove(LvmHost host, GuestFiles files, BareWire wire) : IContender
{
    private int _number;

    public string Name => "bare";

    public bool IsProcess => false;

    public void Create(int count, Action<string, double> sample)
    {
        for (var i = 0; i < count; i++)
        {
            var domain = host.CreateDomain(files.Config($"bare-{Environment.ProcessId}-{_number++}"));
            Thread.Sleep(files.PauseMs);
            var (move, downtime) = wire.Move(domain.Key.Id, files.MemoryMiB);
            sample("move-bare", move);
            sample("downtime-bare", downtime);
            host.DestroyDomain(domain.Key);
            Thread.Sleep(files.PauseMs);
        }
    }
}

/// <summary>Both ends of bare moves, in processes that last as long as this: the receiver by way of ssh.</summary>
internal sealed class BareWire : IDisposable
{
    private const string Port = "8519";

    private readonly Process _receiver;
    private readonly Process _sender;

    /// <param name="program">"moved", under the same path on both hosts.</param>
    /// <param name="target">The other host's address.</param>
    public BareWire(string program, string target)
    {
        _receiver = Child.Start("ssh", target, program, "receive", target, Port);
        if (_receiver.StandardOutput.ReadLine() != "ready") throw new InvalidOperationException($"{program} does not receive at {target}");
        _sender = Child.Start(program, "send", target, Port);
    }

    /// <summary>Moves the guest; what is left of it here stands still.</summary>
    /// <returns>Milliseconds.</returns>
    public (double Move, double Downtime) Move(uint domain, int memoryMiB)
    {
        _sender.StandardInput.WriteLine($"{domain} {memoryMiB}");
        _sender.StandardInput.Flush();
        var line = _sender.StandardOutput.ReadLine() ?? throw new InvalidOperationException($"the bare move of domain {domain} came to nothing");
        var times = line.Split(',').Select(Child.Number).ToArray();
        return (times[0], times[1]);
    }

    public void Dispose()
    {
        foreach (var process in new[] { _sender, _receiver })
        {
            process.StandardInput.Close();
            process.WaitForExit();
            process.Dispose();
        }
    }
}
