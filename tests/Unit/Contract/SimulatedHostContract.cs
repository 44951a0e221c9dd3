using LightVM.Configuration;
using LightVM.Contract;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hosts;
using LightVM.Simulation;

namespace LightVM.Unit.Contract;

/// <summary>The contract, kept by the simulated host.</summary>
public sealed class SimulatedHostContract() : HostContract(new SimulatedContractHost(new SimulatedMachine(new SimulatedHostOptions())));

/// <summary>The contract of devices, kept by the simulated host.</summary>
public sealed class SimulatedDeviceContract() : DeviceContract(new SimulatedContractHost(new SimulatedMachine(new SimulatedHostOptions())));

/// <summary>The contract of saving and restoring, kept by the simulated host.</summary>
public sealed class SimulatedSaveContract() : SaveContract(new SimulatedContractHost(new SimulatedMachine(new SimulatedHostOptions())));

/// <summary>The contract of pools, kept by the simulated host.</summary>
public sealed class SimulatedPoolContract() : PoolContract(new SimulatedContractHost(new SimulatedMachine(new SimulatedHostOptions())))
{
    protected override LvmHost OpenOther() => ((SimulatedContractHost)Contract).OpenOther();
}

/// <summary>The contract of domains' ends, kept by the simulated host.</summary>
public sealed class SimulatedLifecycleContract() : LifecycleContract(new SimulatedContractHost(new SimulatedMachine(new SimulatedHostOptions())))
{
    /// <summary>On Xen it takes a guest with a network driver: the lab's Linux guests.</summary>
    [Fact]
    public void A_guest_has_the_address_that_its_configuration_expects_as_soon_as_it_runs()
    {
        var domain = Create(draft =>
        {
            draft.Paused = true;
            draft.Vifs = [new NetworkConfig(null, null, null), new NetworkConfig("10.0.0.7", "00:16:3e:00:00:07", null)];
        });

        AssertFails(ErrorIds.WaitTimeout, () => Host.Lifecycle.WaitFor(domain.Key, DomainCondition.Address, TimeSpan.FromMilliseconds(50), Cancellation));
        Host.UnpauseDomain(domain.Key);
        var outcome = Host.Lifecycle.WaitFor([domain.Key], DomainCondition.Address, Timeout.InfiniteTimeSpan, Cancellation).Single();
        Assert.Equal((domain.Key, "00:16:3e:00:00:07", "10.0.0.7"), (outcome.Require()!.Key, outcome.Address!.MacAddress, outcome.Address.ToString()));
    }
}

/// <summary>The contract of devices without a store, kept by the simulated host.</summary>
public sealed class SimulatedNoxsDeviceContract() : NoxsDeviceContract(LvmHost.OpenSimulated(), SimulatedKernel.Path);

internal sealed class SimulatedContractHost : ContractHost
{
    private readonly SimulatedMachine _machine;

    public SimulatedContractHost(SimulatedMachine machine)
        : base(new SimulatedHypervisor(machine), new SimulatedDirectory(machine), new SimulatedDeviceBus(machine))
    {
        _machine = machine;
        Kernel = WriteFile("tiny.elf", SimulatedKernel.Create());
    }

    /// <summary>Another host over the same machine.</summary>
    public LvmHost OpenOther() => new(new SimulatedHypervisor(_machine), new UnownedDirectory(Directory), new UnownedBus(Bus));

    public override string Kernel { get; }

    public override bool UnpacksKernels => false;

    public override string DescribeTraces() => $"domains: {string.Join(", ", _machine.Domains.Select(domain => domain.Key))}; free: {_machine.FreeMemoryKiB} KiB";
}
