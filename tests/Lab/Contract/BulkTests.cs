using System.Diagnostics;
using System.Globalization;
using System.Text;
using LightVM.Configuration;
using LightVM.Contract;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Hypervisor;

namespace LightVM.Lab;

/// <summary>
/// Tiny guests by the hundred or, where LIGHTVM_BULK says "1000x3", by the thousand three times over: created, listed, paused, removed,
/// several at once. What the host had at the start it has at the end. What each step took is printed.
/// </summary>
public sealed class BulkTests(XenContractHost contract, RunningDeviceDaemon daemon) : ContractTests(contract), IClassFixture<XenContractHost>, IClassFixture<RunningDeviceDaemon>
{
    private static readonly int[] Size = [.. (Environment.GetEnvironmentVariable("LIGHTVM_BULK") ?? "100x1").Split('x').Select(number => int.Parse(number, CultureInfo.InvariantCulture))];

    private static int Guests => Size[0];

    [Fact]
    public void Many_guests_come_and_go()
    {
        var before = Host.GetInfo().FreeMemoryKiB;
        for (var round = 1; round <= Size[1]; round++)
        {
            Report($"round {round} of {Guests} guests; free memory {Host.GetInfo().FreeMemoryKiB} KiB; processor time of the device daemon {DaemonTime.TotalSeconds:F2} s");
            var created = new List<Domain>(Guests);
            Measure("created", () =>
            {
                foreach (var domain in Work(Enumerable.Range(1, Guests).Select(number => Config(draft => draft.Name = $"bulk-{number}")), (config, cancellation) => Host.CreateDomain(config, cancellation)))
                {
                    created.Add(Created(domain));
                    if (created.Count is 1 or 10 || created.Count == Guests / 2 || created.Count == Guests) ReportSteps(created.Count, domain);
                }
            });
            Report($"  {(before - Host.GetInfo().FreeMemoryKiB) / (double)Guests - 4096:F1} KiB a guest beside its 4 MiB");

            Measure("listed", () => Assert.Equal(Guests, Host.ListDomains().Count(domain => domain.Name.StartsWith("bulk-", StringComparison.Ordinal))));
            Measure("listed again", () => Assert.Equal(Guests, Host.ListDomains().Count(domain => domain.Name.StartsWith("bulk-", StringComparison.Ordinal))));
            Measure("found by name", () => Assert.Equal(created[^1].Key, Host.GetDomain(created[^1].Name).Key));
            Measure("listed by another process", () => Assert.Contains($"\"bulk-{Guests}\"", Dom0.Output(Dom0.Lightvm, "list", "--json"), StringComparison.Ordinal));
            Measure("paused", () => Assert.All(Work(created, (domain, _) => Host.PauseDomain(domain.Key)), paused => Assert.Equal(DomainState.Paused, paused.State)));
            Measure("removed", () => Assert.Equal(Guests, Work(created, (domain, _) =>
            {
                Host.DestroyDomain(domain.Key);
                return domain;
            }).Count()));
            Report($"  processor time of the device daemon {DaemonTime.TotalSeconds:F2} s; this process {Environment.WorkingSet >> 20} MiB");
            AssertEventually(() => Host.ListDomains().Count == 1, "not all are gone");
            AssertNothingLeft();
        }

        // Xen keeps a little of its own for next time.
        AssertEventually(() => before - Host.GetInfo().FreeMemoryKiB < 1024, $"of {before} KiB that were free {Host.GetInfo().FreeMemoryKiB} are");
    }

    private TimeSpan DaemonTime
    {
        get
        {
            using var process = Process.GetProcessById(daemon.ProcessId);
            return process.TotalProcessorTime;
        }
    }

    private static IEnumerable<TResult> Work<TItem, TResult>(IEnumerable<TItem> items, Func<TItem, CancellationToken, TResult> work)
    {
        using var queue = new WorkQueue<TItem, TResult>(WorkQueue.DefaultWorkers, work, Cancellation);
        foreach (var item in items)
        {
            queue.Add(item);
            while (queue.TryTake(out var outcome)) yield return Succeeded(outcome);
        }

        queue.Complete();
        while (queue.Take(out var outcome)) yield return Succeeded(outcome);

        static TResult Succeeded(WorkOutcome<TItem, TResult> outcome) => outcome.Error is null ? outcome.Result! : throw outcome.Error;
    }

    private static void Measure(string what, Action work)
    {
        var allocated = GC.GetTotalAllocatedBytes();
        var begin = Stopwatch.GetTimestamp();
        work();
        Report($"  {what}: {Stopwatch.GetElapsedTime(begin).TotalMilliseconds:F1} ms, {GC.GetTotalAllocatedBytes() - allocated >> 10} KiB allocated");
    }

    private static void ReportSteps(int number, Domain domain)
    {
        var steps = new StringBuilder($"  number {number}: {domain.Creation!.Duration.TotalMilliseconds:F1} ms");
        foreach (var step in domain.Creation.Steps) steps.Append(CultureInfo.InvariantCulture, $", {step.Name} {step.Duration.TotalMilliseconds:F1}");
        steps.Append(CultureInfo.InvariantCulture, $", between {(domain.Creation.Duration - domain.Creation.Steps.Aggregate(TimeSpan.Zero, (sum, step) => sum + step.Duration)).TotalMilliseconds:F1}");
        Report(steps.ToString());
    }

    private static void Report(FormattableString line) => Report(line.ToString(CultureInfo.InvariantCulture));

    private static void Report(string line) => Console.WriteLine(line);
}
