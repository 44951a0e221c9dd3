using System.Text;
using FsCheck;
using FsCheck.Fluent;
using LightVM.Images;

namespace LightVM.Unit.Images;

public sealed class XxHash64Tests
{
    /// <summary>Vectors of the xxHash project (its sanity check, seed 0) and of others who implement it.</summary>
    [Theory]
    [InlineData("", 0xef46db3751d8e999)]
    [InlineData("a", 0xd24ec4f1a98c6e5b)]
    [InlineData("as", 0x1c330fb2d66be179)]
    [InlineData("asd", 0x631c37ce72a97393)]
    [InlineData("asdf", 0x415872f599cea71e)]
    [InlineData("abc", 0x44bc2cf5ad770999)]
    [InlineData("Call me Ishmael. Some years ago--never mind how long precisely-", 0x02a2e85470d6fd96)]
    public void Texts_have_their_published_checksums(string text, ulong expected) => Assert.Equal(expected, XxHash64.Of(Encoding.ASCII.GetBytes(text)));

    [Theory]
    [InlineData(0, 0xEF46DB3751D8E999)]
    [InlineData(1, 0xE934A84ADB052768)]
    [InlineData(4, 0x9136A0DCA57457EE)]
    [InlineData(14, 0x8282DCC4994E35C8)]
    [InlineData(222, 0xB641AE8CB691C174)]
    public void The_sanity_check_of_the_xxHash_project_passes(int length, ulong expected) => Assert.Equal(expected, XxHash64.Of(SanityBuffer(length)));

    [Fact]
    public void It_makes_no_difference_how_bytes_are_cut_into_pieces()
    {
        var pieces = Gen.ListOf(Gen.Choose(0, 100).SelectMany(length => Gen.ArrayOf(Gen.Choose(0, 255).Select(value => (byte)value), length)));
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll(pieces.ToArbitrary(), list =>
        {
            var hash = new XxHash64();
            foreach (var piece in list)
            {
                hash.Append(piece);
                _ = hash.Value;
            }

            return hash.Value == XxHash64.Of(list.SelectMany(piece => piece).ToArray());
        }));
    }

    [Fact]
    public void Any_change_of_a_single_bit_is_seen()
    {
        var bytes = SanityBuffer(333);
        var sum = XxHash64.Of(bytes);
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << bit % 8);
            Assert.NotEqual(sum, XxHash64.Of(bytes));
            bytes[bit / 8] ^= (byte)(1 << bit % 8);
        }
    }

    private static byte[] SanityBuffer(int length)
    {
        var buffer = new byte[length];
        ulong generator = 2654435761;
        for (var i = 0; i < length; i++, generator = unchecked(generator * 11400714785074694797)) buffer[i] = (byte)(generator >> 56);
        return buffer;
    }
}
