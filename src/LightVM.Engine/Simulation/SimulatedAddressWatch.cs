using System.Net;
using LightVM.Devices;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Simulation;

/// <summary>Simulated guests have the addresses that their configurations expect of them, as soon as they run.</summary>
internal sealed class SimulatedAddressWatch(SimulatedMachine machine) : IAddressWatch
{
    private readonly SimulatedWatch _watch = new(machine);

    public GuestAddress? Find(DomainKey domain)
    {
        lock (machine.Lock)
        {
            if (machine.Find(domain.Id) is not { State: DomainState.Running or DomainState.Blocked } guest || guest.Key != domain) return null;
            foreach (var network in guest.Devices.OfType<NetworkDevice>().OrderBy(network => network.Id))
            {
                if (IPAddress.TryParse(network.Config.Ip, out var address) && ArpFrame.IsUsable(address)) return new GuestAddress(network.Config.Mac ?? "", address);
            }
        }

        return null;
    }

    public bool Wait(TimeSpan timeout, CancellationToken cancellation) => _watch.Wait(timeout, cancellation);

    public void Dispose() => _watch.Dispose();
}
