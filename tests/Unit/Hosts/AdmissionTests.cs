using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Hypervisor;
using LightVM.Simulation;
using LightVM.Xen;

namespace LightVM.Unit.Hosts;

/// <summary>What a host has too little of is said before the first domain of a series is made.</summary>
public sealed class AdmissionTests
{
    private static readonly HostCapacity Plenty = new() { FreeMemoryKiB = 1L << 30, FreeDomainIds = 32000, FreeEventChannels = 1 << 17, GrantFrames = 64 };

    [Fact]
    public void What_there_is_enough_of_is_admitted() =>
        Admission.Require(Plenty with { GrantMappings = 1 << 20 }, 1000, Series(1000, draft => draft.Vifs = [new NetworkConfig(null, null, null)]));

    [Fact]
    public void Too_little_memory_is_named_with_what_is_needed_and_for_how_many_it_is_enough()
    {
        // 1 MiB has to stay free, and each needs 4 MiB and 96 KiB.
        var error = Refused(Plenty with { FreeMemoryKiB = 1024 + 10 * (4096 + 96) }, null, Series(11));
        Assert.Equal((ErrorIds.InsufficientMemory, "11 domains need 46112 KiB of memory, and there are 41920: enough for 10 of them"), (error.ErrorId, error.Problem));
        Admission.Require(Plenty with { FreeMemoryKiB = 1024 + 10 * (4096 + 96) }, null, Series(10));
    }

    [Fact]
    public void A_guest_without_a_store_takes_no_nodes_of_it_and_has_its_devices_at_the_noxs_daemon()
    {
        var series = Series(10, draft => (draft.DeviceMethod, draft.Vifs) = (DeviceMethod.Noxs, [new NetworkConfig(null, null, null)]));
        Assert.Equal(10 * 5, Admission.ChannelsOf(series));
        var host = Plenty with { FreeEventChannels = 50, GrantMappings = 30, FreeDomainIds = HostCapacity.DomainIds - 1 };
        Admission.Require(host, 0, series);
        Assert.Equal(ErrorIds.EventChannelsExhausted, Refused(host with { FreeEventChannels = 49 }, 0, series).ErrorId);
        Assert.Equal(ErrorIds.GrantsExhausted, Refused(host with { GrantMappings = 29 }, 0, series).ErrorId);
    }

    [Fact]
    public void A_PVH_guest_needs_its_page_tables_as_well()
    {
        // 1 MiB for the vCPU, and 8 KiB for each of 129 MiB, in whole MiB.
        var host = Plenty with { FreeMemoryKiB = 1024 + 128 * 1024 + 96 + 3 * 1024 };
        Action<DomainConfigDraft> pvh = draft => (draft.Type, draft.MemoryMiB) = (GuestType.PVH, 128);
        Admission.Require(host, null, Series(1, pvh));
        Assert.Equal(ErrorIds.InsufficientMemory, Refused(host with { FreeMemoryKiB = host.FreeMemoryKiB - 1 }, null, Series(1, pvh)).ErrorId);
    }

    [Fact]
    public void Too_few_ids_are_named() =>
        Assert.Equal((ErrorIds.TooManyDomains, "9 domains need 9 domain ids, and there are 5: enough for 5 of them"), Told(Refused(Plenty with { FreeDomainIds = 5 }, null, Series(9))));

    [Theory]
    [InlineData(0, null, 0, 2)]
    [InlineData(1, null, 0, 4)]
    [InlineData(2, 4, 0, 18)]
    [InlineData(1, null, 3, 7)]
    public void Each_guest_takes_event_channels_of_the_control_domain(int vifs, int? queues, int vbds, int channels)
    {
        var series = Series(10, draft =>
        {
            draft.Vifs = Enumerable.Range(0, vifs).Select(_ => new NetworkConfig(null, null, null, null, queues)).ToList();
            draft.Vbds = Enumerable.Range(0, vbds).Select(number => new DiskConfig("/d", DiskType.File, $"xvd{(char)('a' + number)}", DiskAccess.ReadOnly)).ToList();
        });
        Assert.Equal(10 * channels, Admission.ChannelsOf(series));
        Admission.Require(Plenty with { FreeEventChannels = 10 * channels }, null, series);
        Assert.Equal((ErrorIds.EventChannelsExhausted, $"10 domains need {10 * channels} event channels of the control domain, and there are {10 * channels - 1}: enough for 9 of them"),
            Told(Refused(Plenty with { FreeEventChannels = 10 * channels - 1 }, null, series)));
    }

    [Fact]
    public void What_a_guest_may_have_of_the_store_and_of_grants_is_asked_of_the_greediest()
    {
        var series = Series(3).Concat(Series(1, draft => (draft.Name, draft.Vifs) = ("greedy", [new NetworkConfig(null, null, null, null, 8)]))).ToList();

        Assert.Equal((ErrorIds.StoreQuotaExceeded, "domain 'greedy' needs 68 nodes in the store with its devices, and may have 60: enough for 3 of 4 domains"), Told(Refused(Plenty, 60, series)));
        Assert.Equal((ErrorIds.GrantsExhausted, "domain 'greedy' needs 9 pages of its grant table with its devices, and may have 8: enough for 3 of 4 domains"), Told(Refused(Plenty with { GrantFrames = 8 }, null, series)));
    }

    [Fact]
    public void The_limit_of_an_old_driver_counts_the_guests_that_there_are() =>
        Assert.Equal(ErrorIds.GrantsExhausted, Refused(Plenty with { GrantMappings = 100, FreeDomainIds = HostCapacity.DomainIds - 1 - 45 }, null, Series(6)).ErrorId);

    [Fact]
    public void A_simulated_host_admits_what_it_then_has_memory_for()
    {
        using var host = LvmHost.OpenSimulated(new SimulatedHostOptions { TotalMemoryMiB = 100, ControlDomainMemoryMiB = 36 });
        var enough = (64 * 1024 - 1024) / (4096 + 96);
        Assert.Equal(ErrorIds.InsufficientMemory, Assert.Throws<LvmException>(() => host.Admit(Series(enough + 1))).ErrorId);
        host.Admit(Series(enough));
        foreach (var config in Series(enough)) host.CreateDomain(config, TestContext.Current.CancellationToken);
    }

    [Fact]
    public void A_simulated_host_can_be_given_limits()
    {
        using var host = LvmHost.OpenSimulated(new SimulatedHostOptions { EventChannels = 7, StoreNodesPerDomain = 30, GrantFrames = 1 });
        Assert.Equal("Cannot create 4 domains: 4 domains need 8 event channels of the control domain, and there are 7: enough for 3 of them.", Assert.Throws<LvmException>(() => host.Admit(Series(4))).Message.Split(" Remove")[0]);
        var vifs = Series(2, draft => draft.Vifs = [new NetworkConfig(null, null, null)]);
        Assert.Equal(ErrorIds.EventChannelsExhausted, Assert.Throws<LvmException>(() => host.Admit(vifs)).ErrorId);
        Assert.Equal(ErrorIds.GrantsExhausted, Assert.Throws<LvmException>(() => host.Admit([vifs[0]])).ErrorId);
    }

    [Theory]
    [InlineData("Quota  parameters\nnodes            :     1000 Nodes per domain\nwatches          :      128 Watches per domain\n", 1000)]
    [InlineData("nodes: 42", 42)]
    [InlineData("nodes            :        0 Nodes per domain\n", null)]
    [InlineData("transaction-nodes:     1024 Max. number of accessed nodes per transaction\n", null)]
    [InlineData("nodes : many", null)]
    [InlineData("", null)]
    [InlineData(null, null)]
    public void The_store_says_how_many_nodes_a_guest_may_have(string? table, int? quota) => Assert.Equal(quota, XenstoreDirectory.ParseNodeQuota(table));

    private static LvmException Refused(HostCapacity host, int? nodes, IReadOnlyList<DomainConfig> series) => Assert.Throws<LvmException>(() => Admission.Require(host, nodes, series));

    private static (string, string) Told(LvmException error) => (error.ErrorId, error.Problem);

    private static List<DomainConfig> Series(int count, Action<DomainConfigDraft>? change = null) => Enumerable.Range(1, count).Select(number =>
    {
        var draft = new DomainConfigDraft { Name = $"web{number}", Kernel = SimulatedKernel.Path, MemoryMiB = 4, VcpuCount = 1 };
        change?.Invoke(draft);
        return DomainConfig.From(draft);
    }).ToList();
}
