using System.Collections.Concurrent;
using System.Net;
using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Noxs;

/// <summary>Hears of guests' addresses on the wire alone: what a guest without a store has to say, it says there.</summary>
internal sealed class NoxsAddressWatch : IAddressWatch
{
    private readonly IDomainWatch _ends;
    private readonly AddressProbe _probe;
    private readonly ConcurrentDictionary<DomainKey, GuestAddress> _addresses = [];
    private readonly object _lock = new();
    private CancellationTokenSource? _waiting;
    private bool _heard;

    /// <param name="ends">Tells of ends of domains; it becomes this one's.</param>
    public NoxsAddressWatch(IDomainWatch ends, IReadOnlyCollection<DomainKey> domains, ILookup<uint, DeviceStatus> interfaces)
    {
        _ends = ends;
        var owners = new Dictionary<ProbedInterface, DomainKey>(ReferenceEqualityComparer.Instance);
        foreach (var domain in domains)
        {
            foreach (var status in interfaces[domain.Id])
            {
                var network = ((NetworkDevice)status.Device).Config;
                var hint = IPAddress.TryParse(network.Ip, out var address) && ArpFrame.IsUsable(address) ? address : null;
                if (status.Backend is { } name && network.Mac is { } mac) owners.Add(new ProbedInterface(name, mac, hint), domain);
            }
        }

        try
        {
            _probe = new AddressProbe(owners.Keys, (probed, address) => Hear(owners[probed], new GuestAddress(probed.GuestMac, address)));
        }
        catch
        {
            ends.Dispose();
            throw;
        }
    }

    public GuestAddress? Find(DomainKey domain) => _addresses.GetValueOrDefault(domain);

    public bool Wait(TimeSpan timeout, CancellationToken cancellation)
    {
        using var wake = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        lock (_lock)
        {
            if (_heard)
            {
                _heard = false;
                return true;
            }

            _waiting = wake;
        }

        try
        {
            return _ends.Wait(timeout, wake.Token);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return true;
        }
        finally
        {
            lock (_lock)
            {
                _waiting = null;
                _heard = false;
            }
        }
    }

    public void Dispose()
    {
        _probe.Dispose();
        _ends.Dispose();
    }

    private void Hear(DomainKey domain, GuestAddress address)
    {
        if (!_addresses.TryAdd(domain, address)) return;
        lock (_lock)
        {
            _heard = true;
            _waiting?.Cancel();
        }
    }
}
