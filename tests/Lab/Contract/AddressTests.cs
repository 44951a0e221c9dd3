using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Hypervisor;

namespace LightVM.Lab;

/// <summary>Addresses of real guests, heard on the wire and told by an agent.</summary>
public sealed class AddressTests(XenContractHost contract, RunningDeviceDaemon daemon) : IClassFixture<XenContractHost>, IClassFixture<RunningDeviceDaemon>, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly string _before = contract.DescribeTraces();

    public RunningDeviceDaemon Daemon { get; } = daemon;

    public void Dispose()
    {
        foreach (var domain in contract.Host.ListDomains().Where(domain => domain.Name.StartsWith("address-", StringComparison.Ordinal))) contract.Host.DestroyDomain(domain.Key);
        GuestTests.AssertEventually(() => contract.DescribeTraces() == _before, () => $"left behind; before:\n{_before}\nafter:\n{contract.DescribeTraces()}");
    }

    [Fact]
    public void A_guest_that_uses_an_address_is_heard_without_being_asked()
    {
        var guest = Linux("address-heard", "lab.net=192.168.77.31", new NetworkConfig(null, "00:16:3e:77:00:31", "xenbr0"));

        AssertAddress(guest, "00:16:3e:77:00:31", "192.168.77.31");
    }

    [Fact]
    public void A_guest_that_says_nothing_is_asked_for_the_address_that_it_is_expected_to_have()
    {
        var guest = Linux("address-asked", "lab.net=192.168.77.32", new NetworkConfig("192.168.77.32", "00:16:3e:77:00:32", "xenbr0"));
        GuestTests.AssertEventually(() => GuestTests.ConsoleLog(guest.Name).Contains("answers", StringComparison.Ordinal), () => GuestTests.ConsoleLog(guest.Name));

        AssertAddress(guest, "00:16:3e:77:00:32", "192.168.77.32");
        AssertAddress(guest, "00:16:3e:77:00:32", "192.168.77.32"); // whoever asks
    }

    [Fact]
    public async Task An_agent_tells_the_address_of_its_guest_and_is_not_believed_everything()
    {
        var guest = contract.Host.CreateDomain(
            DomainConfig.From(new DomainConfigDraft
            {
                Name = "address-told",
                Kernel = Dom0.TinyKernel,
                MemoryMiB = 4,
                VcpuCount = 1,
                Vifs = [new NetworkConfig(null, "00:16:3e:77:00:33", "xenbr0")],
            }),
            TestContext.Current.CancellationToken);
        var node = $"/local/domain/{guest.Id}/attr/vif/0/ipv4/0";
        foreach (var lie in new[] { "", "10.1", "127.0.0.1", "255.255.255.255", "fe80::1", "10.0.0.5\n", "0x0a000005" })
        {
            Dom0.Output("xenstore-write", node, lie);
            Assert.Equal(Errors.ErrorIds.WaitTimeout, contract.Host.Lifecycle.WaitFor([guest.Key], DomainCondition.Address, TimeSpan.FromMilliseconds(100), TestContext.Current.CancellationToken).Single().Error?.ErrorId);
        }

        var told = Task.Run(() => contract.Host.Lifecycle.WaitFor([guest.Key], DomainCondition.Address, Patience, TestContext.Current.CancellationToken).Single(), TestContext.Current.CancellationToken);
        Dom0.Output("xenstore-write", node, "192.168.77.33");
        var outcome = await told;
        outcome.Require();
        Assert.Equal(("00:16:3e:77:00:33", "192.168.77.33"), (outcome.Address?.MacAddress, outcome.Address?.ToString()));
    }

    private Domain Linux(string name, string words, NetworkConfig network)
    {
        GuestTests.ForgetConsoleLog(name);
        return contract.Host.CreateDomain(
            DomainConfig.From(new DomainConfigDraft
            {
                Name = name,
                Kernel = $"{Dom0.Guests}/vmlinux",
                Ramdisk = $"{Dom0.Guests}/initrd.gz",
                CommandLine = $"console=hvc0 quiet {words}",
                MemoryMiB = 160,
                VcpuCount = 1,
                Type = GuestType.PV,
                Vifs = [network],
            }),
            TestContext.Current.CancellationToken);
    }

    private void AssertAddress(Domain guest, string mac, string address)
    {
        var outcome = contract.Host.Lifecycle.WaitFor([guest.Key], DomainCondition.Address, Patience, TestContext.Current.CancellationToken).Single();
        Assert.True(outcome.Error is null, $"{outcome.Error?.Message}\n{GuestTests.ConsoleLog(guest.Name)}");
        Assert.Equal((mac, address), (outcome.Address!.MacAddress, outcome.Address.ToString()));
    }
}
