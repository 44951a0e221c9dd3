using System.Net;

namespace LightVM.Domains;

/// <summary>An address of a guest.</summary>
/// <param name="Domain">The domain, as it was when the address was found.</param>
/// <param name="MacAddress">The interface that has it.</param>
/// <param name="IPAddress">The address, IPv4.</param>
public sealed record DomainAddress(Domain Domain, string MacAddress, IPAddress IPAddress)
{
    public string DomainName => Domain.Name;

    public uint DomainId => Domain.Id;

    public override string ToString() => $"{IPAddress}";
}
