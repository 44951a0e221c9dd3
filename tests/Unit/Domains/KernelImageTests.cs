using FsCheck;
using FsCheck.Fluent;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Simulation;

namespace LightVM.Unit.Domains;

public sealed class KernelImageTests
{
    private static readonly byte[] Elf = SimulatedKernel.Create();

    [Fact]
    public void An_ELF_image_tells_its_width_its_entries_and_its_size()
    {
        var kernel = KernelImage.Inspect(Elf, "k");

        Assert.Equal((KernelFormat.Elf, 64, true, true), (kernel.Format, kernel.AddressSize, kernel.HasPvEntry, kernel.HasPvhEntry));
        Assert.Equal(Elf.Length * 2, kernel.LoadedSize);
    }

    [Theory]
    [InlineData(new byte[] { 0x1f, 0x8b, 8, 0 })]
    [InlineData(new byte[] { (byte)'B', (byte)'Z', (byte)'h', (byte)'9' })]
    [InlineData(new byte[] { 0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, 0 })]
    [InlineData(new byte[] { 0x5d, 0, 0, 0 })]
    [InlineData(new byte[] { 0x02, 0x21, 0x4c, 0x18 })]
    [InlineData(new byte[] { 0x28, 0xb5, 0x2f, 0xfd })]
    public void A_packed_image_is_known_by_its_first_bytes(byte[] image) => Assert.Equal(KernelFormat.Compressed, KernelImage.Inspect(image, "k").Format);

    [Fact]
    public void A_bzImage_is_known_by_its_boot_sector()
    {
        var image = new byte[1024];
        (image[0x1fe], image[0x1ff]) = (0x55, 0xaa);
        "HdrS"u8.CopyTo(image.AsSpan(0x202));

        Assert.Equal(KernelFormat.BzImage, KernelImage.Inspect(image, "k").Format);
    }

    [Fact]
    public void An_ELF_image_without_Xen_notes_is_refused()
    {
        var image = (byte[])Elf.Clone();
        image[524] = (byte)'G';
        image[548] = (byte)'G';

        AssertInvalid(image, "no Xen ELF notes");
    }

    [Fact]
    public void An_ELF_image_for_another_machine_is_refused()
    {
        var image = (byte[])Elf.Clone();
        image[18] = 183; // AArch64

        AssertInvalid(image, "another machine");
    }

    [Fact]
    public void A_guest_type_that_the_image_has_no_entry_for_is_refused()
    {
        var pvOnly = (byte[])Elf.Clone();
        pvOnly[512 + 24 + 8] = 3;

        var error = Assert.Throws<LvmException>(() => KernelImage.Inspect(pvOnly, "k").CheckFits(GuestType.PVH, 64, 4, 0, "k"));
        Assert.Equal(ErrorIds.KernelInvalid, error.ErrorId);
        Assert.Contains("PVH", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_of_another_width_than_the_domain_is_refused() =>
        Assert.Equal(ErrorIds.KernelInvalid, Assert.Throws<LvmException>(() => KernelImage.Inspect(Elf, "k").CheckFits(GuestType.PV, 32, 4, 0, "k")).ErrorId);

    [Fact]
    public void Kernel_and_ramdisk_together_have_to_fit()
    {
        var kernel = KernelImage.Inspect(Elf, "k");

        kernel.CheckFits(GuestType.PV, 64, 4, (4 << 20) - (2 * Elf.Length), "k");
        Assert.Equal(ErrorIds.MemoryTooSmall, Assert.Throws<LvmException>(() => kernel.CheckFits(GuestType.PV, 64, 4, (4 << 20) - (2 * Elf.Length) + 1, "k")).ErrorId);
    }

    [Fact]
    public void No_file_however_damaged_does_more_than_be_refused()
    {
        var damaged =
            from length in Gen.Choose(0, Elf.Length)
            from changes in Gen.ListOf(Gen.Zip(Gen.Choose(0, Elf.Length - 1), Gen.Choose(0, 255)), 8)
            select Damage(length, changes);
        Prop.ForAll(damaged.ToArbitrary(), OnlyRefuses).Check(Config.QuickThrowOnFailure.WithMaxTest(20_000).WithQuietOnSuccess(true));
        Prop.ForAll<byte[]>(OnlyRefuses).Check(Config.QuickThrowOnFailure.WithMaxTest(2_000).WithQuietOnSuccess(true));
    }

    private static byte[] Damage(int length, IEnumerable<(int At, int Value)> changes)
    {
        var image = (byte[])Elf.Clone();
        // Where it matters: most of the file is zeros that nobody reads.
        foreach (var (at, value) in changes) image[at % 3 == 0 ? at : at % 200] = (byte)value;
        return image[..length];
    }

    private static bool OnlyRefuses(byte[] image)
    {
        try
        {
            KernelImage.Inspect(image, "k");
            return true;
        }
        catch (LvmException error)
        {
            return error.ErrorId == ErrorIds.KernelInvalid;
        }
    }

    private static void AssertInvalid(byte[] image, string why)
    {
        var error = Assert.Throws<LvmException>(() => KernelImage.Inspect(image, "k"));
        Assert.Equal(ErrorIds.KernelInvalid, error.ErrorId);
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
    }
}
