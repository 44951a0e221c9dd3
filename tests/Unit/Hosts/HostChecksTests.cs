using LightVM.Errors;
using LightVM.Hosts;

namespace LightVM.Unit.Hosts;

public sealed class HostChecksTests
{
    [Fact]
    public void Without_OpenSSL_only_TLS_is_missing_and_it_is_said_what_to_do()
    {
        var check = HostChecks.CheckTls(() => throw new LvmException(ErrorIds.TlsUnavailable, "there is no libssl"));

        Assert.Equal(("TLS", HostCheckStatus.Warning), (check.Name, check.Status));
        Assert.Contains("there is no libssl", check.Detail, StringComparison.Ordinal);
        Assert.Equal(ErrorCatalog.Get(ErrorIds.TlsUnavailable).Remedy, check.Remedy);
    }

    [Fact]
    public void Without_a_noxs_backend_only_its_guests_are_missing_and_it_is_said_what_to_do()
    {
        var check = HostChecks.CheckNoxs(isThere: false);

        Assert.Equal(HostCheckStatus.Warning, check.Status);
        Assert.Contains("noxsd", check.Remedy, StringComparison.Ordinal);
        Assert.Equal(HostCheckStatus.Passed, HostChecks.CheckNoxs(isThere: true).Status);
    }

    [Fact]
    public void With_OpenSSL_it_is_named() => Assert.Equal(("libssl.so.3, for moves to and from other hosts", HostCheckStatus.Passed), (HostChecks.CheckTls(() => "libssl.so.3").Detail, HostChecks.CheckTls(() => "libssl.so.3").Status));
}
