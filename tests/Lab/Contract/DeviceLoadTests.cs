using LightVM.Configuration;
using LightVM.Domains;

namespace LightVM.Lab;

/// <summary>Many guests with devices come and go, and the host is what it was.</summary>
public sealed class DeviceLoadTests(XenContractHost contract, RunningDeviceDaemon daemon) : DeviceTests(contract, daemon), IClassFixture<XenContractHost>, IClassFixture<RunningDeviceDaemon>
{
    private const int Guests = 100;

    [Fact]
    public void A_hundred_guests_come_and_go_three_times_over()
    {
        var images = Enumerable.Range(0, Guests / 10).Select(number => Image($"load{number}.img", 1)).ToArray();
        for (var round = 0; round < 3; round++)
        {
            var domains = new Domain[Guests];
            // Some at once: a host has many users.
            Parallel.For(0, Guests, new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = Cancellation }, number => domains[number] = CreateTiny($"load-{number}", draft =>
            {
                draft.Vifs = [Vif(number % 2 == 0 ? Bridge : OtherBridge)];
                if (number % 10 == 0) draft.Vbds = [FileDisk(images[number / 10])];
            }));
            var adapters = Host.Devices.ListNetworkAdapters(domains);
            Assert.Equal(Guests, adapters.Count);
            Assert.Equal(Guests, adapters.Select(adapter => adapter.MacAddress).Distinct().Count());
            Assert.All(adapters, adapter => Assert.True(Directory.Exists($"/sys/class/net/{adapter.InterfaceName}/brport"), $"{adapter.InterfaceName} is on no bridge"));
            Parallel.ForEach(domains, new ParallelOptions { MaxDegreeOfParallelism = 4, CancellationToken = Cancellation }, domain => Host.DestroyDomain(domain.Key));
            AssertNothingLeft();
        }
    }
}
