using System.Net;
using LightVM.Hypervisor;

namespace LightVM.Devices;

/// <summary>Listens for the addresses of some guests, and for the ends of their domains, as long as it is not disposed. Used by one thread.</summary>
public interface IAddressWatch : IDomainWatch
{
    /// <summary>The first address that a guest was heard of with; null when there was none yet.</summary>
    GuestAddress? Find(DomainKey domain);
}

/// <summary>An address of a guest.</summary>
/// <param name="MacAddress">The interface that has it, "00:16:3e:00:00:01"; empty where that is not known.</param>
/// <param name="Address">IPv4.</param>
public sealed record GuestAddress(string MacAddress, IPAddress Address);
