using System.Diagnostics;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using Xunit;

namespace LightVM.Contract;

/// <summary>
/// What every host does, whichever hypervisor is under it: tests/Unit runs this on the simulated host, tests/Lab on a real Xen. Each test
/// ends with a look at what is left: domains, memory, names, and on Xen event channels and store nodes.
/// </summary>
public abstract class HostContract(ContractHost contract) : ContractTests(contract)
{
    // --- creation -----------------------------------------------------------------------------------------------------

    [Fact]
    public void A_new_domain_runs_and_is_listed_with_what_was_asked_for()
    {
        var uuid = Guid.NewGuid();
        var created = Create(draft => (draft.Name, draft.Uuid, draft.MemoryMiB) = ("contract-new", uuid, 4));

        var listed = Assert.Single(Host.ListDomains(), domain => domain.Uuid == uuid);
        Assert.Equal("contract-new", listed.Name);
        Assert.Equal(created.Id, listed.Id);
        Assert.Equal(GuestType.PV, listed.Type);
        Assert.Equal(1, listed.MaxVcpuCount);
        Assert.InRange(listed.MemoryKiB, 4096 - 64, 4096);
        Assert.Equal(4096, listed.MaxMemoryKiB, 1024.0);
        Assert.NotNull(listed.StartTime);
        AssertBecomes(created.Key, DomainState.Blocked);
    }

    [Fact]
    public void A_new_domain_is_found_by_id_uuid_name_and_key()
    {
        var created = Create(draft => draft.Name = "contract-find");

        Assert.Equal(created.Key, Host.GetDomain(created.Id).Key);
        Assert.Equal(created.Key, Host.GetDomain(created.Uuid).Key);
        Assert.Equal(created.Key, Host.GetDomain(created.Key).Key);
        Assert.Equal(created.Key, Host.GetDomain("contract-find").Key);
        Assert.Equal(created.Key, Host.GetDomain(created.Uuid.ToString()).Key);
        Assert.Equal(created.Key, Host.GetDomain(created.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)).Key);
    }

    [Fact]
    public void A_creation_tells_how_long_each_of_its_steps_took()
    {
        var record = Create().Creation!;

        Assert.Equal(DomainCreation.StepNames, record.Steps.Select(step => step.Name));
        Assert.True(record.Steps.Sum(step => step.Duration.Ticks) <= record.Duration.Ticks);
    }

    [Fact]
    public void Domains_without_a_uuid_get_different_random_ones()
    {
        var uuids = Enumerable.Range(0, 3).Select(_ => Create().Uuid).ToList();

        Assert.Equal(3, uuids.Distinct().Count());
        Assert.All(uuids, uuid => Assert.Equal(4, uuid.Version)); // RFC 9562: random
    }

    [Fact]
    public void Ids_rise_and_do_not_come_back_at_once()
    {
        var first = Create();
        Host.DestroyDomain(first.Key);
        var second = Create();

        Assert.True(second.Id > first.Id, $"{second.Id} came after {first.Id}");
    }

    [Fact]
    public void A_domain_that_shall_stay_paused_does_so_until_it_is_unpaused()
    {
        var domain = Create(draft => draft.Paused = true);

        Assert.Equal(DomainState.Paused, domain.State);
        Host.UnpauseDomain(domain.Key);
        AssertBecomes(domain.Key, DomainState.Blocked);
    }

    [Fact]
    public void Vcpus_and_their_affinity_are_taken()
    {
        var domain = Create(draft => (draft.VcpuCount, draft.CpuMap) = (2, [[0], [0]]));

        Assert.Equal(2, domain.MaxVcpuCount);
    }

    // --- what guests do -----------------------------------------------------------------------------------------------

    [Theory]
    [InlineData("off", DomainState.Shutdown, ShutdownReason.Poweroff)]
    [InlineData("reboot", DomainState.Shutdown, ShutdownReason.Reboot)]
    [InlineData("crash", DomainState.Crashed, ShutdownReason.Crash)]
    public void A_guest_that_ends_shows_why(string commandLine, DomainState state, ShutdownReason reason)
    {
        var domain = Create(draft => draft.CommandLine = commandLine);

        var ended = AssertBecomes(domain.Key, state);
        Assert.Equal(reason, ended.ShutdownReason);
    }

    [Fact]
    public void A_guest_that_computes_is_running_and_uses_time()
    {
        var domain = Create(draft => draft.CommandLine = "spin");

        var before = Host.GetDomain(domain.Key).CpuTime;
        AssertEventually(() => Host.GetDomain(domain.Key) is { State: DomainState.Running or DomainState.Runnable } now && now.CpuTime > before, "it uses no processor time");
    }

    // --- pause, unpause, rename, destroy --------------------------------------------------------------------------------

    [Fact]
    public void Pausing_stops_a_domain_and_pausing_it_again_changes_nothing()
    {
        var domain = Create();

        Assert.Equal(DomainState.Paused, Host.PauseDomain(domain.Key).State);
        Assert.Equal(DomainState.Paused, Host.PauseDomain(domain.Key).State);
        Host.UnpauseDomain(domain.Key);
        AssertBecomes(domain.Key, DomainState.Blocked);
        Host.UnpauseDomain(domain.Key);
        AssertBecomes(domain.Key, DomainState.Blocked);
    }

    [Fact]
    public void A_domain_that_ended_is_neither_paused_nor_unpaused()
    {
        var domain = Create(draft => draft.CommandLine = "off");
        AssertBecomes(domain.Key, DomainState.Shutdown);

        AssertFails(ErrorIds.DomainInvalidState, () => Host.PauseDomain(domain.Key));
        AssertFails(ErrorIds.DomainInvalidState, () => Host.UnpauseDomain(domain.Key));
    }

    [Fact]
    public void A_renamed_domain_is_found_by_its_new_name_only()
    {
        var domain = Create(draft => draft.Name = "contract-old");

        Assert.Equal("contract-new-name", Host.RenameDomain(domain.Key, "contract-new-name").Name);
        Assert.Equal(domain.Key, Host.GetDomain("contract-new-name").Key);
        AssertFails(ErrorIds.DomainNotFound, () => Host.GetDomain("contract-old"));
        Create(draft => draft.Name = "contract-old");
    }

    [Theory]
    [InlineData("")]
    [InlineData("with space")]
    [InlineData("a/b")]
    [InlineData("17")]
    public void A_name_that_is_none_is_refused(string name)
    {
        var domain = Create();

        AssertFails(ErrorIds.DomainNameInvalid, () => Host.RenameDomain(domain.Key, name));
    }

    [Fact]
    public void A_name_is_never_given_twice()
    {
        Create(draft => draft.Name = "contract-taken");
        var other = Create(draft => draft.Name = "contract-other");

        AssertFails(ErrorIds.DomainNameTaken, () => Create(draft => draft.Name = "contract-taken"));
        AssertFails(ErrorIds.DomainNameTaken, () => Host.RenameDomain(other.Key, "contract-taken"));
        Assert.Equal("contract-other", Host.GetDomain(other.Key).Name);
    }

    [Fact]
    public void Of_many_creations_of_one_name_at_once_one_succeeds()
    {
        var results = new Domain?[8];
        Parallel.For(0, results.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, i =>
        {
            try
            {
                results[i] = Create(draft => draft.Name = "contract-race");
            }
            catch (LvmException error) when (error.ErrorId == ErrorIds.DomainNameTaken)
            {
                // As it should be for all but one.
            }
        });

        Assert.Single(results, domain => domain is not null);
    }

    [Fact]
    public void A_uuid_is_never_given_twice()
    {
        var uuid = Guid.NewGuid();
        Create(draft => draft.Uuid = uuid);

        AssertFails(ErrorIds.DomainUuidTaken, () => Create(draft => draft.Uuid = uuid));
    }

    [Fact]
    public void A_destroyed_domain_is_gone_and_its_name_is_free()
    {
        var domain = Create(draft => draft.Name = "contract-gone");
        Host.DestroyDomain(domain.Key);

        // On Xen it is listed as dying until the console daemon lets go of its ring; whoever asks for it is told that it is gone.
        Assert.DoesNotContain(Host.ListDomains(), other => other.Key == domain.Key && other.State != DomainState.Dying);
        AssertFails(ErrorIds.DomainGone, () => Host.GetDomain(domain.Key));
        AssertFails(ErrorIds.DomainGone, () => Host.DestroyDomain(domain.Key));
        AssertFails(ErrorIds.DomainGone, () => Host.PauseDomain(domain.Key));
        AssertFails(ErrorIds.DomainNotFound, () => Host.GetDomain("contract-gone"));
        AssertEventually(() => Host.ListDomains().All(other => other.Key != domain.Key), "it is dying for ever");
        Create(draft => draft.Name = "contract-gone");
    }

    [Fact]
    public void An_id_that_now_names_another_domain_is_not_taken_for_the_one_asked_for()
    {
        var domain = Create();
        var former = new DomainKey(domain.Id, Guid.NewGuid());

        AssertFails(ErrorIds.DomainGone, () => Host.PauseDomain(former));
        AssertFails(ErrorIds.DomainGone, () => Host.RenameDomain(former, "contract-never"));
        AssertFails(ErrorIds.DomainGone, () => Host.DestroyDomain(former));
        AssertBecomes(domain.Key, DomainState.Blocked);
    }

    [Fact]
    public void The_control_domain_is_listed_first_and_left_alone()
    {
        var control = Host.ListDomains()[0];

        Assert.True(control.IsControlDomain);
        Assert.Equal("Domain-0", control.Name);
        AssertFails(ErrorIds.DomainNameTaken, () => Create(draft => draft.Name = "Domain-0"));
        AssertFails(ErrorIds.DomainNameTaken, () => Host.RenameDomain(Create().Key, "Domain-0"));
        AssertFails(ErrorIds.DomainProtected, () => Host.PauseDomain(control.Key));
        AssertFails(ErrorIds.DomainProtected, () => Host.UnpauseDomain(control.Key));
        AssertFails(ErrorIds.DomainProtected, () => Host.RenameDomain(control.Key, "contract-zero"));
        AssertFails(ErrorIds.DomainProtected, () => Host.DestroyDomain(control.Key));
    }

    [Fact]
    public void What_does_not_exist_is_not_found()
    {
        AssertFails(ErrorIds.DomainNotFound, () => Host.GetDomain(0x7fefu));
        AssertFails(ErrorIds.DomainNotFound, () => Host.GetDomain(Guid.NewGuid()));
        AssertFails(ErrorIds.DomainNotFound, () => Host.GetDomain("contract-nobody"));
    }

    // --- bad input: a distinct error each, nothing created ----------------------------------------------------------------

    [Fact]
    public void A_kernel_that_is_none_is_refused()
    {
        var file = Contract.WriteFile("not-a-kernel", "this is text, not a kernel"u8);
        AssertFails(ErrorIds.KernelInvalid, () => Create(draft => draft.Kernel = file));
    }

    [Fact]
    public void An_empty_kernel_is_refused() =>
        AssertFails(ErrorIds.KernelInvalid, () => Create(draft => draft.Kernel = Contract.WriteFile("empty", [])));

    [Fact]
    public void A_kernel_that_is_cut_off_is_refused_wherever_it_is_cut()
    {
        var whole = File.ReadAllBytes(Contract.Kernel);
        foreach (var length in new[] { 4, 16, 63, 64, 100, whole.Length / 4, whole.Length / 2 })
        {
            var file = Contract.WriteFile($"cut-{length}", whole.AsSpan(0, Math.Min(length, whole.Length)));
            AssertFails(ErrorIds.KernelInvalid, () => Create(draft => draft.Kernel = file));
        }
    }

    [Fact]
    public void A_packed_kernel_that_is_rubbish_inside_is_refused_and_nothing_is_left()
    {
        if (!Contract.UnpacksKernels) return; // the simulated host judges a packed kernel by its wrapping
        byte[] gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, .. new byte[4096]];
        AssertFails(ErrorIds.KernelInvalid, () => Create(draft => draft.Kernel = Contract.WriteFile("rubbish.gz", gzip)));
    }

    [Fact]
    public void A_missing_kernel_is_not_found() =>
        AssertFails(ErrorIds.KernelNotFound, () => Create(draft => draft.Kernel = "/nonexistent/kernel"));

    [Fact]
    public void A_directory_is_no_kernel() =>
        AssertFails(ErrorIds.KernelUnreadable, () => Create(draft => draft.Kernel = "/"));

    [Fact]
    public void A_missing_ramdisk_is_not_found() =>
        AssertFails(ErrorIds.RamdiskNotFound, () => Create(draft => draft.Ramdisk = "/nonexistent/ramdisk"));

    [Fact]
    public void Too_little_memory_for_the_kernel_is_refused()
    {
        var ramdisk = Contract.WriteFile("ramdisk", new byte[6 << 20]);
        AssertFails(ErrorIds.MemoryTooSmall, () => Create(draft => (draft.Ramdisk, draft.MemoryMiB) = (ramdisk, 4)));
    }

    [Fact]
    public void More_memory_than_is_free_is_refused()
    {
        var free = Host.GetInfo().FreeMemoryKiB / 1024;
        AssertFails(ErrorIds.InsufficientMemory, () => Create(draft => draft.MemoryMiB = (int)free + 64));
    }

    [Fact]
    public void A_processor_that_the_host_has_not_got_is_refused()
    {
        var missing = Host.GetInfo().PhysicalCpus;
        AssertFails(ErrorIds.CpuNotFound, () => Create(draft => draft.CpuMap = [[missing]]));
    }

    [Fact]
    public void A_guest_of_32_bits_is_refused_where_the_hypervisor_runs_none()
    {
        if (Host.GetInfo().SupportsPV32) return;
        AssertFails(ErrorIds.GuestTypeUnsupported, () => Create(draft => draft.AddressSize = 32));
    }

    // --- half-way: whatever fails or is given up leaves nothing behind -----------------------------------------------------

    [Fact]
    public void A_creation_that_is_cancelled_before_any_step_leaves_nothing() => AssertCancelledCreationsLeaveNothing(_ => { });

    [Fact]
    public void A_creation_whose_hypervisor_fails_at_any_call_leaves_nothing() => AssertFailedCreationsLeaveNothing(_ => { });

    // --- the hypervisor port itself -----------------------------------------------------------------------------------

    [Fact]
    public void A_bare_domain_is_paused_and_has_no_memory_and_takes_no_more_pauses_back_than_it_was_given()
    {
        var hypervisor = Contract.Hypervisor;
        var id = hypervisor.CreateDomain(new DomainShape(Guid.NewGuid(), GuestType.PV, 64, 1));
        try
        {
            var info = hypervisor.FindDomain(id)!.Value;
            Assert.Equal(DomainState.Paused, info.State);
            Assert.InRange(info.MemoryKiB, 0, 64);
            hypervisor.Pause(id);
            hypervisor.Unpause(id);
            Assert.Equal(DomainState.Paused, hypervisor.FindDomain(id)!.Value.State);
        }
        finally
        {
            hypervisor.Destroy(id);
        }
    }

    [Fact]
    public void Unpausing_what_is_not_paused_is_refused_by_the_hypervisor()
    {
        var domain = Create();
        var error = AssertFails(ErrorIds.HypervisorFailure, () => Contract.Hypervisor.Unpause(domain.Id));
        Assert.Equal(ErrnoText.EINVAL, error.Errno);
    }

    [Fact]
    public void Each_event_channel_is_another_port()
    {
        var hypervisor = Contract.Hypervisor;
        var id = hypervisor.CreateDomain(new DomainShape(Guid.NewGuid(), GuestType.PV, 64, 1));
        try
        {
            var ports = Enumerable.Range(0, 4).Select(_ => hypervisor.AllocateEventChannel(id, 0)).ToList();
            Assert.Equal(4, ports.Distinct().Count());
            Assert.DoesNotContain(0u, ports);
        }
        finally
        {
            hypervisor.Destroy(id);
        }
    }

    [Fact]
    public void What_is_asked_of_a_domain_that_is_gone_fails_and_destroying_it_does_not()
    {
        var hypervisor = Contract.Hypervisor;
        const uint Nobody = 0x7fee;

        Assert.Null(hypervisor.FindDomain(Nobody));
        AssertFails(ErrorIds.DomainGone, () => hypervisor.Pause(Nobody));
        AssertFails(ErrorIds.DomainGone, () => hypervisor.Unpause(Nobody));
        AssertFails(ErrorIds.DomainGone, () => hypervisor.SetLimits(Nobody, new DomainShape(Guid.NewGuid(), GuestType.PV, 64, 1), 4096));
        AssertFails(ErrorIds.DomainGone, () => hypervisor.AllocateEventChannel(Nobody, 0));
        AssertFails(ErrorIds.DomainGone, () => hypervisor.Shutdown(Nobody, ShutdownReason.Poweroff));
        hypervisor.Destroy(Nobody);
    }

    [Fact]
    public void A_domain_can_be_ended_from_outside()
    {
        var domain = Create();
        Contract.Hypervisor.Shutdown(domain.Id, ShutdownReason.Watchdog);

        Assert.Equal(ShutdownReason.Watchdog, AssertBecomes(domain.Key, DomainState.Shutdown).ShutdownReason);
    }

    [Fact]
    public void More_memory_than_the_machine_has_is_refused_by_the_hypervisor_as_well()
    {
        var hypervisor = Contract.Hypervisor;
        var shape = new DomainShape(Guid.NewGuid(), GuestType.PV, 64, 1);
        var id = hypervisor.CreateDomain(shape);
        try
        {
            var kib = (hypervisor.GetInfo().FreeMemoryKiB / 1024 + 64) * 1024;
            hypervisor.SetLimits(id, shape, kib);
            var ports = new GuestPorts(hypervisor.AllocateEventChannel(id, 0), hypervisor.AllocateEventChannel(id, 0));
            AssertFails(ErrorIds.InsufficientMemory, () => hypervisor.AllocateMemory(id, shape, kib, ports).Dispose());
        }
        finally
        {
            hypervisor.Destroy(id);
        }
    }
}
