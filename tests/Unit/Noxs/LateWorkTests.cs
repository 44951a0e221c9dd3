using System.Collections.Concurrent;
using LightVM.Host.Devices;
using LightVM.Host.Noxs;
using Xunit;

namespace LightVM.Unit.Noxs;

/// <summary>What the noxs daemon does a moment later.</summary>
public sealed class LateWorkTests : IDisposable
{
    private readonly StringWriter _messages = new();
    private readonly BlockingCollection<string> _done = [];
    private readonly CancellationTokenSource _end = new();
    private readonly DaemonLog _log;
    private readonly LateWork _late;
    private readonly Thread _thread;

    public LateWorkTests()
    {
        _log = new DaemonLog(_messages);
        _late = new LateWork(_log);
        _thread = new Thread(() =>
        {
            try
            {
                _late.Run(_end.Token);
            }
            catch (OperationCanceledException)
            {
                _done.CompleteAdding();
            }
        });
        _thread.Start();
    }

    public void Dispose()
    {
        _end.Cancel();
        _thread.Join();
        _late.Dispose();
        _log.Dispose();
        _end.Dispose();
        _done.Dispose();
    }

    [Fact]
    public void All_of_it_is_done_in_its_order()
    {
        foreach (var what in (string[])["a", "b", "c"]) _late.Add(7, () => _done.Add(what));
        Assert.Equal(["a", "b", "c"], Take(3));
        _late.Add(8, () => _done.Add("later")); // the timer is set again
        Assert.Equal(["later"], Take(1));
    }

    [Fact]
    public void Whoever_is_in_a_hurry_is_served_first_and_in_order()
    {
        using var begun = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        _late.Add(1, () =>
        {
            begun.Set();
            go.Wait(_end.Token);
        });
        _late.Hurry(1);
        begun.Wait(TestContext.Current.CancellationToken);
        foreach (var (domain, what) in ((ushort, string)[])[(7, "7a"), (8, "8a"), (7, "7b"), (8, "8b")]) _late.Add(domain, () => _done.Add(what));
        _late.Hurry(8);
        _late.Hurry(9); // has nothing to be done
        go.Set();
        Assert.Equal(["8a", "8b", "7a", "7b"], Take(4));
    }

    [Fact]
    public void What_fails_keeps_nothing_else_from_being_done()
    {
        _late.Add(7, () => throw new IOException("no such thing"));
        _late.Add(7, () => _done.Add("next"));
        Assert.Equal(["next"], Take(1));
        Assert.Contains("no such thing", _messages.ToString(), StringComparison.Ordinal);
    }

    private string[] Take(int count) => Enumerable.Range(0, count).Select(_ => _done.Take(_end.Token)).ToArray();
}
