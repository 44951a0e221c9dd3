using LightVM.Contract;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Migration;

namespace LightVM.Unit.Migration;

/// <summary>The parts of a move by themselves: when copying ends, how fast it is, what a CPU lacks, and how a target is written.</summary>
public sealed class MovePartTests
{
    private const int PageSize = 4096;

    /// <summary>A guest that changes a tenth of what was sent gets copied until the rest is short.</summary>
    [Fact]
    public void Copying_ends_when_the_rest_is_short()
    {
        var (time, sent, pages) = (new ManualTime(), 0L, 100_000L);
        var heard = new List<MoveProgress>();
        var copy = new PreCopy(true, new MoveOptions(), pages, () => sent, () => { }, () => { }, heard.Add, time);
        var dirty = pages;
        var round = 0;
        while (copy.Decide(new SaveProgress(round, sent / PageSize, dirty)) == SaveDecision.NextRound)
        {
            sent += dirty * PageSize;
            time.Advance(TimeSpan.FromSeconds(dirty / 10_000.0)); // 10,000 pages a second
            dirty /= 10;
            round++;
        }

        // 10,000 pages would take a second, 1,000 a tenth, 100 a hundredth.
        Assert.Equal((3, 100L), (round, dirty));
        Assert.Equal(3, copy.Rounds);
        Assert.Equal(MovePhase.Stopping, heard[^1].Phase);
        Assert.Equal(10, heard[^1].EstimatedDowntime!.Value.TotalMilliseconds, 0.5);
        Assert.Equal(10_000L * PageSize, heard[^1].BytesPerSecond);
    }

    [Fact]
    public void A_guest_that_writes_faster_than_it_is_copied_is_stopped_unless_that_takes_too_long()
    {
        Assert.Equal(2, Rounds(new MoveOptions()));
        Assert.Equal(1, Rounds(new MoveOptions { MaximumRounds = 1 }));
        Assert.Equal(1, Rounds(new MoveOptions { MaximumDowntime = TimeSpan.FromSeconds(11) })); // all of it takes 10 s
        var error = Assert.Throws<LvmException>(() => Rounds(new MoveOptions { MaximumDowntime = TimeSpan.FromSeconds(1) }));
        Assert.Equal(ErrorIds.DowntimeTooLong, error.ErrorId);
        Assert.Contains("1000 ms", error.Problem, StringComparison.Ordinal);

        static int Rounds(MoveOptions options)
        {
            var (time, sent) = (new ManualTime(), 0L);
            var copy = new PreCopy(true, options, 100_000, () => sent, () => { }, () => { }, null, time);
            var round = 0;
            while (copy.Decide(new SaveProgress(round, 0, 100_000)) == SaveDecision.NextRound)
            {
                sent += 100_000L * PageSize;
                time.Advance(TimeSpan.FromSeconds(10));
                round++;
                Assert.True(round < 100);
            }

            return round;
        }
    }

    [Fact]
    public void Before_it_is_counted_what_was_changed_nothing_is_decided()
    {
        var copy = new PreCopy(true, new MoveOptions { MaximumRounds = 0 }, 10, () => 0, () => { }, () => { }, null, new ManualTime());
        Assert.Equal(SaveDecision.NextRound, copy.Decide(new SaveProgress(5, 10, null)));
        Assert.Equal(SaveDecision.StopAndCopy, copy.Decide(new SaveProgress(5, 10, 10)));
    }

    [Fact]
    public void Not_more_passes_than_may()
    {
        var time = new ManualTime();
        var bandwidth = new Bandwidth(1_000_000, time);
        var waited = TimeSpan.Zero;
        for (var n = 0; n < 100; n++)
        {
            var delay = bandwidth.Take(100_000);
            waited += delay;
            time.Advance(delay);
        }

        Assert.Equal(10, waited.TotalSeconds, 0.1);
        time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(TimeSpan.Zero, bandwidth.Take(50_000)); // a pause is no reason for a flood
        Assert.True(bandwidth.Take(100_000) > TimeSpan.FromMilliseconds(90));
    }

    [Fact]
    public void A_lacking_feature_is_called_by_its_name()
    {
        CpuidLeaf[] guest = [new(1, uint.MaxValue, 1, 2, 1u << 31 | 1 << 28 | 1 << 27, 1 << 9), new(7, 0, 1, 1 << 5, 0, 0), new(7, 1, 1 << 2, 0, 0, 0)];
        Assert.Equal(["AVX", "AVX2", "CPUID.7.1:EAX[2]"], CpuFeatures.Missing(guest, []));
        Assert.Equal(["AVX2"], CpuFeatures.Missing(guest, [guest[0], guest[2]]));
        Assert.Empty(CpuFeatures.Missing(guest, guest));
        Assert.Empty(CpuFeatures.Missing([], guest));
    }

    [Theory]
    [InlineData("there", "tls://there")]
    [InlineData("tls://there:99?peer=b", "tls://there:99?peer=b")]
    [InlineData("SSH://root@there", "ssh://root@there")]
    [InlineData("plain://10.0.0.2:7?insecure", "plain://10.0.0.2:7?insecure")]
    [InlineData("fe80::1", "tls://fe80::1")]
    [InlineData("[fe80::1]:7", "tls://[fe80::1]:7")]
    public void A_target_is_written_as_it_is_read(string text, string written)
    {
        var target = MigrationTarget.Parse(text);
        Assert.Equal(written, target.ToString());
        Assert.Equal(target, MigrationTarget.Parse(written));
    }

    [Theory]
    [InlineData("")]
    [InlineData("ftp://there")]
    [InlineData("1://there")]
    [InlineData("there:0")]
    [InlineData("there:65536")]
    [InlineData("there:x")]
    [InlineData("tls://?peer=b")]
    [InlineData("there?secure")]
    public void What_names_no_target_is_refused(string text) => Assert.Equal(ErrorIds.HostNameInvalid, Assert.Throws<LvmException>(() => MigrationTarget.Parse(text)).ErrorId);
}
