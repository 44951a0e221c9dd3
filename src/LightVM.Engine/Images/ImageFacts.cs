using LightVM.Devices;

namespace LightVM.Images;

/// <summary>What an image tells of how it came to be.</summary>
/// <param name="SavedTime">When the domain was saved.</param>
/// <param name="XenVersion">The Xen that it ran on, "4.17.4"; null when that is not known.</param>
/// <param name="HostName">The host that it ran on; null when that is nobody's business.</param>
public sealed record ImageFacts(DateTimeOffset SavedTime, string? XenVersion = null, string? HostName = null)
{
    /// <summary>The devices that the guest had in use; null when that is not known.</summary>
    public IReadOnlyList<DeviceId>? DevicesInUse { get; init; }
}
