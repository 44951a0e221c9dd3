using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Pools;
using Xunit;

namespace LightVM.Contract;

/// <summary>
/// What every host does with shells: one that a keeper made becomes a domain in the hands of another host object, as if that had made it.
/// Each test ends with a look at what is left.
/// </summary>
public abstract class PoolContract(ContractHost contract) : ContractTests(contract)
{
    /// <summary>A host that has nothing of the one that made the shells but what is kept outside of both.</summary>
    protected abstract LvmHost OpenOther();

    public static TheoryData<GuestType> Types => [GuestType.PV, GuestType.PVH];

    [Theory]
    [MemberData(nameof(Types))]
    public void A_shell_that_one_host_made_becomes_a_domain_of_another(GuestType type)
    {
        if (!Runs(type)) return;
        using var pool = new TestPool(Host, Flavour(type, ShellKind.Shell));

        var domain = pool.Use(OpenOther(), Config(draft => (draft.Name, draft.Type) = ("contract-shell", type)));

        Created(domain);
        Assert.Equal((CreationSource.Shell, TestPool.Name), (domain.Creation!.Source, domain.Creation.Pool));
        Assert.Equal(DomainCreation.ShellStepNames(ShellKind.Shell, isAsItIs: true), domain.Creation.Steps.Select(step => step.Name));
        Assert.Equal("contract-shell", domain.Name);
        AssertBecomes(domain.Key, DomainState.Blocked);
        Assert.Empty(Contract.Directory.Shells.List());
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void What_is_too_much_of_a_shells_memory_is_given_back(GuestType type)
    {
        if (!Runs(type)) return;
        var free = Host.GetInfo().FreeMemoryKiB;
        using var pool = new TestPool(Host, Flavour(type, ShellKind.Shell) with { MemoryMiB = 32, MaxMemoryMiB = 32, VcpuCount = 2 });
        Assert.True(free - Host.GetInfo().FreeMemoryKiB > 30 * 1024);

        var domain = Created(pool.Use(OpenOther(), Config(draft => (draft.Type, draft.MemoryMiB) = (type, 8))));

        Assert.InRange(domain.MemoryKiB, 8 * 1024 - 64, 8 * 1024 + 64);
        Assert.Equal(8 * 1024, domain.MaxMemoryKiB, 1024.0);
        AssertBecomes(domain.Key, DomainState.Blocked);
        AssertEventually(() => free - Host.GetInfo().FreeMemoryKiB < 20 * 1024, "the surplus is not free");
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void A_built_shell_runs_its_own_kernel(GuestType type)
    {
        if (!Runs(type)) return;
        using var pool = new TestPool(Host, Flavour(type, ShellKind.Built) with { CommandLine = "built" });

        var domain = Created(pool.Use(OpenOther(), Config(draft => (draft.Type, draft.CommandLine) = (type, "built"))));

        Assert.Equal(CreationSource.Built, domain.Creation!.Source);
        Assert.Equal(DomainCreation.ShellStepNames(ShellKind.Built, isAsItIs: true), domain.Creation.Steps.Select(step => step.Name));
        AssertBecomes(domain.Key, DomainState.Blocked);
        Assert.Equal(domain.Name, Host.GetDomain(domain.Key).Name);
        Assert.NotNull(Contract.Directory.FindConfig(domain.Key));
    }

    /// <summary>It runs before it is known what shall happen then.</summary>
    [Fact]
    public void A_guest_out_of_a_shell_that_ends_at_once_is_removed_if_its_configuration_says_so()
    {
        using var pool = new TestPool(Host, Flavour(GuestType.PV, ShellKind.Built) with { CommandLine = "off" }, count: 3);
        using var actions = new RunningActions(Host);
        for (var round = 0; round < 3; round++)
        {
            var domain = pool.Use(OpenOther(), Config(draft => (draft.CommandLine, draft.OnPoweroff) = ("off", LifecycleAction.Destroy)));
            AssertEventually(() => Host.ListDomains(includeShells: true).All(each => each.Uuid != domain.Uuid || each.State == DomainState.Dying), "it is not removed");
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void A_snapshot_goes_on_where_it_was_saved_again_and_again(GuestType type)
    {
        if (!Runs(type)) return;
        var original = Create(draft => draft.Type = type);
        AssertBecomes(original.Key, DomainState.Blocked);
        var path = Path.Combine(Directory.CreateTempSubdirectory("lightvm-pool-").FullName, "snapshot.lightvm");
        Host.Images.Save(original.Key, path, cancellation: Cancellation);
        using var pool = new TestPool(Host, PoolFlavour.OfImage(path), count: 2);
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true); // it is in memory from here on

        for (var i = 0; i < 2; i++)
        {
            var domain = Created(pool.Use(OpenOther(), Config(draft => draft.Type = type)));
            Assert.Equal((CreationSource.Snapshot, 1 - i), (domain.Creation!.Source, pool.Ready));
            Assert.NotEqual(original.Uuid, domain.Uuid);
            AssertBecomes(domain.Key, DomainState.Blocked);
        }

        pool.Refill();
        Assert.Equal(2, pool.Ready);
    }

    [Theory]
    [InlineData(ShellKind.Shell)]
    [InlineData(ShellKind.Built)]
    public void A_domain_of_a_shell_has_the_uuid_that_was_asked_for(ShellKind kind)
    {
        var uuid = Guid.NewGuid();
        using var pool = new TestPool(Host, Flavour(GuestType.PV, kind));

        var domain = Created(pool.Use(OpenOther(), Config(draft => draft.Uuid = uuid)));

        Assert.Equal(uuid, domain.Uuid);
        Assert.Equal(domain.Key, Host.GetDomain(uuid).Key);
        Assert.Equal(uuid, Contract.Directory.FindConfig(domain.Key)!.Uuid);
    }

    [Theory]
    [InlineData(ShellKind.Shell)]
    [InlineData(ShellKind.Built)]
    public void Shells_are_not_listed_and_have_no_name_that_somebody_could_want(ShellKind kind)
    {
        using var pool = new TestPool(Host, Flavour(GuestType.PV, kind));

        Assert.DoesNotContain(Host.ListDomains(), domain => ShellName.IsShell(domain.Name));
        var shell = Assert.Single(Host.ListDomains(includeShells: true), domain => domain.IsShell);
        Assert.Equal(DomainState.Paused, shell.State);
        Assert.StartsWith($"pool/{TestPool.Name}/", shell.Name, StringComparison.Ordinal);
        Assert.False(DomainName.IsValid(shell.Name, out _));
    }

    [Fact]
    public void A_name_that_is_taken_costs_no_shell()
    {
        using var pool = new TestPool(Host, Flavour(GuestType.PV, ShellKind.Built));
        var other = Create();

        AssertFails(ErrorIds.DomainNameTaken, () => pool.Use(OpenOther(), Config(draft => draft.Name = other.Name)));

        Assert.Equal(1, pool.Ready);
    }

    [Fact]
    public void A_shell_that_somebody_destroyed_is_not_missed()
    {
        using var pool = new TestPool(Host, Flavour(GuestType.PV, ShellKind.Built));
        Host.DestroyDomain(Host.ListDomains(includeShells: true).Single(domain => domain.IsShell).Key);
        Assert.Empty(Contract.Directory.Shells.List());

        var domain = Created(pool.Use(OpenOther(), Config()));

        Assert.Equal(CreationSource.Full, domain.Creation!.Source);
        Assert.Empty(Contract.Directory.Shells.List());
    }

    [Fact]
    public void A_shell_that_somebody_is_at_is_passed_over_and_is_there_again()
    {
        using var pool = new TestPool(Host, Flavour(GuestType.PV, ShellKind.Built), count: 2);
        var other = Contract.Directory.Shells.List()[0].Uuid;
        var hold = Contract.Directory.HoldDomain(other, TimeSpan.Zero);

        var domains = Enumerable.Range(0, 2).Select(_ => Created(pool.Use(OpenOther(), Config()))).ToArray();

        Assert.Equal([CreationSource.Built, CreationSource.Full], domains.Select(domain => domain.Creation!.Source));
        Assert.DoesNotContain(other, domains.Select(domain => domain.Uuid));
        Assert.Equal((0, 1), (pool.Ready, pool.Lent));
        hold.Dispose();
        Assert.True(pool.Work());
        Assert.Equal((1, 0), (pool.Ready, pool.Lent));
    }

    [Fact]
    public void A_creation_out_of_a_shell_that_fails_or_is_cancelled_leaves_nothing()
    {
        foreach (var kind in (ShellKind[])[ShellKind.Shell, ShellKind.Built])
        {
            foreach (var step in DomainCreation.ShellStepNames(kind, isAsItIs: true).SkipLast(1))
            {
                using var pool = new TestPool(Host, Flavour(GuestType.PV, kind));
                using var cancellation = new CancellationTokenSource();
                using var listener = CancelAt("create/" + step, cancellation);
                AssertFails(ErrorIds.OperationCancelled, () => pool.UseUntil(OpenOther(), Config(), cancellation.Token));
                Assert.Equal(0, pool.Ready);
                Assert.Empty(Contract.Directory.Shells.List());
            }
        }
    }

    [Fact]
    public void A_keeper_takes_over_what_is_whole_and_destroys_the_rest()
    {
        using var pool = new TestPool(Host, Flavour(GuestType.PV, ShellKind.Built), count: 3);
        var shells = Contract.Directory.Shells.List();
        Assert.True(Contract.Directory.Shells.TryClaim(shells[0].Uuid)); // somebody died who had it
        Contract.Directory.Shells.Save(shells[1] with { State = ShellState.Making }); // somebody died who made it

        pool.Restart();

        Assert.Equal(1, pool.Ready);
        Assert.Equal(shells[2].Uuid, Assert.Single(Contract.Directory.Shells.List()).Uuid);
        Assert.Equal(shells[2].Uuid, Created(pool.Use(OpenOther(), Config())).Uuid);
    }

    [Fact]
    public void What_was_claimed_elsewhere_is_destroyed_once_nobody_is_at_it_any_more()
    {
        using var pool = new TestPool(Host, Flavour(GuestType.PV, ShellKind.Built), count: 2);
        var (begun, untouched) = (Contract.Directory.Shells.List()[0].Uuid, Contract.Directory.Shells.List()[1].Uuid);
        var hold = Contract.Directory.HoldDomain(begun, TimeSpan.Zero);
        Assert.True(Contract.Directory.Shells.TryClaim(begun));
        pool.NoteClaim(begun);
        Assert.Equal((1, 1, 1), (pool.Ready, pool.Lent, pool.Hits));

        Assert.True(pool.Work()); // whoever has it is at it still
        Assert.Equal(ShellState.Claimed, Contract.Directory.Shells.Find(begun)!.State);
        Assert.Equal(1, pool.Lent);
        hold.Dispose();
        Assert.True(pool.Work());

        Assert.Equal((1, 0), (pool.Ready, pool.Lent));
        Assert.Equal(untouched, Assert.Single(Contract.Directory.Shells.List()).Uuid);
        Assert.DoesNotContain(Host.ListDomains(includeShells: true), domain => domain.Uuid == begun && domain.State != DomainState.Dying);
    }

    [Fact]
    public void Twenty_at_once_get_a_shell_each_or_none()
    {
        using var pool = new TestPool(Host, Flavour(GuestType.PV, ShellKind.Built), count: 8);
        var domains = new System.Collections.Concurrent.ConcurrentBag<Domain>();
        using var other = OpenOther();
        pool.Serve(other);

        Parallel.For(0, 20, new ParallelOptions { MaxDegreeOfParallelism = 20 }, _ => domains.Add(Created(other.CreateDomain(Config(), Cancellation))));

        Assert.Equal(20, domains.Select(domain => domain.Key).Distinct().Count());
        Assert.Equal(8, domains.Count(domain => domain.Creation!.Source == CreationSource.Built));
        Assert.Equal(12, domains.Count(domain => domain.Creation!.Source == CreationSource.Full));
        Assert.Empty(Contract.Directory.Shells.List());
    }

    protected PoolFlavour Flavour(GuestType type, ShellKind kind) => PoolFlavour.Of(Config(draft => draft.Type = type), kind);

    private bool Runs(GuestType type) => type == GuestType.PV || Host.GetInfo().SupportsPvh;

    /// <summary>A keeper with one pool, which makes its shells when the test says so.</summary>
    private sealed class TestPool : IDisposable
    {
        public const string Name = "contract";

        private readonly LvmHost _host;
        private readonly MemoryPoolStore _store = new();
        private PoolKeeper _keeper;

        public TestPool(LvmHost host, PoolFlavour flavour, int count = 1)
        {
            _host = host;
            _keeper = Open();
            _keeper.Add(new PoolDefinition { Name = Name, Flavour = flavour, Minimum = count, Maximum = count });
            Refill();
            Assert.Equal(count, Ready);
        }

        public void Refill()
        {
            while (_keeper.Work(Cancellation))
            {
                if (_keeper.List()[0].Problem is { } problem) Assert.Fail(problem);
            }
        }

        public int Ready => _keeper.List()[0].ReadyCount;

        public void Serve(LvmHost host) => host.UsePools(_keeper);

        public Domain Use(LvmHost other, DomainConfig config) => UseUntil(other, config, Cancellation);

        public Domain UseUntil(LvmHost other, DomainConfig config, CancellationToken cancellation)
        {
            using (other)
            {
                Serve(other);
                return other.CreateDomain(config, cancellation);
            }
        }

        public int Lent => _keeper.List()[0].LentCount;

        public long Hits => _keeper.List()[0].Hits;

        public void NoteClaim(Guid uuid) => _keeper.NoteClaim(uuid);

        public bool Work() => _keeper.Work(Cancellation);

        public void Restart()
        {
            _keeper.Dispose();
            _keeper = Open();
        }

        public void Dispose()
        {
            _keeper.Remove(Name);
            _keeper.Dispose();
        }

        private PoolKeeper Open()
        {
            var keeper = _host.MakeKeeper(_store, new PoolKeeperOptions { ReserveMiB = 0, Quiet = TimeSpan.Zero, Courtesy = TimeSpan.Zero }, _ => { });
            keeper.Open();
            return keeper;
        }
    }
}
