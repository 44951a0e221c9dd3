using FsCheck;
using FsCheck.Fluent;
using LightVM.Consoles;

namespace LightVM.Unit.Consoles;

/// <summary>What holds of a spool whatever is written and read in whatever order.</summary>
public sealed class SpoolFileTests : IDisposable
{
    private const int Limit = 32768;
    private const int Grain = 4096;

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lightvm-spool-");

    private string Path => System.IO.Path.Combine(_folder.FullName, "spool");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Whatever_is_read_is_what_was_written_there_in_order_and_as_much_as_is_kept()
    {
        // A positive number appends so many bytes, a negative one reads so many.
        var steps = Gen.NonEmptyListOf(Gen.Choose(-12_000, 9_000).Where(step => step != 0)).ToArbitrary();
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), Prop.ForAll(steps, list =>
        {
            File.Delete(Path);
            using var spool = SpoolFile.Open(Path, Limit, Grain);
            Assert.True(spool.TryLock());
            long offset = 0;
            var buffer = new byte[12_000];
            foreach (var step in list)
            {
                if (step > 0)
                {
                    spool.Append(Content(spool.End, step));
                    continue;
                }

                var before = offset;
                var count = spool.Read(ref offset, buffer.AsSpan(0, -step));
                var start = offset - count;
                var isKept = spool.End - before <= Limit - Grain;
                if (isKept) Assert.Equal(Math.Min(-step, spool.End - before), count);
                Assert.True(isKept ? start == before : start >= before, $"read from {start} instead of {before}");
                Assert.True(Content(start, count).AsSpan().SequenceEqual(buffer.AsSpan(0, count)));
            }

            return Kept(spool) <= Limit && Kept(spool) >= Math.Min(spool.End, Limit - Grain);
        }));
    }

    [Fact]
    public void A_reader_never_takes_a_hole_for_text()
    {
        const int Total = 8 << 20;
        using var spool = SpoolFile.Open(Path, Limit, Grain);
        Assert.True(spool.TryLock());
        var writing = Task.Run(() =>
        {
            while (spool.End < Total) spool.Append(Content(spool.End, 3000));
        }, TestContext.Current.CancellationToken);
        long offset = 0;
        var buffer = new byte[20_000];
        while (offset < Total)
        {
            var count = spool.Read(ref offset, buffer);
            Assert.True(Content(offset - count, count).AsSpan().SequenceEqual(buffer.AsSpan(0, count)), $"before {offset}");
            Assert.False(writing.IsFaulted);
        }
    }

    [Fact]
    public void One_that_is_opened_again_goes_on_where_it_was()
    {
        using (var first = SpoolFile.Open(Path, Limit, Grain))
        {
            Assert.True(first.TryLock());
            while (first.End < 100_000) first.Append(Content(first.End, 1000));
        }

        using var second = SpoolFile.Open(Path, Limit, Grain);
        Assert.True(second.TryLock());
        Assert.Equal(100_000, second.End);
        while (second.End < 200_000) second.Append(Content(second.End, 1000));
        Assert.InRange(Kept(second), Limit - Grain, Limit);
    }

    [Fact]
    public void Its_removal_is_seen_by_those_who_have_it_open()
    {
        using var spool = SpoolFile.Open(Path);
        Assert.False(spool.IsRemoved);
        spool.Remove();

        Assert.True(spool.IsRemoved);
        Assert.False(File.Exists(Path));
        using var next = SpoolFile.Open(Path);
        spool.Remove();
        Assert.True(File.Exists(Path)); // which is another's
    }

    private static long Kept(SpoolFile spool)
    {
        long offset = 0;
        var buffer = new byte[1];
        var count = spool.Read(ref offset, buffer);
        return spool.End - offset + count;
    }

    /// <summary>Bytes that tell their place, none of them zero.</summary>
    private static byte[] Content(long start, int count)
    {
        var bytes = new byte[count];
        for (var i = 0; i < count; i++) bytes[i] = (byte)((start + i) % 251 + 1);
        return bytes;
    }
}
