using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Domains;

/// <summary>What came of one domain among several that something was done to at once.</summary>
/// <param name="Key">The domain that was meant.</param>
/// <param name="Domain">What there is of it now; null where nothing is left of it, or where it failed.</param>
/// <param name="Error">Why it failed; null when it did not.</param>
public sealed record DomainOutcome(DomainKey Key, Domain? Domain, LvmException? Error = null)
{
    /// <summary>The address that was waited for.</summary>
    public DomainAddress? Address { get; init; }

    /// <summary>The line of the console that was waited for.</summary>
    public string? Line { get; init; }

    /// <summary>What there is of the domain. Errors: what it failed with.</summary>
    public Domain? Require() => Error is null ? Domain : throw Error;
}
