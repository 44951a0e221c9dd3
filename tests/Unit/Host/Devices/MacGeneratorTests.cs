using FsCheck;
using FsCheck.Fluent;
using LightVM.Configuration;
using LightVM.Host.Devices;

namespace LightVM.Unit.Host.Devices;

public sealed class MacGeneratorTests
{
    [Fact]
    public void Every_address_is_in_the_lower_half_of_Xens_range_and_the_same_each_time() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll((Guid domain, int id, int attempt) =>
        {
            var mac = MacGenerator.Make(domain, id, attempt);
            return MacAddress.TryParse(mac, out var address, out _) && address == mac
                && mac.StartsWith("00:16:3e:", StringComparison.Ordinal)
                && Convert.ToByte(mac[9..11], 16) < 0x80
                && mac == MacGenerator.Make(domain, id, attempt);
        }));

    [Fact]
    public void It_depends_on_the_domain_the_interface_and_the_attempt()
    {
        var domain = Guid.NewGuid();

        Assert.Equal(4, new HashSet<string>
        {
            MacGenerator.Make(domain, 0, 0), MacGenerator.Make(domain, 1, 0), MacGenerator.Make(domain, 0, 1), MacGenerator.Make(Guid.NewGuid(), 0, 0),
        }.Count);
    }

    [Fact] // what a domain had on one host it has on the next, whatever its byte order
    public void An_address_never_changes_between_versions() =>
        Assert.Equal("00:16:3e:77:f5:f0", MacGenerator.Make(Guid.Parse("11111111-2222-3333-4444-555555555555"), 0, 0));
}
