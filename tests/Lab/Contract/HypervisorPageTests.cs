using System.Text.RegularExpressions;
using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Hosts;
using LightVM.Noxs;
using LightVM.Xen;

namespace LightVM.Lab;

/// <summary>
/// The pages that LightVM's own hypervisor keeps. They need a Xen that has its hypercall (tests/Lab/devctl), where the other tests of guests without a store
/// (<see cref="NoxsTests"/>) have guests look there as well: <c>./build.sh test devctl</c>.
/// </summary>
public sealed class HypervisorPageTests(XenContractHost contract, RunningNoxsDaemon noxs) : DeviceTests(contract), IClassFixture<XenContractHost>, IClassFixture<RunningNoxsDaemon>
{
    private const string Asks = "noxs=hypervisor";

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>Whether the tests were told that this is one.</summary>
    public static bool IsLightVM => Environment.GetEnvironmentVariable(HypervisorPages.Variable) == "1";

    public RunningNoxsDaemon Noxs { get; } = noxs;

    [Fact]
    public void The_hypervisor_lists_what_the_guest_has_without_a_hole()
    {
        RequireLightVM();
        using var host = LvmHost.OpenXen();
        var domain = Create(host, draft => draft.Vifs = [Vif(), Vif(OtherBridge)]);
        AssertListed(domain, (EntryType.Sysctl, 0), (EntryType.Vif, 0), (EntryType.Vif, 1));

        host.Devices.RemoveNetworkAdapter(domain.Key, 0, force: true, cancellation: Cancellation);
        AssertListed(domain, (EntryType.Sysctl, 0), (EntryType.Vif, 1));
        host.Devices.AddNetworkAdapter(domain.Key, Vif(), cancellation: Cancellation);
        AssertListed(domain, (EntryType.Sysctl, 0), (EntryType.Vif, 0), (EntryType.Vif, 1));

        // It has found its sysctl device there: nothing else could ask it.
        Assert.Null(host.Lifecycle.Stop(domain.Key, Patience, cancellation: Cancellation));
    }

    [Fact]
    public void Nothing_is_in_it_where_nobody_has_said_what_the_hypervisor_is()
    {
        RequireLightVM();
        Environment.SetEnvironmentVariable(HypervisorPages.Variable, null);
        try
        {
            using var host = LvmHost.OpenXen();
            var domain = Create(host, draft => draft.Vifs = [Vif()]);
            host.Consoles.WaitForLine(domain.Key, new Regex("hello from a PV guest"), Patience, Cancellation);
            AssertListed(domain);
            Assert.Empty(ConnectedTo(host, domain)); // it has looked, and has found nothing
            host.DestroyDomain(domain.Key);
        }
        finally
        {
            Environment.SetEnvironmentVariable(HypervisorPages.Variable, "1");
        }
    }

    private static void RequireLightVM() => Assert.SkipUnless(IsLightVM, $"this Xen has no pages of its own, or {HypervisorPages.Variable} does not say so");

    private static Domain Create(LvmHost host, Action<DomainConfigDraft> change)
    {
        var draft = new DomainConfigDraft
        {
            Name = "dev-listed",
            Kernel = new GuestImages([Path.Combine(Dom0.Build, "guests")]).Find("template"),
            CommandLine = Asks,
            MemoryMiB = GuestImages.MemoryMiB,
            VcpuCount = 1,
            DeviceMethod = DeviceMethod.Noxs,
            OnPoweroff = LifecycleAction.Destroy,
        };
        change(draft);
        return host.CreateDomain(DomainConfig.From(draft), Cancellation);
    }

    private static IEnumerable<int> ConnectedTo(LvmHost host, Domain domain) =>
        host.Devices.ListNetworkAdapters(domain).Where(adapter => adapter.State == Devices.DeviceState.Connected).Select(adapter => adapter.DeviceId);

    private static void AssertListed(Domain domain, params (EntryType Type, uint Id)[] devices)
    {
        using var xen = XenHypervisor.Open();
        Assert.Equal(devices.Order(), ((IDeviceLists)xen).List(domain.Id).Select(entry => (entry.Type, entry.Id)).Order());
    }
}
