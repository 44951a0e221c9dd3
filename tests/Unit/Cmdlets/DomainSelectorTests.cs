using LightVM.Cmdlets.Domains;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Simulation;

namespace LightVM.Unit.Cmdlets;

public sealed class DomainSelectorTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("lightvm-").FullName;
    private readonly LvmHost _host = LvmHost.OpenSimulated();
    private readonly Domain _web1;
    private readonly Domain _web2;

    public DomainSelectorTests()
    {
        _web1 = Create("web1");
        _web2 = Create("web2");
    }

    public void Dispose()
    {
        _host.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public void Names_and_patterns_select_each_domain_once_in_their_order()
    {
        var selected = Reading.ByName([new("web2"), new("web*", name => name.StartsWith("web", StringComparison.Ordinal))]);
        Assert.Equal(["web2", "web1"], selected.Select(selection => selection.Domain!.Name));
    }

    [Fact]
    public void A_name_that_nobody_has_is_an_error_and_the_others_are_selected()
    {
        var selected = Reading.ByName([new("nobody"), new("web1")]).ToList();
        Assert.Equal((ErrorIds.DomainNotFound, "nobody"), (selected[0].Error!.ErrorId, selected[0].Target));
        Assert.Equal(_web1.Key, selected[1].Domain!.Key);
    }

    [Fact]
    public void Names_are_told_apart_by_case() => Assert.Equal(ErrorIds.DomainNotFound, Assert.Single(Reading.ByName([new("Web1")])).Error!.ErrorId);

    [Fact]
    public void A_pattern_that_matches_nothing_is_no_error() => Assert.Empty(Reading.ByName([new("x*", _ => false)]));

    [Fact]
    public void A_pattern_for_reading_matches_the_control_domain_and_one_for_changing_passes_over_it()
    {
        NamePattern[] everything = [new("*", _ => true)];
        Assert.Equal([0u, _web1.Id, _web2.Id], Reading.ByName(everything).Select(selection => selection.Domain!.Id));
        Assert.Equal([_web1.Id, _web2.Id], Changing.ByName(everything).Select(selection => selection.Domain!.Id));
    }

    [Fact]
    public void The_control_domain_is_refused_by_name_id_uuid_and_object_when_it_is_to_be_changed()
    {
        var control = _host.GetDomain(0);
        IEnumerable<Selection>[] ways =
        [
            Changing.ByName([new(control.Name)]), Changing.ById([0]), Changing.ByUuid([control.Uuid]), Changing.ByObject([control]),
        ];
        Assert.All(ways, way => Assert.Equal(ErrorIds.DomainProtected, Assert.Single(way).Error!.ErrorId));
    }

    [Fact]
    public void Ids_and_uuids_select_and_those_that_nobody_has_are_their_errors_targets()
    {
        var unknown = Guid.NewGuid();
        Assert.Equal([_web2.Key, null], Reading.ById([_web2.Id, 999]).Select(selection => selection.Domain?.Key));
        Assert.Equal([_web2.Key, null], Reading.ByUuid([_web2.Uuid, unknown]).Select(selection => selection.Domain?.Key));
        Assert.Equal([_web2, 999u], Reading.ById([_web2.Id, 999]).Select(selection => selection.Domain is null ? selection.Target : _web2));
        Assert.Equal(unknown, Assert.Single(Reading.ByUuid([unknown])).Target);
    }

    [Fact]
    public void An_object_is_looked_at_anew_for_reading()
    {
        _host.PauseDomain(_web1.Key);
        Assert.Equal(Hypervisor.DomainState.Paused, Assert.Single(Reading.ByObject([_web1])).Domain!.State);
    }

    [Fact]
    public void An_object_whose_domain_is_gone_is_an_error_with_the_object_as_target()
    {
        _host.DestroyDomain(_web1.Key);
        var selection = Assert.Single(Reading.ByObject([_web1]));
        Assert.Equal((ErrorIds.DomainGone, _web1), (selection.Error!.ErrorId, selection.Target));
    }

    [Fact]
    public void A_name_that_two_domains_share_is_ambiguous_for_changing_and_both_for_reading()
    {
        using var shared = new TwoOfOneName();
        var selection = Assert.Single(new DomainSelector(shared.Host, forChange: true).ByName([new("twin")]));
        Assert.Equal((ErrorIds.DomainAmbiguous, "twin"), (selection.Error!.ErrorId, selection.Target));
        Assert.Equal(2, new DomainSelector(shared.Host, forChange: false).ByName([new("twin")]).Count());
        Assert.Equal(2, new DomainSelector(shared.Host, forChange: true).ByName([new("t*", name => name.StartsWith('t'))]).Count());
    }

    private DomainSelector Reading => new(_host, forChange: false);

    private DomainSelector Changing => new(_host, forChange: true);

    private Domain Create(string name) => _host.CreateDomain(Config(name, _directory));

    private static DomainConfig Config(string name, string directory)
    {
        var kernel = Path.Combine(directory, "tiny");
        File.WriteAllBytes(kernel, SimulatedKernel.Create());
        return DomainConfig.From(new DomainConfigDraft { Name = name, Kernel = kernel, MemoryMiB = 4, VcpuCount = 1 });
    }

    /// <summary>A host on which another toolstack, which does not look, has given two domains one name.</summary>
    private sealed class TwoOfOneName : IDisposable
    {
        private readonly string _directory = Directory.CreateTempSubdirectory("lightvm-").FullName;

        public TwoOfOneName()
        {
            var machine = new Simulation.SimulatedMachine(new Simulation.SimulatedHostOptions());
            var names = new Simulation.SimulatedDirectory(machine);
            Host = new LvmHost(new Simulation.SimulatedHypervisor(machine), names, new Simulation.SimulatedDeviceBus(machine));
            foreach (var name in new[] { "one", "two" })
            {
                var domain = Host.CreateDomain(Config(name, _directory));
                names.Rename(domain.Key, "twin");
            }
        }

        public LvmHost Host { get; }

        public void Dispose()
        {
            Host.Dispose();
            Directory.Delete(_directory, recursive: true);
        }
    }
}
