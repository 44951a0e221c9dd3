using System.Net;
using LightVM.Devices;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Simulation;

/// <summary>Simulated guests have the addresses that their configurations expect of them, as soon as they run.</summary>
/// <param name="interfacesOf">Of guests without a store, which the machine does not know.</param>
internal sealed class SimulatedAddressWatch(SimulatedMachine machine, Func<DomainKey, IEnumerable<NetworkDevice>>? interfacesOf = null) : IAddressWatch
{
    private readonly SimulatedWatch _watch = new(machine);

    public GuestAddress? Find(DomainKey domain)
    {
        lock (machine.Lock)
        {
            if (machine.Find(domain.Id) is not { State: DomainState.Running or DomainState.Blocked } guest || guest.Key != domain) return null;
            foreach (var network in guest.Devices.OfType<NetworkDevice>().Concat(interfacesOf?.Invoke(domain) ?? []).OrderBy(network => network.Id))
            {
                if (IPAddress.TryParse(network.Config.Ip, out var address) && ArpFrame.IsUsable(address)) return new GuestAddress(network.Config.Mac ?? "", address);
            }
        }

        return null;
    }

    public bool Wait(TimeSpan timeout, CancellationToken cancellation) => _watch.Wait(timeout, cancellation);

    public void Dispose() => _watch.Dispose();
}
