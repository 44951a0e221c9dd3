namespace LightVM.Configuration;

/// <summary>One network interface (vif) of a domain.</summary>
/// <param name="Ip">The guest's address, IPv4 ("10.0.0.2") or IPv6: a hint, published for whoever looks for it; null when there is none.</param>
/// <param name="Mac">
/// The guest's hardware address, unicast, six bytes in hexadecimal. A <see cref="DomainConfig"/> holds it in lower case with
/// leading zeros ("00:16:3e:00:00:01"); a draft may leave the zeros out, as Chaos does. Null: one is made up at creation.
/// </param>
/// <param name="Bridge">The bridge to join, the name of a Linux interface (at most 15 bytes); null for none.</param>
/// <param name="Rate">
/// The most that the guest may send, as xl.cfg has it: "10Mb/s", "250KB/s@20ms" (see <see cref="RateLimit"/>); null for no limit. A
/// <see cref="DomainConfig"/> holds the shortest text of the limit ("1Mb/s" for "1000Kb/s").
/// </param>
/// <param name="QueueCount">How many queues the guest may use, 1 to 64; null for as many as the backend offers.</param>
/// <param name="Trusted">Whether the guest trusts its backend; one that does not copies all data through buffers of its own (XSA-403).</param>
/// <param name="DeviceId">
/// Its number among the guest's interfaces, 0 to 255; null for its place in <see cref="DomainConfig.Vifs"/>, and a <see cref="DomainConfig"/>
/// holds null where the two are the same. A guest that was saved looks for its interfaces under the numbers that they had.
/// </param>
/// <remarks>
/// Chaos writes what was not given as "0.0.0.0" and "0:0:0:0:0:0". Neither can be anybody's address, so a
/// <see cref="DomainConfig"/> holds null for them.
/// </remarks>
public sealed record NetworkConfig(string? Ip, string? Mac, string? Bridge, string? Rate = null, int? QueueCount = null, bool Trusted = true, int? DeviceId = null);
