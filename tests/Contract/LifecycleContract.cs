using System.Text.RegularExpressions;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using Xunit;

namespace LightVM.Contract;

/// <summary>How domains end on every host: asked, forced, by themselves, and by several who want different things at once.</summary>
public abstract class LifecycleContract(ContractHost contract) : ContractTests(contract)
{
    /// <summary>How long to wait for a guest that does not listen.</summary>
    private static readonly TimeSpan Briefly = TimeSpan.FromMilliseconds(200);

    /// <summary>How long a guest may take that does: no test is meant to wait so long.</summary>
    private static readonly TimeSpan Patiently = TimeSpan.FromSeconds(60);

    private DomainLifecycle Lifecycle => Host.Lifecycle;

    // --- stop -----------------------------------------------------------------------------------------------------------

    [Fact]
    public void A_domain_that_is_stopped_is_gone()
    {
        var domain = Create(draft => draft.OnPoweroff = LifecycleAction.Destroy);

        Assert.Null(Lifecycle.Stop(domain.Key, Patiently, cancellation: Cancellation));
        AssertFails(ErrorIds.DomainGone, () => Host.GetDomain(domain.Key));
        AssertFails(ErrorIds.DomainGone, () => Lifecycle.Stop(domain.Key, Patiently, cancellation: Cancellation));
    }

    [Fact]
    public void A_domain_that_is_preserved_at_its_end_is_there_when_it_has_been_stopped()
    {
        var domain = Create(draft => draft.OnPoweroff = LifecycleAction.Preserve);

        var left = Lifecycle.Stop(domain.Key, Patiently, cancellation: Cancellation)!;
        Assert.Equal((domain.Key, DomainState.Shutdown, ShutdownReason.Poweroff), (left.Key, left.State, left.ShutdownReason));
        Assert.Equal(domain.Key, Lifecycle.Stop(domain.Key, Patiently, cancellation: Cancellation)!.Key); // nothing is left to be done
    }

    [Fact]
    public void A_domain_that_restarts_at_its_end_runs_again_when_it_has_been_stopped()
    {
        var domain = Create(draft => draft.OnPoweroff = LifecycleAction.Restart);

        AssertRestarted(domain, Lifecycle.Stop(domain.Key, Patiently, cancellation: Cancellation));
    }

    [Fact]
    public void A_stopped_domain_can_be_kept_whatever_its_configuration_says()
    {
        var domain = Create(draft => draft.OnPoweroff = LifecycleAction.Destroy);

        Assert.Equal(DomainState.Shutdown, Lifecycle.Stop(domain.Key, Patiently, keep: true, cancellation: Cancellation)!.State);
        Assert.Empty(Pass()); // nor does the daemon take it away
        Assert.Equal(DomainState.Shutdown, Host.GetDomain(domain.Key).State);
    }

    [Fact]
    public void A_guest_that_does_not_end_in_time_runs_on_and_is_no_longer_asked()
    {
        var domain = Create(draft => (draft.CommandLine, draft.OnPoweroff) = ("noxs", LifecycleAction.Destroy));

        AssertFails(ErrorIds.ShutdownTimeout, () => Lifecycle.Stop(domain.Key, Briefly, keep: true, cancellation: Cancellation));
        AssertRunsUnasked(domain);
        Assert.Equal(LifecycleAction.Destroy, Contract.Directory.FindConfig(domain.Key)!.OnPoweroff); // nor is it kept any more
    }

    [Fact]
    public void A_guest_that_does_not_end_in_time_is_destroyed_by_force()
    {
        var domain = Create(draft => draft.CommandLine = "noxs");

        Assert.Null(Lifecycle.Stop(domain.Key, Briefly, force: true, cancellation: Cancellation));
        AssertFails(ErrorIds.DomainGone, () => Host.GetDomain(domain.Key));
    }

    [Fact]
    public void A_paused_guest_is_refused_at_once_and_destroyed_by_force()
    {
        var domain = Create(draft => draft.Paused = true);

        AssertFails(ErrorIds.DomainInvalidState, () => Lifecycle.Stop(domain.Key, Timeout.InfiniteTimeSpan, cancellation: Cancellation));
        AssertFails(ErrorIds.DomainInvalidState, () => Lifecycle.Restart(domain.Key, Timeout.InfiniteTimeSpan, cancellation: Cancellation));
        AssertFails(ErrorIds.DomainInvalidState, () => Lifecycle.Request(domain.Key, ShutdownReason.Poweroff));
        Assert.Equal(DomainState.Paused, Host.GetDomain(domain.Key).State);
        Assert.Null(Lifecycle.Stop(domain.Key, Timeout.InfiniteTimeSpan, force: true, cancellation: Cancellation));
        AssertFails(ErrorIds.DomainGone, () => Host.GetDomain(domain.Key));
    }

    [Fact]
    public void Stopping_a_guest_that_has_crashed_does_not_start_it_again()
    {
        var domain = Create(draft => (draft.CommandLine, draft.OnCrash, draft.OnPoweroff) = ("crash", LifecycleAction.Restart, LifecycleAction.Destroy));
        AssertBecomes(domain.Key, DomainState.Crashed);

        Assert.Null(Lifecycle.Stop(domain.Key, Patiently, cancellation: Cancellation));
        AssertFails(ErrorIds.DomainGone, () => Host.GetDomain(domain.Key));
    }

    [Fact]
    public void A_request_is_made_and_nobody_waits()
    {
        var domain = Create(draft => draft.OnReboot = LifecycleAction.Preserve);

        Lifecycle.Request(domain.Key, ShutdownReason.Reboot);
        Assert.Equal(ShutdownReason.Reboot, AssertBecomes(domain.Key, DomainState.Shutdown).ShutdownReason);
        AssertFails(ErrorIds.DomainInvalidState, () => Lifecycle.Request(domain.Key, ShutdownReason.Reboot));
    }

    [Fact]
    public void The_control_domain_is_neither_asked_nor_ended()
    {
        var control = Host.ListDomains()[0].Key;

        AssertFails(ErrorIds.DomainProtected, () => Lifecycle.Stop(control, Patiently, force: true, cancellation: Cancellation));
        AssertFails(ErrorIds.DomainProtected, () => Lifecycle.Restart(control, Patiently, force: true, cancellation: Cancellation));
        AssertFails(ErrorIds.DomainProtected, () => Lifecycle.Request(control, ShutdownReason.Poweroff));
        AssertFails(ErrorIds.DomainProtected, () => Lifecycle.KeepAfterPoweroff(control));
    }

    [Fact]
    public void Many_are_asked_before_anyone_is_waited_for()
    {
        var deaf = Create(draft => draft.CommandLine = "noxs");
        var listening = new[] { Create(), Create(), Create() };
        var gone = Create();
        Host.DestroyDomain(gone.Key);

        var outcomes = Lifecycle.Stop([deaf.Key, .. listening.Select(domain => domain.Key), gone.Key, deaf.Key], TimeSpan.FromSeconds(3), cancellation: Cancellation).ToList();
        Assert.Equal(gone.Key, outcomes[0].Key); // what fails at once is told at once
        Assert.Equal(ErrorIds.DomainGone, outcomes[0].Error!.ErrorId);
        Assert.Equal(listening.Select(domain => domain.Key).Order(ByKey), outcomes[1..^1].Select(outcome => outcome.Key).Order(ByKey));
        Assert.All(outcomes[1..^1], outcome => Assert.Equal(DomainState.Shutdown, outcome.Require()!.State));
        Assert.Equal(deaf.Key, outcomes[^1].Key);
        Assert.Equal(ErrorIds.ShutdownTimeout, outcomes[^1].Error!.ErrorId);
        AssertRunsUnasked(deaf);
    }

    [Fact]
    public void Who_leaves_before_the_last_has_ended_takes_the_requests_back()
    {
        var deaf = Create(draft => draft.CommandLine = "noxs");
        var listening = Create();

        Assert.Equal(listening.Key, Lifecycle.Stop([deaf.Key, listening.Key], Timeout.InfiniteTimeSpan, cancellation: Cancellation).First().Key);
        AssertRunsUnasked(deaf);
    }

    [Fact]
    public void A_stop_that_is_cancelled_takes_its_requests_back()
    {
        var domains = new[] { Create(draft => draft.CommandLine = "noxs"), Create(draft => draft.CommandLine = "noxs") };
        using var cancellation = new CancellationTokenSource(Briefly);

        var outcomes = Lifecycle.Stop(domains.Select(domain => domain.Key).ToList(), Timeout.InfiniteTimeSpan, force: true, cancellation: cancellation.Token).ToList();
        Assert.All(outcomes, outcome => Assert.Equal(ErrorIds.OperationCancelled, outcome.Error!.ErrorId));
        Assert.All(domains, AssertRunsUnasked);
        AssertFails(ErrorIds.OperationCancelled, () => Lifecycle.Stop(domains[0].Key, Patiently, cancellation: cancellation.Token));
    }

    // --- restart --------------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData(LifecycleAction.Destroy)]
    [InlineData(LifecycleAction.Restart)]
    [InlineData(LifecycleAction.Preserve)]
    public void A_restarted_domain_has_the_same_uuid_name_and_configuration(LifecycleAction onReboot)
    {
        var domain = Create(draft => (draft.OnReboot, draft.MemoryMiB, draft.VcpuCount) = (onReboot, 6, 2));
        domain = Host.RenameDomain(domain.Key, domain.Name + "-renamed");
        var config = Contract.Directory.FindConfig(domain.Key)!;

        var restarted = Lifecycle.Restart(domain.Key, Patiently, cancellation: Cancellation);
        AssertRestarted(domain, restarted);
        Assert.NotNull(restarted.Creation);
        var draft = config.ToDraft();
        draft.Name = domain.Name;
        Assert.Equal(DomainConfigJson.Write(DomainConfig.From(draft)), DomainConfigJson.Write(Contract.Directory.FindConfig(restarted.Key)!));
    }

    [Fact]
    public void A_guest_that_does_not_reboot_is_restarted_by_force_only()
    {
        var domain = Create(draft => draft.CommandLine = "noxs");

        AssertFails(ErrorIds.ShutdownTimeout, () => Lifecycle.Restart(domain.Key, Briefly, cancellation: Cancellation));
        AssertRunsUnasked(domain);
        AssertRestarted(domain, Lifecycle.Restart(domain.Key, Briefly, force: true, Cancellation));
    }

    [Fact]
    public void A_paused_domain_is_restarted_by_force_and_runs_then()
    {
        var domain = Create(draft => draft.Paused = true);

        AssertRestarted(domain, Lifecycle.Restart(domain.Key, Patiently, force: true, Cancellation));
    }

    [Fact]
    public void Many_are_restarted_at_once()
    {
        var domains = new[] { Create(), Create(), Create() };

        var outcomes = Lifecycle.Restart(domains.Select(domain => domain.Key).ToList(), Patiently, cancellation: Cancellation).ToDictionary(outcome => outcome.Key, outcome => outcome.Require());
        Assert.All(domains, domain => AssertRestarted(domain, outcomes[domain.Key]));
    }

    [Fact]
    public void A_domain_of_another_toolstack_is_not_restarted_not_even_by_force()
    {
        var uuid = Guid.NewGuid();
        var foreign = new DomainKey(Contract.Hypervisor.CreateDomain(new DomainShape(uuid, GuestType.PV, 64, 1)), uuid);
        try
        {
            AssertFails(ErrorIds.DomainInvalidState, () => Lifecycle.Restart(foreign, Briefly, force: true, Cancellation));
            AssertFails(ErrorIds.DomainInvalidState, () => Lifecycle.Stop(foreign, Briefly, force: true, keep: true, Cancellation));
            Assert.NotNull(Contract.Hypervisor.FindDomain(foreign.Id));
        }
        finally
        {
            Contract.Hypervisor.Destroy(foreign.Id);
        }
    }

    // --- ends that nobody asked for: what the device daemon does -------------------------------------------------------------

    [Theory]
    [InlineData("off")]
    [InlineData("reboot")]
    [InlineData("crash")]
    public void A_guest_that_ends_is_destroyed_restarted_or_preserved_as_its_configuration_says(string end)
    {
        Domain Ending(LifecycleAction action) => Create(draft =>
        {
            draft.CommandLine = "noxs";
            (draft.OnPoweroff, draft.OnReboot, draft.OnCrash) = (LifecycleAction.Preserve, LifecycleAction.Preserve, LifecycleAction.Preserve);
            if (end == "off") draft.OnPoweroff = action;
            else if (end == "reboot") draft.OnReboot = action;
            else draft.OnCrash = action;
        });
        var destroyed = Ending(LifecycleAction.Destroy);
        var restarted = Ending(LifecycleAction.Restart);
        var preserved = Ending(LifecycleAction.Preserve);
        using var actions = new RunningActions(Host);

        foreach (var domain in new[] { destroyed, restarted, preserved })
        {
            Contract.Hypervisor.Shutdown(domain.Id, end switch
            {
                "off" => ShutdownReason.Poweroff,
                "reboot" => ShutdownReason.Reboot,
                _ => ShutdownReason.Crash,
            });
        }

        AssertEventually(() => Live(restarted.Uuid) is [var again] && again.Key != restarted.Key && IsRunning(again), "it is not restarted");
        AssertRestarted(restarted, Live(restarted.Uuid).Single());
        AssertEventually(() => Live(destroyed.Uuid).Count == 0, "it is not destroyed");
        Assert.Equal(preserved.Key, Assert.Single(Live(preserved.Uuid)).Key);
        Assert.Contains(actions.Log, line => line.Contains(restarted.Name, StringComparison.Ordinal) && line.EndsWith("restart", StringComparison.Ordinal));
    }

    [Fact]
    public void A_guest_that_ends_at_once_is_returned_by_its_creation_before_it_is_destroyed()
    {
        using var actions = new RunningActions(Host);
        for (var round = 0; round < 10; round++)
        {
            var domain = Create(draft => (draft.CommandLine, draft.OnPoweroff) = ("off", LifecycleAction.Destroy));
            Assert.Null(Lifecycle.WaitFor(domain.Key, DomainCondition.Removed, Patiently, Cancellation));
        }
    }

    [Fact]
    public void Ends_from_before_it_ran_are_attended_to_as_well()
    {
        var domain = Create(draft => (draft.CommandLine, draft.OnPoweroff) = ("off", LifecycleAction.Destroy));
        AssertBecomes(domain.Key, DomainState.Shutdown);

        Assert.Single(Pass());
        Assert.Empty(Live(domain.Uuid));
    }

    [Fact]
    public void A_guest_that_ends_at_once_again_and_again_is_restarted_later_and_later()
    {
        var domain = Create(draft => (draft.CommandLine, draft.OnReboot) = ("reboot", LifecycleAction.Restart));
        var time = new ManualTime();
        var log = new List<string>();
        var actions = new LifecycleActions(Host, log.Add, time);
        Domain Ended(DomainKey after)
        {
            AssertEventually(() => Live(domain.Uuid) is [{ State: DomainState.Shutdown } ended] && ended.Key != after, "it does not end");
            return Live(domain.Uuid).Single();
        }

        var current = Ended(default);
        Assert.Equal(Timeout.InfiniteTimeSpan, actions.Pass(Cancellation)); // the first time at once
        foreach (var delay in new[] { 1, 2, 4, 8, 16, 32, 60, 60 })
        {
            current = Ended(current.Key);
            Assert.Equal(TimeSpan.FromSeconds(delay), actions.Pass(Cancellation));
            Assert.Contains($"it is restarted in {delay} s", log[^1], StringComparison.Ordinal);
            time.Advance(TimeSpan.FromSeconds(delay) - TimeSpan.FromMilliseconds(1));
            Assert.Equal(TimeSpan.FromMilliseconds(1), actions.Pass(Cancellation));
            Assert.Equal(current.Key, Live(domain.Uuid).Single().Key);
            time.Advance(TimeSpan.FromMilliseconds(1));
            Assert.Equal(Timeout.InfiniteTimeSpan, actions.Pass(Cancellation));
        }

        // One that lives is forgiven.
        current = Ended(current.Key);
        time.Advance(TimeSpan.FromSeconds(11));
        Assert.Equal(Timeout.InfiniteTimeSpan, actions.Pass(Cancellation));
        current = Ended(current.Key);
        Assert.Equal(TimeSpan.FromSeconds(1), actions.Pass(Cancellation));

        // Removed while its restart waited: nothing is to be done for it any more.
        Host.DestroyDomain(current.Key);
        Assert.Equal(Timeout.InfiniteTimeSpan, actions.Pass(Cancellation));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(Timeout.InfiniteTimeSpan, actions.Pass(Cancellation));
        Assert.Empty(Live(domain.Uuid));
    }

    [Fact]
    public void A_restart_that_fails_is_tried_again_until_it_succeeds()
    {
        var kernel = Contract.WriteFile("kernel-that-comes-and-goes", File.ReadAllBytes(Contract.Kernel));
        var domain = Create(draft => (draft.Kernel, draft.OnReboot) = (kernel, LifecycleAction.Restart));
        var time = new ManualTime();
        var log = new List<string>();
        var actions = new LifecycleActions(Host, log.Add, time);
        Contract.Hypervisor.Shutdown(domain.Id, ShutdownReason.Reboot);
        File.Delete(kernel);

        Assert.Equal(TimeSpan.FromSeconds(1), actions.Pass(Cancellation));
        Assert.Contains("It is tried again in 1 s", log[^1], StringComparison.Ordinal);
        Assert.Empty(Live(domain.Uuid));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(TimeSpan.FromSeconds(2), actions.Pass(Cancellation));
        Contract.WriteFile("kernel-that-comes-and-goes", File.ReadAllBytes(Contract.Kernel));
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(Timeout.InfiniteTimeSpan, actions.Pass(Cancellation));
        AssertRestarted(domain, Live(domain.Uuid).Single());
    }

    // --- restarts that somebody left in the middle ---------------------------------------------------------------------------

    [Fact]
    public void A_restart_that_was_left_before_the_old_domain_was_destroyed_is_finished()
    {
        var domain = Create();
        Contract.Directory.BeginRestart(domain.Uuid, Contract.Directory.FindConfig(domain.Key)!);
        Contract.Hypervisor.Shutdown(domain.Id, ShutdownReason.Reboot);

        Assert.NotEmpty(Pass());
        AssertRestarted(domain, Live(domain.Uuid).Single());
        Assert.Empty(Pass());
    }

    [Fact]
    public void A_restart_that_was_left_with_nothing_there_is_finished()
    {
        var domain = Create();
        Contract.Directory.BeginRestart(domain.Uuid, Contract.Directory.FindConfig(domain.Key)!);
        DestroyBehindTheBack(domain);

        Assert.NotEmpty(Pass());
        AssertRestarted(domain, Live(domain.Uuid).Single());
    }

    [Fact]
    public void A_restart_that_was_left_with_half_of_a_domain_is_finished()
    {
        var domain = Create();
        Contract.Directory.BeginRestart(domain.Uuid, Contract.Directory.FindConfig(domain.Key)!);
        DestroyBehindTheBack(domain);
        var half = Contract.Hypervisor.CreateDomain(new DomainShape(domain.Uuid, GuestType.PV, 64, 1));

        Assert.NotEmpty(Pass());
        AssertRestarted(domain, Live(domain.Uuid).Single());
        Assert.NotEqual(half, Live(domain.Uuid).Single().Id);
    }

    [Fact]
    public void A_restart_that_was_left_with_all_done_is_only_noted_as_such()
    {
        var domain = Create();
        Contract.Directory.BeginRestart(domain.Uuid, Contract.Directory.FindConfig(domain.Key)!);

        Assert.NotEmpty(Pass());
        Assert.Equal(domain.Key, Live(domain.Uuid).Single().Key);
        Assert.Empty(Contract.Directory.UnfinishedRestarts());
    }

    [Fact]
    public void Who_removes_a_domain_that_is_being_restarted_gives_the_restart_up()
    {
        var domain = Create();
        Contract.Directory.BeginRestart(domain.Uuid, Contract.Directory.FindConfig(domain.Key)!);
        DestroyBehindTheBack(domain);
        Contract.Hypervisor.CreateDomain(new DomainShape(domain.Uuid, GuestType.PV, 64, 1));

        Host.DestroyDomain(domain.Key);
        Assert.Empty(Pass());
        Assert.Empty(Live(domain.Uuid));
        Assert.Empty(Contract.Directory.UnfinishedRestarts());
        AssertFails(ErrorIds.DomainGone, () => Host.DestroyDomain(domain.Key));
    }

    // --- several at once ------------------------------------------------------------------------------------------------------

    [Fact]
    public void Several_who_stop_a_domain_while_its_end_is_carried_out_end_it_once()
    {
        using var actions = new RunningActions(Host);
        for (var round = 0; round < 5; round++)
        {
            var domain = Create(draft => draft.OnPoweroff = LifecycleAction.Destroy);
            Race(() => Lifecycle.Stop(domain.Key, Patiently, cancellation: Cancellation), () => Lifecycle.Stop(domain.Key, Patiently, cancellation: Cancellation));
            Assert.Empty(Live(domain.Uuid));
        }
    }

    [Fact]
    public void Several_who_restart_a_domain_while_its_end_is_carried_out_never_make_two()
    {
        using var actions = new RunningActions(Host);
        for (var round = 0; round < 5; round++)
        {
            var domain = Create(draft => (draft.OnReboot, draft.OnPoweroff) = (LifecycleAction.Restart, LifecycleAction.Restart));
            Race(
                () => Lifecycle.Restart(domain.Key, Patiently, cancellation: Cancellation),
                () => Lifecycle.Restart(domain.Key, Patiently, cancellation: Cancellation),
                () => Lifecycle.Stop(domain.Key, Patiently, cancellation: Cancellation));
            AssertEventually(() => Live(domain.Uuid) is [var one] && IsRunning(one), "it does not run");
            Host.DestroyDomain(Live(domain.Uuid).Single().Key);
        }

        Assert.Empty(Contract.Directory.UnfinishedRestarts());
    }

    [Fact]
    public void Who_removes_a_domain_while_another_restarts_it_leaves_one_or_none()
    {
        for (var round = 0; round < 5; round++)
        {
            var domain = Create();
            Race(() => Lifecycle.Restart(domain.Key, Patiently, cancellation: Cancellation), () => Host.DestroyDomain(domain.Key));
            var left = Live(domain.Uuid);
            Assert.True(left.Count == 0 || (left.Count == 1 && IsRunning(left[0])), string.Join(", ", left.Select(one => $"{one.Key} {one.State}")));
            foreach (var one in left) Host.DestroyDomain(one.Key);
        }

        Assert.Empty(Contract.Directory.UnfinishedRestarts());
    }

    // --- waiting --------------------------------------------------------------------------------------------------------------

    [Fact]
    public void What_is_already_so_is_not_waited_for()
    {
        var running = Create();
        var ended = Create(draft => draft.CommandLine = "crash");
        AssertBecomes(ended.Key, DomainState.Crashed);
        var gone = Create();
        Host.DestroyDomain(gone.Key);

        Assert.Equal(running.Key, Lifecycle.WaitFor(running.Key, DomainCondition.Running, TimeSpan.Zero, Cancellation)!.Key);
        Assert.Equal(ShutdownReason.Crash, Lifecycle.WaitFor(ended.Key, DomainCondition.Shutdown, TimeSpan.Zero, Cancellation)!.ShutdownReason);
        Assert.Null(Lifecycle.WaitFor(gone.Key, DomainCondition.Shutdown, TimeSpan.Zero, Cancellation));
        Assert.Null(Lifecycle.WaitFor(gone.Key, DomainCondition.Removed, TimeSpan.Zero, Cancellation));
    }

    [Fact]
    public void What_becomes_so_ends_the_waiting()
    {
        var paused = Create(draft => draft.Paused = true);
        var ending = Create();
        var going = Create();

        Assert.Equal(paused.Key, While(() => Lifecycle.WaitFor(paused.Key, DomainCondition.Running, Patiently, Cancellation), () => Host.UnpauseDomain(paused.Key))!.Key);
        Assert.Equal(ShutdownReason.Poweroff, While(() => Lifecycle.WaitFor(ending.Key, DomainCondition.Shutdown, Patiently, Cancellation), () => Lifecycle.Request(ending.Key, ShutdownReason.Poweroff))!.ShutdownReason);
        Assert.Null(While(() => Lifecycle.WaitFor(going.Key, DomainCondition.Removed, Patiently, Cancellation), () => Host.DestroyDomain(going.Key)));
    }

    [Fact]
    public void An_address_that_there_is_none_is_waited_for_until_there_can_be_none()
    {
        var silent = Create();
        var ended = Create(draft => draft.CommandLine = "crash");
        AssertBecomes(ended.Key, DomainState.Crashed);
        var ending = Create();
        using var cancellation = new CancellationTokenSource(Briefly);

        AssertFails(ErrorIds.WaitTimeout, () => Lifecycle.WaitFor(silent.Key, DomainCondition.Address, Briefly, Cancellation));
        AssertFails(ErrorIds.OperationCancelled, () => Lifecycle.WaitFor(silent.Key, DomainCondition.Address, Timeout.InfiniteTimeSpan, cancellation.Token));
        AssertFails(ErrorIds.DomainInvalidState, () => Lifecycle.WaitFor(ended.Key, DomainCondition.Address, Timeout.InfiniteTimeSpan, Cancellation));
        AssertFails(ErrorIds.DomainGone, () => While(() => Lifecycle.WaitFor(ending.Key, DomainCondition.Address, Timeout.InfiniteTimeSpan, Cancellation), () => Host.DestroyDomain(ending.Key)));
    }

    [Fact]
    public void A_line_on_the_console_is_waited_for_and_told_by_each_guest()
    {
        var first = Create(draft => draft.CommandLine = "noxs first-of-them");
        var second = Create(draft => draft.CommandLine = "noxs second-of-them");
        var silent = Create(draft => draft.CommandLine = "noxs");

        var outcomes = Lifecycle.WaitForConsole([silent.Key, first.Key, second.Key], new Regex(@"(first|second)-of-them"), TimeSpan.FromSeconds(3), Cancellation).ToList();
        Assert.Contains("first-of-them", outcomes.Single(outcome => outcome.Key == first.Key).Line, StringComparison.Ordinal);
        Assert.Contains("second-of-them", outcomes.Single(outcome => outcome.Key == second.Key).Line, StringComparison.Ordinal);
        Assert.Equal((silent.Key, ErrorIds.WaitTimeout), (outcomes[^1].Key, outcomes[^1].Error?.ErrorId));
        // Who leaves after the first does not wait for the others.
        Assert.NotNull(Lifecycle.WaitForConsole([silent.Key, first.Key], new Regex("first-of-them"), Timeout.InfiniteTimeSpan, Cancellation).First().Line);
    }

    [Fact]
    public void A_pattern_that_takes_for_ever_is_an_error_of_its_own()
    {
        var domain = Create(draft => draft.CommandLine = $"noxs {new string('a', 60)}!");

        AssertFails(ErrorIds.WaitTimeout, () => Lifecycle.WaitForConsole([domain.Key], new Regex("(a+)+$", RegexOptions.None, TimeSpan.FromMilliseconds(50)), Patiently, Cancellation).Single().Require());
    }

    [Fact]
    public void What_can_never_be_is_told_at_once()
    {
        var ended = Create(draft => draft.CommandLine = "crash");
        AssertBecomes(ended.Key, DomainState.Crashed);
        var gone = Create();
        Host.DestroyDomain(gone.Key);

        AssertFails(ErrorIds.DomainInvalidState, () => Lifecycle.WaitFor(ended.Key, DomainCondition.Running, Timeout.InfiniteTimeSpan, Cancellation));
        AssertFails(ErrorIds.DomainGone, () => Lifecycle.WaitFor(gone.Key, DomainCondition.Running, Timeout.InfiniteTimeSpan, Cancellation));
    }

    [Theory]
    [InlineData(DomainCondition.Running)]
    [InlineData(DomainCondition.Shutdown)]
    [InlineData(DomainCondition.Removed)]
    public void What_does_not_become_so_in_time_is_an_error(DomainCondition condition)
    {
        var domain = Create(draft => draft.Paused = true);
        using var cancellation = new CancellationTokenSource(Briefly);

        AssertFails(ErrorIds.WaitTimeout, () => Lifecycle.WaitFor(domain.Key, condition, Briefly, Cancellation));
        AssertFails(ErrorIds.OperationCancelled, () => Lifecycle.WaitFor(domain.Key, condition, Timeout.InfiniteTimeSpan, cancellation.Token));
    }

    [Fact]
    public void Many_are_waited_for_at_once_and_told_as_they_come()
    {
        var first = Create();
        var second = Create();
        var never = Create(draft => draft.Paused = true);
        using var outcomes = Lifecycle.WaitFor([never.Key, second.Key, first.Key], DomainCondition.Shutdown, TimeSpan.FromSeconds(3), Cancellation).GetEnumerator();

        Lifecycle.Request(first.Key, ShutdownReason.Poweroff);
        Assert.True(outcomes.MoveNext());
        Assert.Equal(first.Key, outcomes.Current.Require()!.Key);
        Lifecycle.Request(second.Key, ShutdownReason.Poweroff);
        Assert.True(outcomes.MoveNext());
        Assert.Equal(second.Key, outcomes.Current.Require()!.Key);
        Assert.True(outcomes.MoveNext());
        Assert.Equal((never.Key, ErrorIds.WaitTimeout), (outcomes.Current.Key, outcomes.Current.Error!.ErrorId));
        Assert.False(outcomes.MoveNext());
    }

    // --- helpers --------------------------------------------------------------------------------------------------------------

    private static readonly Comparer<DomainKey> ByKey = Comparer<DomainKey>.Create((one, other) => one.Id.CompareTo(other.Id));

    private static bool IsRunning(Domain domain) => domain.State is DomainState.Running or DomainState.Blocked or DomainState.Runnable;

    private List<Domain> Live(Guid uuid) => Host.ListDomains().Where(domain => domain.Uuid == uuid && domain.State != DomainState.Dying).ToList();

    private void AssertRestarted(Domain before, Domain? after)
    {
        Assert.NotNull(after);
        Assert.Equal((before.Uuid, before.Name), (after.Uuid, after.Name));
        Assert.NotEqual(before.Id, after.Id);
        var live = Assert.Single(Live(before.Uuid));
        Assert.Equal(after.Key, live.Key);
        Assert.True(IsRunning(live), $"it is {live.State}");
        Assert.Equal((before.MaxVcpuCount, before.MaxMemoryKiB), (live.MaxVcpuCount, live.MaxMemoryKiB));
        Assert.Empty(Contract.Directory.UnfinishedRestarts());
    }

    private void AssertRunsUnasked(Domain domain)
    {
        Assert.True(IsRunning(Host.GetDomain(domain.Key)));
        Assert.False(Contract.Bus.WithdrawRequest(domain.Key), "the request still stands");
    }

    /// <summary>As if whoever restarts it had died right after it destroyed the domain.</summary>
    private void DestroyBehindTheBack(Domain domain)
    {
        Contract.Directory.Settle(domain.Key);
        Contract.Hypervisor.Destroy(domain.Id);
        Contract.Directory.Withdraw(domain.Key);
    }

    /// <summary>What the device daemon would do now, line by line.</summary>
    private List<string> Pass()
    {
        var log = new List<string>();
        new LifecycleActions(Host, log.Add, new ManualTime()).Pass(Cancellation);
        return log;
    }

    /// <summary>Waits for something in a thread, and brings it about meanwhile.</summary>
    private static T While<T>(Func<T> wait, Action bringAbout)
    {
        var waiting = Task.Factory.StartNew(wait, Cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        bringAbout();
        return waiting.GetAwaiter().GetResult();
    }

    /// <summary>Does things at once, of which some may come too late.</summary>
    private static void Race(params Action[] actions)
    {
        using var barrier = new Barrier(actions.Length);
        Task.WaitAll(
            [.. actions.Select(action => Task.Factory.StartNew(
                () =>
                {
                    barrier.SignalAndWait(Cancellation);
                    try
                    {
                        action();
                    }
                    catch (LvmException error) when (error.ErrorId is ErrorIds.DomainGone or ErrorIds.DomainInvalidState)
                    {
                        // Another was quicker.
                    }
                },
                Cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default))],
            Cancellation);
    }

    /// <summary>The lifecycle actions in a thread, as in the device daemon.</summary>
}
