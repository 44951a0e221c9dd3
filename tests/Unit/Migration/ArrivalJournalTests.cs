using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Migration;
using LightVM.Simulation;

namespace LightVM.Unit.Migration;

/// <summary>What becomes of domains whose receiver has died: each state that it can leave.</summary>
public sealed class ArrivalJournalTests : IDisposable
{
    private readonly SimulatedDirectory _directory;
    private readonly LvmHost _host;
    private readonly Guid _ticket = Guid.NewGuid();
    private readonly Guid _uuid = Guid.NewGuid();
    private readonly FileInfo _kernel = new(Path.GetTempFileName());

    public ArrivalJournalTests()
    {
        File.WriteAllBytes(_kernel.FullName, SimulatedKernel.Create());
        var machine = new SimulatedMachine(new SimulatedHostOptions());
        _directory = new SimulatedDirectory(machine);
        _host = new LvmHost(new SimulatedHypervisor(machine), _directory, new SimulatedDeviceBus(machine));
    }

    public void Dispose()
    {
        _host.Dispose();
        _kernel.Delete();
    }

    [Theory]
    [InlineData(ArrivalState.Arriving)]
    [InlineData(ArrivalState.Refused)]
    public void What_was_not_to_go_on_here_is_destroyed(ArrivalState state)
    {
        Leave(state, isThere: true);

        Assert.Contains("destroyed", _host.Moves.RecoverArrival(_ticket), StringComparison.Ordinal);

        Assert.Null(State);
        Assert.Empty(_host.Moves.UnfinishedArrivals());
    }

    [Fact]
    public void What_was_to_go_on_here_is_started_once()
    {
        Leave(ArrivalState.Committed, isThere: true);

        Assert.Contains("goes on here", _host.Moves.RecoverArrival(_ticket), StringComparison.Ordinal);

        Assert.Equal(DomainState.Blocked, State);
        Assert.Empty(_host.Moves.UnfinishedArrivals());
        Assert.Null(_host.Moves.RecoverArrival(_ticket));
    }

    [Fact]
    public void What_somebody_is_receiving_is_left_alone()
    {
        Leave(ArrivalState.Arriving, isThere: true);
        using var hold = _directory.HoldDomain(_uuid, TimeSpan.Zero);

        Assert.Equal(ErrorIds.DomainInvalidState, Assert.Throws<LvmException>(() => _host.Moves.RecoverArrival(_ticket)).ErrorId);

        Assert.Equal(DomainState.Paused, State);
    }

    /// <summary>Somebody restored it from an image, say, while the note of an arrival that failed was still there.</summary>
    [Fact]
    public void A_domain_of_the_same_uuid_that_runs_is_another()
    {
        Leave(ArrivalState.Refused, isThere: true);
        _host.UnpauseDomain(_host.GetDomain(_uuid).Key);

        _host.Moves.RecoverArrival(_ticket);

        Assert.Equal(DomainState.Blocked, State);
        Assert.Empty(_host.Moves.UnfinishedArrivals());
    }

    [Fact]
    public void The_daemon_does_so_by_itself()
    {
        Leave(ArrivalState.Committed, isThere: true);
        var log = new List<string>();

        new LifecycleActions(_host, log.Add).Pass(TestContext.Current.CancellationToken);

        Assert.Equal(DomainState.Blocked, State);
        Assert.Contains("goes on here", Assert.Single(log), StringComparison.Ordinal);
    }

    private DomainState? State => _host.ListDomains().FirstOrDefault(domain => domain.Uuid == _uuid)?.State;

    /// <summary>What a receiver leaves that dies.</summary>
    private void Leave(ArrivalState state, bool isThere)
    {
        _directory.SaveArrival(_ticket, new Arrival(state, _uuid, "web", "there", 4096));
        if (isThere) _host.CreateDomain(DomainConfig.From(new DomainConfigDraft { Name = "web", Uuid = _uuid, Kernel = _kernel.FullName, MemoryMiB = 4, VcpuCount = 1, Paused = true }), TestContext.Current.CancellationToken);
    }
}
