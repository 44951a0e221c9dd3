using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Linux;

namespace LightVM.Xen;

/// <summary>
/// Hears of guests' addresses on the wire, and from the agents of XenServer and XCP-ng (xe-guest-utilities), which write them below
/// ~/attr: vif/0/ipv4/0, or eth0/ip before version 7.
/// </summary>
internal sealed class XenstoreAddressWatch : IAddressWatch
{
    private readonly XenstorePipeline _pipeline;
    private readonly AddressProbe _probe;
    private readonly Dictionary<DomainKey, (string Path, string Mac)[]> _told;
    private readonly ConcurrentDictionary<DomainKey, GuestAddress> _addresses = [];
    private readonly object _lock = new();
    private CancellationTokenSource? _waiting;
    private bool _heard;

    /// <param name="pipeline">A connection to itself, which it owns.</param>
    /// <param name="interfaces">The interfaces of the domains.</param>
    public XenstoreAddressWatch(XenstorePipeline pipeline, IReadOnlyCollection<DomainKey> domains, ILookup<uint, DeviceStatus> interfaces)
    {
        _pipeline = pipeline;
        try
        {
            _told = domains.ToDictionary(domain => domain, domain => interfaces[domain.Id].SelectMany(Told).ToArray());
            pipeline.Watch("@releaseDomain", "ends");
            foreach (var domain in domains) pipeline.Watch($"{XenstoreDeviceNodes.Root(domain.Id)}/attr", "addresses");
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

            _probe = new AddressProbe(owners.Keys, (probed, address) => Hear(owners[probed], new GuestAddress(probed.GuestMac, address)));
        }
        catch
        {
            pipeline.Dispose();
            throw;
        }

        IEnumerable<(string, string)> Told(DeviceStatus status)
        {
            var attributes = $"{XenstoreDeviceNodes.Root(status.DomainId)}/attr";
            var id = status.Device.Id.ToString(CultureInfo.InvariantCulture);
            var mac = ((NetworkDevice)status.Device).Config.Mac ?? "";
            return [($"{attributes}/vif/{id}/ipv4/0", mac), ($"{attributes}/eth{id}/ip", mac)];
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
            if (!_pipeline.WaitForEvent(timeout, wake.Token)) return false;
            _pipeline.TakeEvents();
            ReadTold();
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // Something was heard.
        }
        finally
        {
            lock (_lock)
            {
                _waiting = null;
                _heard = false;
            }
        }

        return true;
    }

    public void Dispose()
    {
        _probe.Dispose();
        _pipeline.Dispose();
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

    private void ReadTold()
    {
        foreach (var (domain, nodes) in _told)
        {
            if (nodes.Length == 0 || _addresses.ContainsKey(domain)) continue;
            var values = _pipeline.Read(Array.ConvertAll(nodes, node => node.Path));
            for (var i = 0; i < nodes.Length; i++)
            {
                // The guest wrote it: it may be anything.
                if (values[i] is { Length: <= 15 } text && text.Count(letter => letter == '.') == 3 && IPAddress.TryParse(text, out var address) && ArpFrame.IsUsable(address))
                    _addresses.TryAdd(domain, new GuestAddress(nodes[i].Mac, address));
            }
        }
    }
}
