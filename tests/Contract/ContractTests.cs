using System.Diagnostics;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using Xunit;

namespace LightVM.Contract;

/// <summary>What tests of the contract share. Each ends with a look at what is left: of domains, memory, names, and on Xen of event channels, store nodes and devices.</summary>
public abstract class ContractTests : IDisposable
{
    private readonly HashSet<Guid> _created = [];
    private readonly string _before;

    protected ContractTests(ContractHost contract)
    {
        Contract = contract;
        _before = contract.DescribeTraces();
    }

    protected ContractHost Contract { get; }

    protected LvmHost Host => Contract.Host;

    protected static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
        foreach (var domain in Host.ListDomains().Where(domain => _created.Contains(domain.Uuid) && domain.State != DomainState.Dying)) Host.DestroyDomain(domain.Key);
        AssertNothingLeft();
    }

    /// <summary>Cancels while an activity runs, until the result is disposed: the one after it must not begin.</summary>
    private protected static IDisposable CancelAt(string name, CancellationTokenSource cancellation)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = source => source == DomainCreation.Activities,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStarted = activity =>
            {
                if (activity.OperationName == name) cancellation.Cancel();
            },
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    /// <summary>Cancels a creation in each of its steps.</summary>
    protected void AssertCancelledCreationsLeaveNothing(Action<DomainConfigDraft> change)
    {
        foreach (var step in DomainCreation.StepNames)
        {
            using var cancellation = new CancellationTokenSource();
            using var listener = CancelAt("create/" + step, cancellation);
            try
            {
                var domain = Host.CreateDomain(Config(draft => Named(draft, "contract-cancel")), cancellation.Token);
                Assert.Equal(DomainCreation.StepNames.Last(), step); // too late to cancel: it runs
                Host.DestroyDomain(domain.Key);
            }
            catch (LvmException error)
            {
                Assert.Equal(ErrorIds.OperationCancelled, error.ErrorId);
                Assert.Null(error.LeftBehind);
            }

            AssertNothingLeft();
        }

        void Named(DomainConfigDraft draft, string name)
        {
            draft.Name = name;
            change(draft);
        }
    }

    /// <summary>Makes each call of the hypervisor in a creation fail, one after the other.</summary>
    protected void AssertFailedCreationsLeaveNothing(Action<DomainConfigDraft> change)
    {
        for (var call = 1; ; call++)
        {
            var faulty = new FailingHypervisor(Contract.Hypervisor, call);
            using var host = new LvmHost(faulty, new UnownedDirectory(Contract.Directory), new UnownedBus(Contract.Bus));
            try
            {
                var domain = host.CreateDomain(Config(draft => Named(draft, "contract-fault")), TestContext.Current.CancellationToken);
                Assert.True(call > 8, $"only {call - 1} calls were made to fail");
                Host.DestroyDomain(domain.Key);
                return;
            }
            catch (LvmException error)
            {
                Assert.Equal(FailingHypervisor.Problem, error.Problem);
                Assert.Equal("contract-fault", error.Domain);
                Assert.Null(error.LeftBehind);
            }

            AssertNothingLeft();
        }

        void Named(DomainConfigDraft draft, string name)
        {
            draft.Name = name;
            change(draft);
        }
    }

    protected DomainConfig Config(Action<DomainConfigDraft>? change = null)
    {
        var draft = new DomainConfigDraft
        {
            Name = $"contract-{Guid.NewGuid():n}",
            Kernel = Contract.Kernel,
            MemoryMiB = 4,
            VcpuCount = 1,
            // Looked at after its end, also where a daemon carries out what else would happen then.
            OnPoweroff = LifecycleAction.Preserve,
            OnReboot = LifecycleAction.Preserve,
            OnCrash = LifecycleAction.Preserve,
        };
        change?.Invoke(draft);
        return DomainConfig.From(draft);
    }

    protected Domain Create(Action<DomainConfigDraft>? change = null)
    {
        var domain = Host.CreateDomain(Config(change), TestContext.Current.CancellationToken);
        return Created(domain);
    }

    /// <summary>A domain that a test has brought about, to be destroyed at its end.</summary>
    protected Domain Created(Domain domain)
    {
        lock (_created) _created.Add(domain.Uuid);
        return domain;
    }

    protected static LvmException AssertFails(string errorId, Action action)
    {
        var error = Assert.ThrowsAny<LvmException>(action);
        Assert.True(errorId == error.ErrorId, $"expected {errorId}, got {error.ErrorId}: {error.Message}");
        Assert.Null(error.LeftBehind);
        return error;
    }

    protected Domain AssertBecomes(DomainKey key, DomainState state)
    {
        AssertEventually(() => Host.GetDomain(key).State == state, $"domain {key} does not become {state}");
        return Host.GetDomain(key);
    }

    protected static void AssertEventually(Func<bool> condition, string complaint)
    {
        for (var deadline = Environment.TickCount64 + 10_000; !condition(); Thread.Sleep(20))
            Assert.True(Environment.TickCount64 < deadline, complaint);
    }

    /// <summary>All is as it was when the test began.</summary>
    protected void AssertNothingLeft()
    {
        var now = "";
        for (var deadline = Environment.TickCount64 + 10_000; (now = Contract.DescribeTraces()) != _before && Environment.TickCount64 < deadline; Thread.Sleep(50))
        {
            // A hypervisor frees the last pages, and daemons their ports, a little after the domain is gone.
        }

        string[] were = _before.Split('\n'), are = now.Split('\n');
        Assert.True(now == _before, $"left: {Lines(are.Except(were))}; missing: {Lines(were.Except(are))}");

        static string Lines(IEnumerable<string> lines) => string.Join(" | ", lines.Select(line => line.Trim()).DefaultIfEmpty("nothing"));
    }
}
