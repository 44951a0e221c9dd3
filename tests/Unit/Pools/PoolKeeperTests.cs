using System.Diagnostics;
using LightVM.Configuration;
using LightVM.Contract;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Pools;
using LightVM.Simulation;
using LightVM.Unit.Contract;
using LightVM.Unit.Migration;

namespace LightVM.Unit.Pools;

/// <summary>When shells are made, and when they are destroyed. What becomes of them is in the contract of pools.</summary>
public sealed class PoolKeeperTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("lightvm-unit-").FullName;
    private readonly LvmHost _host = LvmHost.OpenSimulated(new SimulatedHostOptions { TotalMemoryMiB = 2048, ControlDomainMemoryMiB = 1024 });
    private readonly ManualTime _time = new();
    private readonly List<PoolKeeper> _keepers = [];

    public void Dispose()
    {
        foreach (var keeper in _keepers) keeper.Dispose();
        _host.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void A_shell_that_becomes_a_domain_goes_before_one_that_is_made_for_later()
    {
        var keeper = Keeper(4);
        var shell = keeper.Take(Request())!;
        _time.Advance(TimeSpan.FromSeconds(0.5));
        Assert.False(Work(keeper));
        keeper.GiveBack(shell.Uuid, isUsed: true);

        Assert.True(Work(keeper));
    }

    [Fact]
    public void Somebody_who_takes_long_is_not_waited_for()
    {
        var keeper = Keeper(4);
        keeper.Take(Request());
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.True(Work(keeper));
    }

    [Fact]
    public void Somebody_elsewhere_who_takes_long_is_looked_after_and_not_waited_for()
    {
        using var machine = new SimulatedContractHost(new SimulatedMachine(new SimulatedHostOptions()));
        using var keeper = Serve(machine, count: 4);
        var shell = machine.Directory.Shells.List()[0].Uuid;
        using var hold = machine.Directory.HoldDomain(shell, TimeSpan.Zero);
        Assert.True(machine.Directory.Shells.TryClaim(shell));
        keeper.NoteClaim(shell);
        Assert.False(Work(keeper));
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.True(Work(keeper)); // whoever has it is at it still
        Assert.Equal((3, 1), (keeper.Counts.Ready, keeper.Counts.Lent));
        Assert.True(Work(keeper));
        Assert.Equal((4, 1), (keeper.Counts.Ready, keeper.Counts.Lent));
    }

    [Fact]
    public void A_pool_that_is_more_than_half_full_waits_for_a_quiet_moment()
    {
        var keeper = Keeper(4);
        Use(keeper);
        Assert.False(Work(keeper));
        Use(keeper);
        Assert.True(Work(keeper)); // two of four
        Assert.False(Work(keeper));
        _time.Advance(TimeSpan.FromSeconds(0.2));

        Assert.True(Work(keeper));
        Assert.Equal(4, keeper.Counts.Ready);
    }

    [Fact]
    public void An_empty_pool_waits_for_nothing()
    {
        var keeper = Keeper(1);
        keeper.Take(Request());

        Assert.True(Work(keeper));
    }

    [Fact]
    public void A_shell_is_out_of_sight_before_it_has_been_published()
    {
        var (seen, here) = (new List<string>(), Environment.CurrentManagedThreadId); // other tests make shells as well
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source == DomainCreation.Activities,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStarted = activity =>
            {
                if (activity.OperationName == "shell/publish" && Environment.CurrentManagedThreadId == here) seen.AddRange(_host.ListDomains().Select(domain => domain.Name));
            },
        };
        ActivitySource.AddActivityListener(listener);

        Keeper(1);

        Assert.Equal(["Domain-0"], seen);
    }

    [Fact]
    public void What_others_claim_counts_as_what_is_handed_out_here()
    {
        var keeper = Keeper(4);
        var shell = _host.ListDomains(includeShells: true).First(domain => domain.IsShell).Uuid;
        keeper.NoteClaim(shell);
        keeper.NoteClaim(shell); // its record may change
        keeper.NoteClaim(Guid.NewGuid()); // none of this keeper's

        Assert.Equal((1, 1, 3), ((int)keeper.List()[0].Hits, keeper.Counts.Lent, keeper.Counts.Ready));
        keeper.NoteEnd(shell);
        Assert.Equal((0, 3), (keeper.Counts.Lent, keeper.Counts.Ready));
        keeper.NoteMiss(Request());
        Assert.Equal(1, keeper.List()[0].Misses);
    }

    [Fact]
    public void Memory_that_the_host_shall_have_left_stays_free()
    {
        var keeper = Keeper(0, memory: 400);
        keeper.Set(keeper.List()[0].Definition with { Minimum = 3, Maximum = 3 });

        Assert.True(Work(keeper));
        Assert.False(Work(keeper));
        Assert.Equal(1, keeper.Counts.Ready);
        Assert.Contains("256 MiB are reserved", keeper.List()[0].Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void The_tables_of_a_PVH_shell_are_memory_as_well()
    {
        var keeper = Keeper(0);
        var flavour = Definition(1).Flavour with { Type = GuestType.PVH, MemoryMiB = 720, MaxMemoryMiB = 720 };
        keeper.Add(Definition(1) with { Name = "large", Flavour = flavour with { VcpuCount = 64 } });

        Assert.False(Work(keeper));
        Assert.Contains("a shell needs 793 MiB", keeper.List()[1].Problem, StringComparison.Ordinal);
        keeper.Remove("large");
        keeper.Add(Definition(1) with { Name = "small", Flavour = flavour });
        Assert.True(Work(keeper));
        Assert.Equal(1, keeper.Counts.Ready);
    }

    [Fact]
    public void What_is_too_many_is_destroyed()
    {
        var keeper = Keeper(5);
        var before = _host.GetInfo().FreeMemoryKiB;
        keeper.Set(keeper.List()[0].Definition with { Minimum = 1, Maximum = 2 });
        while (Work(keeper))
        {
            // One goes.
        }

        Assert.Equal(2, keeper.Counts.Ready);
        Assert.True(_host.GetInfo().FreeMemoryKiB - before >= 3 * 4 * 1024);
        keeper.Set(keeper.List()[0].Definition with { MemoryBudgetMiB = 4 });
        Assert.True(Work(keeper));
        Assert.Equal(1, keeper.Counts.Ready);
    }

    [Fact]
    public void A_kernel_that_was_replaced_makes_its_shells_old()
    {
        var kernel = Path.Combine(_folder, "kernel");
        File.WriteAllBytes(kernel, SimulatedKernel.Create());
        var keeper = Keeper(2, kernel: kernel);
        File.SetLastWriteTimeUtc(kernel, DateTime.UtcNow.AddMinutes(1));

        Assert.Null(keeper.Take(Request(kernel: kernel)));

        Assert.True(SpinWait.SpinUntil(() => _host.ListDomains(includeShells: true).Count == 1, TimeSpan.FromSeconds(60)));
        Assert.True(Work(keeper));
        Assert.NotNull(keeper.Take(Request(kernel: kernel)));
    }

    [Fact]
    public void A_pool_that_can_never_be_filled_is_refused_and_leaves_no_file()
    {
        var keeper = Keeper(0);

        AssertRefused(ErrorIds.PoolExists, Definition(0));
        AssertRefused(ErrorIds.KernelNotFound, Definition(1, kernel: "/nowhere") with { Name = "b" });
        AssertRefused(ErrorIds.BridgeNotFound, Definition(1) with { Name = "b", Flavour = Definition(1).Flavour with { Bridges = ["nowhere"] } });
        Assert.Equal("a", Assert.Single(keeper.List()).Name);
        Assert.Single(Directory.GetFiles(Path.Combine(_folder, "pools")));

        void AssertRefused(string id, PoolDefinition definition) => Assert.Equal(id, Assert.Throws<LvmException>(() => keeper.Add(definition)).ErrorId);
    }

    [Fact]
    public void One_that_cannot_be_made_is_told_and_tried_again_later()
    {
        var kernel = Path.Combine(_folder, "kernel");
        File.WriteAllBytes(kernel, SimulatedKernel.Create());
        var keeper = Keeper(0, kernel: kernel);
        File.Delete(kernel);
        keeper.Set(keeper.List()[0].Definition with { Minimum = 1 });

        Assert.True(Work(keeper));
        Assert.Contains("does not exist", keeper.List()[0].Problem, StringComparison.Ordinal);
        Assert.False(Work(keeper));
        File.WriteAllBytes(kernel, SimulatedKernel.Create());
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(Work(keeper));
        Assert.Equal((1, null), (keeper.Counts.Ready, keeper.List()[0].Problem));
    }

    [Fact]
    public void A_shell_whose_id_is_another_domains_by_now_leaves_that_alone()
    {
        using var machine = new SimulatedContractHost(new SimulatedMachine(new SimulatedHostOptions()));
        using var keeper = Serve(machine);
        var shell = Assert.Single(machine.Directory.Shells.List());
        machine.Hypervisor.Destroy(shell.Id);
        var shape = new DomainShape(Guid.NewGuid(), GuestType.PV, 64, 1);
        for (uint id; (id = machine.Hypervisor.CreateDomain(shape)) != shell.Id;) machine.Hypervisor.Destroy(id);

        Assert.Equal(CreationSource.Full, machine.Host.CreateDomain(Config(4, machine.Kernel), TestContext.Current.CancellationToken).Creation!.Source);

        Assert.Equal(shape.Uuid, machine.Hypervisor.FindDomain(shell.Id)!.Value.Key.Uuid);
        Assert.Empty(machine.Directory.Shells.List());
    }

    [Fact]
    public void A_domain_that_was_made_anew_under_the_uuid_that_a_lost_shell_was_to_get_stays()
    {
        using var machine = new SimulatedContractHost(new SimulatedMachine(new SimulatedHostOptions()));
        using var keeper = Serve(machine);
        var shell = Assert.Single(machine.Directory.Shells.List());
        var domain = machine.Host.CreateDomain(Config(8, machine.Kernel), TestContext.Current.CancellationToken);
        machine.Hypervisor.Destroy(shell.Id);
        machine.Directory.Shells.Save(shell with { State = ShellState.Claimed, Becomes = domain.Uuid });

        using var next = machine.Host.MakeKeeper(new MemoryPoolStore(), new PoolKeeperOptions(), _ => { }, _time);
        next.Open();

        Assert.Empty(machine.Directory.Shells.List());
        Assert.Equal(domain.Name, machine.Host.GetDomain(domain.Key).Name);
    }

    [Fact]
    public void Whatever_goes_wrong_with_one_is_its_pools_problem()
    {
        var (keeper, here) = (Keeper(0), Environment.CurrentManagedThreadId);
        keeper.Set(keeper.List()[0].Definition with { Minimum = 1 });
        using (var listener = new ActivityListener
        {
            ShouldListenTo = source => source == DomainCreation.Activities,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStarted = activity =>
            {
                if (activity.OperationName == "shell/publish" && Environment.CurrentManagedThreadId == here) throw new InvalidOperationException("a bug");
            },
        })
        {
            ActivitySource.AddActivityListener(listener);
            Assert.True(Work(keeper));
        }

        Assert.Equal(("a bug", 0), (keeper.List()[0].Problem, keeper.List()[0].MakingCount));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(Work(keeper));
        Assert.Equal(1, keeper.Counts.Ready);
    }

    [Fact]
    public void A_hypervisor_that_does_not_answer_for_once_ends_nothing()
    {
        var machine = new SimulatedMachine(new SimulatedHostOptions());
        using var end = new CancellationTokenSource();
        var log = new List<string>();
        using var host = new LvmHost(new WatchfulHypervisor(machine) { BeforeInfo = FailOnce }, new SimulatedDirectory(machine), new SimulatedDeviceBus(machine));
        using var keeper = host.MakeKeeper(new MemoryPoolStore(), new PoolKeeperOptions { MemoryCheck = TimeSpan.FromMilliseconds(1) }, log.Add);
        keeper.Add(Definition(1, kernel: SimulatedKernel.Path) with { Flavour = PoolFlavour.Of(Config(4, SimulatedKernel.Path), ShellKind.Shell) });
        var thread = new Thread(() => keeper.Run(end.Token));
        thread.Start();

        Assert.True(SpinWait.SpinUntil(() => keeper.Counts.Ready == 1, TimeSpan.FromSeconds(60)));
        end.Cancel();
        thread.Join();
        Assert.Contains("not this time", Assert.Single(log), StringComparison.Ordinal);

        void FailOnce()
        {
            if (log.Count == 0) throw new LvmException(ErrorIds.HypervisorFailure, "not this time");
        }
    }

    /// <summary>A keeper for a host whose parts are in reach.</summary>
    private PoolKeeper Serve(SimulatedContractHost machine, int count = 1)
    {
        var keeper = machine.Host.MakeKeeper(new MemoryPoolStore(), new PoolKeeperOptions(), _ => { }, _time);
        machine.Host.UsePools(keeper);
        keeper.Add(Definition(count, kernel: machine.Kernel));
        for (var i = 0; i < count; i++) Assert.True(Work(keeper));
        return keeper;
    }

    private PoolKeeper Keeper(int count, int memory = 4, string kernel = SimulatedKernel.Path)
    {
        var keeper = _host.MakeKeeper(new FilePoolStore(Path.Combine(_folder, "pools")), new PoolKeeperOptions(), _ => { }, _time);
        _keepers.Add(keeper);
        keeper.Open();
        keeper.Add(Definition(count, memory, kernel));
        while (Work(keeper))
        {
            // One is made.
        }

        Assert.Equal(count, keeper.Counts.Ready);
        return keeper;
    }

    private void Use(PoolKeeper keeper) => keeper.GiveBack(keeper.Take(Request())!.Uuid, isUsed: true);

    private static bool Work(PoolKeeper keeper) => keeper.Work(TestContext.Current.CancellationToken);

    private static PoolDefinition Definition(int count, int memory = 4, string kernel = SimulatedKernel.Path) =>
        new() { Name = "a", Flavour = PoolFlavour.Of(Config(memory, kernel), ShellKind.Built), Minimum = count, Maximum = Math.Max(count, 1) };

    private static ShellRequest Request(string kernel = SimulatedKernel.Path) => ShellRequest.Of(Config(4, kernel));

    private static DomainConfig Config(int memory, string kernel) => DomainConfig.From(new DomainConfigDraft { Name = "any", Kernel = kernel, MemoryMiB = memory, VcpuCount = 1 });
}
