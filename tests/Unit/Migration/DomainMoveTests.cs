using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Migration;
using LightVM.Simulation;

namespace LightVM.Unit.Migration;

/// <summary>Moves between two hosts: that they succeed, are refused, fail and are cancelled, and that the guest is alive on one of them.</summary>
public sealed class DomainMoveTests
{
    /// <summary>From one place where the line breaks to the next: less than the shortest frame has, but in the middle of long ones.</summary>
    private static int StepAt(long n) => n is > 1000 and < 4500 ? 61 : 7;

    [Fact]
    public void A_domain_goes_on_at_the_other_host_as_it_was()
    {
        using var machines = new TwoMachines();
        var domain = machines.Create();
        var before = (Adapter: machines.Here.Devices.ListNetworkAdapters(domain).Single(), Disk: machines.Here.Devices.ListDisks(domain).Single());
        var heard = new List<MoveProgress>();

        var result = machines.Move(domain, progress: heard.Add);

        machines.AssertAlive(domain, machines.There);
        var there = TwoMachines.Find(machines.There, domain.Uuid).Single();
        Assert.Equal(("web", domain.MemoryKiB, domain.VcpuCount, domain.Type), (there.Name, there.MemoryKiB, there.VcpuCount, there.Type));
        Assert.Equal(before.Adapter.MacAddress, machines.There.Devices.ListNetworkAdapters(there).Single().MacAddress);
        Assert.Equal(before.Disk.Target, machines.There.Devices.ListDisks(there).Single().Target);
        Assert.Equal(("web", domain.Uuid, (uint?)there.Id, true), (result.Name, result.Uuid, result.TargetId, result.IsLive));
        Assert.True(result.BytesSent > 4096 && result.Rounds > 0 && result.Downtime > TimeSpan.Zero && result.Downtime <= result.TotalTime, $"{result}");
        Assert.Empty(result.Warnings);
        Assert.Equal([MovePhase.Asking, MovePhase.Copying, MovePhase.Stopping, MovePhase.HandingOver], heard.Select(each => each.Phase).Distinct());
    }

    [Fact]
    public void A_guest_that_cannot_be_copied_while_it_runs_is_stopped_first_and_that_is_said()
    {
        using var machines = new TwoMachines();
        var domain = machines.Create(GuestType.PV);

        var result = machines.Move(domain);

        machines.AssertAlive(domain, machines.There);
        Assert.Equal((false, 0), (result.IsLive, result.Rounds));
        Assert.Contains("suspended first", Assert.Single(result.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void A_downtime_that_nobody_can_foretell_is_not_promised()
    {
        using var machines = new TwoMachines();
        var domain = machines.Create(GuestType.PV);

        AssertFails(ErrorIds.DowntimeTooLong, () => machines.Move(domain, new MoveOptions { MaximumDowntime = TimeSpan.FromSeconds(1) }));

        Assert.Equal(0, machines.Connections);
        machines.AssertAlive(domain, machines.Here);
    }

    [Fact]
    public void A_domain_comes_back_the_way_it_went()
    {
        using var machines = new TwoMachines();
        var domain = machines.Create();
        machines.Move(domain);
        machines.Settle();
        machines.There.Moves.Times = TwoMachines.Times;
        machines.There.Moves.Connector = (_, _, _) =>
        {
            var (one, other) = MemoryLink.Pair();
            new Thread(() =>
            {
                using (other) machines.Here.Moves.Serve(other, _ => { }, default);
            }).Start();
            return one;
        };

        machines.There.Moves.Move(TwoMachines.Find(machines.There, domain.Uuid).Single().Key, TwoMachines.Target, cancellation: TestContext.Current.CancellationToken);

        machines.AssertAlive(domain, machines.Here);
    }

    [Fact]
    public void Only_a_running_guest_of_this_toolstack_is_moved()
    {
        using var machines = new TwoMachines();
        var domain = machines.Create();
        AssertFails(ErrorIds.DomainProtected, () => machines.Here.Moves.Move(machines.Here.GetDomain(0).Key, TwoMachines.Target, cancellation: TestContext.Current.CancellationToken));
        AssertFails(ErrorIds.DomainGone, () => machines.Here.Moves.Move(new DomainKey(99, Guid.NewGuid()), TwoMachines.Target, cancellation: TestContext.Current.CancellationToken));
        machines.Here.PauseDomain(domain.Key);
        AssertFails(ErrorIds.DomainInvalidState, () => machines.Move(domain));
        Assert.Equal(0, machines.Connections);
    }

    /// <summary>Each reason that a target has, and all of them at once when it is asked beforehand.</summary>
    public static TheoryData<string> Refusals => [ErrorIds.DomainNameTaken, ErrorIds.DomainUuidTaken, ErrorIds.InsufficientMemory, ErrorIds.BridgeNotFound, ErrorIds.DiskNotFound, ErrorIds.CpuIncompatible, ErrorIds.XenIncompatible, ErrorIds.GuestTypeUnsupported, ErrorIds.SameHost];

    [Theory]
    [MemberData(nameof(Refusals))]
    public void What_the_target_has_against_it_is_said_and_the_guest_stays(string reason)
    {
        using var machines = new TwoMachines(target: new SimulatedHostOptions
        {
            Bridges = reason == ErrorIds.BridgeNotFound ? ["other"] : ["xenbr0"],
            SupportsPvh = reason != ErrorIds.GuestTypeUnsupported,
            TotalMemoryMiB = reason == ErrorIds.InsufficientMemory ? 1024 + 65 : 4096,
        });
        var disk = Path.GetTempFileName();
        var domain = machines.Create(change: draft => draft.Vbds = [new DiskConfig(reason == ErrorIds.DiskNotFound ? disk : "/simulated/a", DiskType.File, "xvda", DiskAccess.ReadWrite)]);
        File.Delete(disk);
        switch (reason)
        {
            case ErrorIds.DomainNameTaken:
                CreateThere(machines, "web", null);
                break;
            case ErrorIds.DomainUuidTaken:
                CreateThere(machines, "other", domain.Uuid);
                break;
            case ErrorIds.CpuIncompatible:
                machines.HereHypervisor.Cpu = leaves => leaves.Select(leaf => leaf.Leaf == 1 ? leaf with { Ecx = leaf.Ecx | 1 << 28 } : leaf).ToList();
                break;
            case ErrorIds.XenIncompatible:
                machines.ThereHypervisor.Version = "4.16.9";
                break;
            case ErrorIds.SameHost:
                machines.Serve = link => machines.Here.Moves.Serve(link, _ => { }, default);
                break;
        }

        var before = machines.There.ListDomains().Count;
        var report = machines.Here.Moves.Compare(domain.Key, TwoMachines.Target, cancellation: TestContext.Current.CancellationToken);
        Assert.False(report.IsPossible);
        Assert.Equal(reason, Assert.Single(report.Obstacles, each => each.ErrorId != ErrorIds.DomainInvalidState).ErrorId);

        var error = AssertFails(reason, () => machines.Move(domain));

        machines.Settle();
        Assert.Equal(("move", "web"), (error.Operation, error.Domain));
        Assert.Equal(DomainState.Blocked, machines.Here.GetDomain(domain.Key).State);
        Assert.Equal(before, machines.There.ListDomains().Count);
        Assert.Empty(machines.There.Moves.UnfinishedArrivals());
        if (reason == ErrorIds.CpuIncompatible) Assert.Contains("AVX", error.Problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_target_that_has_nothing_against_it_says_so_and_changes_nothing()
    {
        using var machines = new TwoMachines();
        var domain = machines.Create();

        var report = machines.Here.Moves.Compare(domain.Key, TwoMachines.Target, cancellation: TestContext.Current.CancellationToken);

        Assert.True(report.IsPossible);
        Assert.Empty(report.Obstacles);
        Assert.Equal(("4.17.7", Environment.MachineName, true), (report.TargetXen, report.TargetName, report.IsLive));
        machines.AssertAlive(domain, machines.Here);
    }

    [Fact]
    public void All_that_speaks_against_it_is_told_at_once()
    {
        using var machines = new TwoMachines(target: new SimulatedHostOptions { Bridges = [], TotalMemoryMiB = 1050 });
        var domain = machines.Create();
        CreateThere(machines, "web", null, memory: 4);
        machines.ThereHypervisor.Version = "4.14.0";

        var report = machines.Here.Moves.Compare(domain.Key, TwoMachines.Target, cancellation: TestContext.Current.CancellationToken);

        Assert.Equal([ErrorIds.XenIncompatible, ErrorIds.InsufficientMemory, ErrorIds.DomainNameTaken, ErrorIds.BridgeNotFound], report.Obstacles.Select(each => each.ErrorId));
    }

    /// <summary>The line breaks after each number of bytes that a move sends, in either direction; afterwards the target answers.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Wherever_the_line_breaks_the_guest_is_alive_on_one_of_them(bool toThere)
    {
        var (there, here) = (0, 0);
        for (var n = 0L; ; n += StepAt(n))
        {
            using var machines = new TwoMachines();
            var domain = machines.Create();
            var broken = n;
            machines.Line = connection => connection > 0 ? (long.MaxValue, long.MaxValue) : toThere ? (broken, long.MaxValue) : (long.MaxValue, broken);
            LvmException? error = null;
            try
            {
                machines.Move(domain);
            }
            catch (LvmException failure)
            {
                error = failure;
            }

            machines.Settle();
            machines.AssertAlive(domain, error is null ? machines.There : machines.Here);
            // Where the line broke as the last word was said, the target keeps its note: it cannot know that nobody will ask.
            if (toThere && error is not null || !toThere) machines.AssertForgotten();
            if (error is null) there++;
            else here++;
            if (error is null && machines.Connections == 1) break; // nothing was broken that mattered
        }

        Assert.True(here > 20 && there > 0, $"{here} here, {there} there");
    }

    /// <summary>As before, and the target is not to be reached for a while: then it is undecided, until it is asked.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_undecided_is_decided_as_soon_as_the_target_answers(bool toThere)
    {
        var undecided = new Dictionary<bool, int> { [true] = 0, [false] = 0 };
        for (var n = 0L; ; n += StepAt(n))
        {
            using var machines = new TwoMachines();
            var domain = machines.Create();
            var broken = n;
            var isReachable = true;
            machines.Line = connection => connection > 0 && !isReachable ? null : connection > 0 ? (long.MaxValue, long.MaxValue) : toThere ? (broken, long.MaxValue) : (long.MaxValue, broken);
            isReachable = false;
            LvmException? error = null;
            try
            {
                machines.Move(domain);
            }
            catch (LvmException failure)
            {
                error = failure;
            }

            machines.Settle();
            if (error is null) break;
            if (error.ErrorId != ErrorIds.MoveUndecided)
            {
                machines.AssertAlive(domain, machines.Here);
                continue;
            }

            Assert.Equal(ShutdownReason.Suspend, machines.Here.GetDomain(domain.Key).ShutdownReason);
            Assert.Equal((domain.Uuid, TwoMachines.Target.ToString()), Assert.Single(machines.Here.Moves.Undecided()));
            AssertFails(ErrorIds.MoveUndecided, () => machines.Here.Moves.Resolve(domain.Key, TestContext.Current.CancellationToken));
            isReachable = true;
            var isThere = machines.Here.Moves.Resolve(domain.Key, TestContext.Current.CancellationToken);
            machines.AssertAlive(domain, isThere!.Value ? machines.There : machines.Here);
            undecided[isThere.Value]++;
        }

        Assert.True(toThere ? undecided[false] > 0 : undecided[true] > 0, $"{undecided[true]} there, {undecided[false]} here");
    }

    public static TheoryData<MovePhase> Phases => [.. Enum.GetValues<MovePhase>()];

    [Theory]
    [MemberData(nameof(Phases))]
    public void Who_cancels_has_the_guest_where_it_was_unless_it_is_handed_over(MovePhase phase)
    {
        using var machines = new TwoMachines();
        var domain = machines.Create();
        using var cancel = new CancellationTokenSource();
        void Cancel(MoveProgress progress)
        {
            if (progress.Phase == phase) cancel.Cancel();
        }

        if (phase == MovePhase.HandingOver)
        {
            machines.Move(domain, progress: Cancel, cancel: cancel);
            machines.AssertAlive(domain, machines.There);
            return;
        }

        AssertFails(ErrorIds.OperationCancelled, () => machines.Move(domain, progress: Cancel, cancel: cancel));
        machines.AssertAlive(domain, machines.Here);
    }

    [Fact]
    public void Who_looks_on_and_fails_when_it_is_handed_over_leaves_the_guest_to_the_target()
    {
        using var machines = new TwoMachines();
        var domain = machines.Create();

        machines.Move(domain, progress: progress =>
        {
            if (progress.Phase == MovePhase.HandingOver) throw new InvalidOperationException("the window is closed");
        });

        machines.AssertAlive(domain, machines.There);
        machines.AssertForgotten();
    }

    [Fact]
    public void A_guest_that_does_not_suspend_itself_stays()
    {
        using var machines = new TwoMachines();
        var domain = machines.Create(change: draft => draft.CommandLine = "noxs");

        AssertFails(ErrorIds.SuspendTimeout, () => machines.Move(domain, new MoveOptions { SuspendTimeout = TimeSpan.FromMilliseconds(20) }));

        machines.AssertAlive(domain, machines.Here);
    }

    [Fact]
    public void A_target_that_was_started_anew_does_not_know_and_a_person_decides()
    {
        foreach (var here in new[] { true, false })
        {
            using var machines = new TwoMachines();
            using var other = new TwoMachines();
            var domain = machines.Create();
            // It hears that the guest may run, and is never heard of again.
            machines.Line = connection => connection == 0 ? (long.MaxValue, RunningAt) : (long.MaxValue, long.MaxValue);
            machines.Serve = link => (machines.Connections == 1 ? machines.There : other.There).Moves.Serve(link, _ => { }, default);

            var error = AssertFails(ErrorIds.MoveUndecided, () => machines.Move(domain));

            Assert.Contains("started anew", error.Problem, StringComparison.Ordinal);
            machines.Settle();
            AssertFails(ErrorIds.MoveUndecided, () => machines.Here.Moves.Resolve(domain.Key, TestContext.Current.CancellationToken));
            if (here) machines.There.DestroyDomain(TwoMachines.Find(machines.There, domain.Uuid).Single().Key);
            machines.Here.Moves.Decide(domain.Key, here);
            machines.AssertAlive(domain, here ? machines.Here : machines.There);
            if (here) AssertFails(ErrorIds.DomainInvalidState, () => machines.Here.Moves.Decide(domain.Key, here));
        }
    }

    [Fact]
    public void Domains_on_their_way_do_not_get_more_memory_together_than_there_is()
    {
        using var machines = new TwoMachines(target: new SimulatedHostOptions { TotalMemoryMiB = 1024 + 100 });
        var one = machines.Create();
        var two = machines.Create(change: draft => (draft.Name, draft.Vifs, draft.Vbds) = ("other", [], []));
        LvmException? refused = null;

        // While the first is on its way.
        machines.Move(one, progress: progress =>
        {
            if (progress.Phase == MovePhase.Copying) refused ??= AssertFails(ErrorIds.InsufficientMemory, () => machines.Move(two));
        });

        Assert.Contains("on their way", refused!.Problem, StringComparison.Ordinal);
        machines.Settle();
        Assert.Equal(DomainState.Blocked, machines.Here.GetDomain(two.Key).State);
        Assert.Single(TwoMachines.Find(machines.There, one.Uuid));
    }

    /// <summary>As Chaos sends it over TCP: a header, the configuration, the bare stream, and not a word of what comes of it.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(100)]
    [InlineData(4000)]
    public void A_domain_that_Chaos_sends_is_taken_whole_or_not_at_all(int cutOff)
    {
        using var machines = new TwoMachines();
        var config = DomainConfigJson.Write(DomainConfig.From(new DomainConfigDraft { Name = "chaos", Kernel = "/k", MemoryMiB = 4, VcpuCount = 1 }));
        byte[] words = [0x05, 0xCA, 1, 0, 0, 0, (byte)config.Length, (byte)(config.Length >> 8), .. config, .. StreamOf("chaos")];
        var (here, there) = MemoryLink.Pair(transport: "plain");
        var log = new List<string>();
        here.Stream.Write(words.AsSpan(0, words.Length - cutOff));
        here.CloseWriting();

        using (there) machines.There.Moves.Serve(there, log.Add, TestContext.Current.CancellationToken);

        Assert.Equal(cutOff == 0 ? ["Domain-0", "chaos"] : ["Domain-0"], machines.There.ListDomains().Select(domain => domain.Name));
        Assert.Contains(cutOff == 0 ? "goes on here" : ErrorCatalog.Get(ErrorIds.StreamInvalid).Remedy, Assert.Single(log), StringComparison.Ordinal);
        Assert.Empty(machines.There.Moves.UnfinishedArrivals());
        here.Dispose();
    }

    [Theory]
    [InlineData(GuestType.PV)]
    [InlineData(GuestType.PVH)]
    public void What_is_sent_as_Chaos_does_is_its_header_and_the_bare_stream_and_is_taken(GuestType type)
    {
        using var machines = new TwoMachines();
        var domain = machines.Create(type);
        var words = new MemoryStream();
        machines.Serve = link =>
        {
            var buffer = new byte[4096];
            for (int count; (count = link.Stream.Read(buffer)) > 0;) words.Write(buffer, 0, count);
        };

        var result = machines.Here.Moves.SendAsChaos(domain.Key, new MigrationTarget { Host = "there", Transport = MigrationTransport.Plain }, cancellation: TestContext.Current.CancellationToken);

        machines.Settle();
        var sent = words.ToArray();
        var length = sent[6] | sent[7] << 8;
        Assert.Equal([0x05, 0xCA, 1, 0, 0, 0], sent[..6]);
        string[] known = ["name", "kernel", "ramdisk", "cmdline", "memory", "vcpus", "address_size", "paused", "vifs", "vbds", "xen"];
        using var config = System.Text.Json.JsonDocument.Parse(sent.AsMemory(8, length));
        Assert.Subset(known.ToHashSet(), config.RootElement.EnumerateObject().Select(member => member.Name).ToHashSet());
        Assert.Equal("web", config.RootElement.GetProperty("name").GetString());
        Assert.Equal([.. Enumerable.Repeat((byte)0xff, 8), .. "XENF"u8], sent[(8 + length)..(20 + length)]);
        Assert.Equal(result.BytesSent, sent.Length - 8 - length);
        Assert.Empty(TwoMachines.Find(machines.Here, domain.Uuid));
        Assert.Empty(machines.Here.Moves.Undecided());

        // And this is what our own receiver takes.
        var (here, there) = MemoryLink.Pair(transport: "plain");
        here.Stream.Write(sent);
        here.CloseWriting();
        using (there) machines.There.Moves.Serve(there, _ => { }, TestContext.Current.CancellationToken);
        Assert.Equal(("web", DomainState.Blocked), machines.There.ListDomains().Where(each => each.Id != 0).Select(each => (each.Name, each.State)).Single());
        here.Dispose();
    }

    [Theory]
    [InlineData(5)]
    [InlineData(2000)]
    public void What_could_not_be_sent_as_Chaos_does_goes_on_here(int breaksAfter)
    {
        using var machines = new TwoMachines();
        var domain = machines.Create();
        machines.Line = _ => (breaksAfter, long.MaxValue);

        Assert.Throws<LvmException>(() => machines.Here.Moves.SendAsChaos(domain.Key, new MigrationTarget { Host = "there", Transport = MigrationTransport.Plain }, cancellation: TestContext.Current.CancellationToken));

        machines.AssertAlive(domain, machines.Here);
    }

    /// <summary>The stream of a guest that was saved.</summary>
    private static byte[] StreamOf(string name)
    {
        var machine = new SimulatedMachine(new SimulatedHostOptions());
        using var host = new LvmHost(new SimulatedHypervisor(machine), new SimulatedDirectory(machine), new SimulatedDeviceBus(machine));
        var kernel = Path.GetTempFileName();
        File.WriteAllBytes(kernel, SimulatedKernel.Create());
        var domain = host.CreateDomain(DomainConfig.From(new DomainConfigDraft { Name = name, Kernel = kernel, MemoryMiB = 4, VcpuCount = 1 }));
        File.Delete(kernel);
        lock (machine.Lock) return SimulatedStream.Write(machine.Find(domain.Id)!);
    }

    /// <summary>Bytes that a target sends before it has said that the guest runs: into the middle of that word, whose length is a matter of digits.</summary>
    private static long RunningAt => MeasureToHere() - 12;

    private static long MeasureToHere()
    {
        for (var n = 1L; ; n++)
        {
            using var machines = new TwoMachines();
            var domain = machines.Create();
            var broken = n;
            machines.Line = connection => connection == 0 ? (long.MaxValue, broken) : null;
            try
            {
                machines.Move(domain);
                return n;
            }
            catch (LvmException)
            {
                // It was too short.
            }
        }
    }

    private static void CreateThere(TwoMachines machines, string name, Guid? uuid, int memory = 64)
    {
        var kernel = Path.GetTempFileName();
        File.WriteAllBytes(kernel, SimulatedKernel.Create());
        machines.There.CreateDomain(DomainConfig.From(new DomainConfigDraft { Name = name, Uuid = uuid, Kernel = kernel, MemoryMiB = memory, VcpuCount = 1 }));
        File.Delete(kernel);
    }

    private static LvmException AssertFails(string id, Action action) => TwoHosts.AssertFails(id, action);
}
