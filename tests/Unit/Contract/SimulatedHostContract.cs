using LightVM.Contract;
using LightVM.Simulation;

namespace LightVM.Unit.Contract;

/// <summary>The contract, kept by the simulated host.</summary>
public sealed class SimulatedHostContract() : HostContract(new SimulatedContractHost(new SimulatedMachine(new SimulatedHostOptions())));

/// <summary>The contract of devices, kept by the simulated host.</summary>
public sealed class SimulatedDeviceContract() : DeviceContract(new SimulatedContractHost(new SimulatedMachine(new SimulatedHostOptions())));

/// <summary>The contract of domains' ends, kept by the simulated host.</summary>
public sealed class SimulatedLifecycleContract() : LifecycleContract(new SimulatedContractHost(new SimulatedMachine(new SimulatedHostOptions())));

internal sealed class SimulatedContractHost : ContractHost
{
    private readonly SimulatedMachine _machine;

    public SimulatedContractHost(SimulatedMachine machine)
        : base(new SimulatedHypervisor(machine), new SimulatedDirectory(machine), new SimulatedDeviceBus(machine))
    {
        _machine = machine;
        Kernel = WriteFile("tiny.elf", SimulatedKernel.Create());
    }

    public override string Kernel { get; }

    public override bool UnpacksKernels => false;

    public override string DescribeTraces() => $"domains: {string.Join(", ", _machine.Domains.Select(domain => domain.Key))}; free: {_machine.FreeMemoryKiB} KiB";
}
