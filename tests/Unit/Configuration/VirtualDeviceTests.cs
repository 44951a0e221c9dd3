using LightVM.Configuration;

namespace LightVM.Unit.Configuration;

public class VirtualDeviceTests
{
    /// <summary>Names and the numbers that xen-vbd-interface(7) gives them, worked out by hand from its table.</summary>
    public static readonly TheoryData<string, int> Canonical = new()
    {
        { "xvda", 51712 },
        { "xvda1", 51713 },
        { "xvda15", 51727 },
        { "xvda16", 268435472 },
        { "xvdb", 51728 },
        { "xvdp", 51952 },
        { "xvdp15", 51967 },
        { "xvdq", 268439552 },
        { "xvdq1", 268439553 },
        { "xvdz", 268441856 },
        { "xvdaa", 268442112 },
        { "xvdab", 268442368 },
        { "xvdaz", 268448512 },
        { "xvdba", 268448768 },
        { "xvdzz", 268435456 + 701 * 256 },
        { "xvdaaa", 268435456 + 702 * 256 },
        { "xvda255", 268435711 },
        { "xvdbgqcv", 268435456 + 1048575 * 256 },
        { "xvdbgqcv255", 536870911 },
        { "hda", 768 },
        { "hda1", 769 },
        { "hda63", 831 },
        { "hdb", 832 },
        { "hdc", 5632 },
        { "hdd", 5696 },
        { "hdd63", 5759 },
        { "sda", 2048 },
        { "sda1", 2049 },
        { "sdb", 2064 },
        { "sdp", 2288 },
        { "sdp15", 2303 },
    };

    public static readonly TheoryData<string, string> Refused = new()
    {
        { "", "must be" },
        { "xvd", "must be" },
        { "xvd1", "must be" },
        { "xvdA", "must be" },
        { "XVDA", "must be" },
        { "xvda0", "must be" },
        { "xvda01", "must be" },
        { "xvda-1", "must be" },
        { "xvda 1", "must be" },
        { "xvda1 ", "must be" },
        { "xvda1x", "must be" },
        { "xvda١", "must be" },
        { "/dev/xvda", "must be" },
        { "vda", "must be" },
        { "51712", "must be" },
        { "d", "must be" },
        { "d0", "must be" },
        { "d0p", "must be" },
        { "dp0", "must be" },
        { "d00p0", "must be" },
        { "d0p01", "must be" },
        { "d0x0", "must be" },
        { "d0p0p0", "must be" },
        { "d-1p0", "must be" },
        { "hd", "must be" },
        { "hde", "past the last one, hdd" },
        { "hdaa", "past the last one, hdd" },
        { "hda64", "past the last one, 63" },
        { "sdq", "past the last one, sdp" },
        { "sda16", "past the last one, 15" },
        { "xvda256", "past the last one, 255" },
        { "xvda99999999999", "past the last one, 255" },
        { "xvdbgqcw", "past the last one, xvdbgqcv" },
        { "xvdzzzzzzzzzzzzzzzzzzzz", "past the last one, xvdbgqcv" },
        { "d1048576p0", "past the last one, xvdbgqcv" },
        { "d99999999999p0", "past the last one, xvdbgqcv" },
        { "d0p256", "past the last one, 255" },
    };

    [Theory]
    [MemberData(nameof(Canonical))]
    public void A_name_has_the_number_of_the_interface_manual(string name, int id)
    {
        Assert.True(VirtualDevice.TryParse(name, out var actual, out var why), why);
        Assert.Equal(id, actual);
        Assert.Null(why);
    }

    [Theory]
    [MemberData(nameof(Canonical))]
    public void A_number_leads_back_to_its_name(string name, int id) => Assert.Equal(name, VirtualDevice.NameOf(id));

    [Theory]
    [InlineData("d0p0", "xvda")]
    [InlineData("d0p1", "xvda1")]
    [InlineData("d15p15", "xvdp15")]
    [InlineData("d16p0", "xvdq")]
    [InlineData("d16p16", "xvdq16")]
    [InlineData("d26p0", "xvdaa")]
    [InlineData("d1048575p255", "xvdbgqcv255")]
    public void Disk_and_partition_numbers_are_another_spelling_of_xvd(string numbers, string letters)
    {
        Assert.True(VirtualDevice.TryParse(numbers, out var id, out _));
        Assert.True(VirtualDevice.TryParse(letters, out var same, out _));
        Assert.Equal(same, id);
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void A_name_outside_the_table_is_refused_with_the_reason(string name, string reason)
    {
        Assert.False(VirtualDevice.TryParse(name, out var id, out var why));
        Assert.Equal(0, id);
        Assert.Contains(reason, why, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    [InlineData(int.MaxValue)]
    [InlineData(1 << 28)] // The extended form of xvda, which is 51712.
    [InlineData((1 << 28) | (15 << 8) | 15)]
    [InlineData(1 << 29)]
    [InlineData((3 << 8) | 128)]
    [InlineData((22 << 8) | 128)]
    [InlineData(253 << 8)]
    public void A_number_that_no_name_has_leads_nowhere(int id) => Assert.Null(VirtualDevice.NameOf(id));

    [Fact]
    public void Every_small_number_with_a_name_is_the_number_of_that_name()
    {
        for (var id = 0; id < 1 << 16; id++)
        {
            if (VirtualDevice.NameOf(id) is not { } name) continue;
            Assert.True(VirtualDevice.TryParse(name, out var same, out _));
            Assert.Equal(id, same);
        }
    }
}
