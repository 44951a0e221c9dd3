using FsCheck;
using FsCheck.Fluent;
using LightVM.Errors;
using LightVM.Hypervisor;
using LightVM.Images;
using LightVM.Simulation;
using static LightVM.Unit.Images.StreamSample;

namespace LightVM.Unit.Images;

public sealed class MigrationStreamTests
{
    public static TheoryData<string> Samples => new(All.Keys);

    private static readonly Dictionary<string, StreamSample> All = new()
    {
        ["PV"] = Pv(),
        ["PV, 32 bits"] = Pv(addressSize: 32),
        ["PV, version 2"] = Pv(version: 2),
        ["PV, large"] = Pv(3000).Add(MigrationRecord.END, []),
        ["HVM"] = Hvm(),
        ["HVM, version 2"] = Hvm(version: 2),
    };

    [Fact]
    public void A_PV_stream_tells_what_is_in_it()
    {
        var stream = new MigrationStream();
        var bytes = Pv().ToArray();

        Assert.Equal(bytes.Length, stream.Feed(bytes));

        Assert.True(stream.IsComplete);
        stream.Finish();
        Assert.Equal((3, GuestType.PV, "4.17", 64, 5, 6), (stream.Version, stream.Type, stream.XenVersion, stream.AddressSize, stream.PageCount, stream.HighestPfn));
        Assert.Equal(Filled(72), stream.CpuidPolicy.ToArray());
        Assert.Equal(Filled(32), stream.MsrPolicy.ToArray());
        Assert.Equal(bytes.Length, stream.Length);
    }

    [Fact]
    public void Page_tables_may_name_what_the_guest_has_and_anything_that_is_not_present()
    {
        var stream = new MigrationStream();
        stream.Feed(PvWithP2m().AddTable(1, 3, 99UL << 12 | 0x8000_0000_0000_0067).AddTable(4, 511, 100UL << 12).AddTable(0, 0, 100UL << 12 | 1).AddTable(0xd, 0, 100UL << 12 | 1).AddPages(0, 5).ToArray());
        Assert.Equal(11, stream.PageCount);
        Assert.True(stream.IsBetweenRecords);
    }

    [Fact]
    public void An_HVM_stream_tells_what_is_in_it()
    {
        var stream = new MigrationStream();
        stream.Feed(Hvm(version: 2).ToArray());

        Assert.True(stream.IsComplete);
        Assert.Equal((2, GuestType.HVM, 0, 5), (stream.Version, stream.Type, stream.AddressSize, stream.PageCount));
        Assert.True(stream.CpuidPolicy.IsEmpty);
    }

    [Theory]
    [InlineData(GuestType.PV, 64)]
    [InlineData(GuestType.PV, 32)]
    [InlineData(GuestType.PVH, 64)]
    public void The_simulated_host_writes_sound_streams(GuestType type, int addressSize)
    {
        var stream = new MigrationStream();
        var bytes = SimulatedStream.Write(new SimulatedDomain(new DomainKey(1, Guid.NewGuid()), type) { AddressSize = addressSize });

        Assert.Equal(bytes.Length, stream.Feed(bytes));

        Assert.True(stream.IsComplete);
        Assert.Equal((type == GuestType.PV ? GuestType.PV : GuestType.HVM, type == GuestType.PV ? addressSize : 0, 1L), (stream.Type!.Value, stream.AddressSize, stream.PageCount));
        SimulatedStream.Read(new MemoryStream(bytes), type);
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public void It_stops_exactly_at_the_end(string name)
    {
        var sample = All[name];
        var end = Array.FindIndex([.. sample.Boundaries], at => IsEnd(sample, at));
        var stream = new MigrationStream();
        byte[] bytes = [.. sample.ToArray(), .. Filled(100)];

        Assert.Equal(sample.Boundaries[end] + 8, stream.Feed(bytes));
        Assert.Equal(0, stream.Feed(bytes));
        Assert.Equal(sample.Boundaries[end] + 8, stream.Length);
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public void It_makes_no_difference_how_bytes_arrive(string name)
    {
        var bytes = All[name].ToArray();
        var (whole, bytewise) = (new MigrationStream(), new MigrationStream());
        whole.Feed(bytes);
        for (var i = 0; !bytewise.IsComplete; i++) Assert.Equal(1, bytewise.Feed(bytes.AsSpan(i, 1)));
        Assert.Equal(Facts(whole), Facts(bytewise));

        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Gen.NonEmptyListOf(Gen.Choose(0, 5000)).ToArbitrary(), pieces =>
        {
            var stream = new MigrationStream();
            for (int at = 0, i = 0; !stream.IsComplete; i++) at += stream.Feed(bytes.AsSpan(at, Math.Min(i < pieces.Count ? pieces[i] : 77, bytes.Length - at)));
            return Facts(stream) == Facts(whole);
        }));
    }

    [Theory]
    [MemberData(nameof(Samples))]
    public void One_that_is_cut_off_is_not_complete(string name)
    {
        var bytes = All[name].ToArray();
        var complete = new MigrationStream();
        complete.Feed(bytes);
        for (var length = 0; length < complete.Length; length += length < 7000 || complete.Length - length < 50 ? 1 : 911)
        {
            var stream = new MigrationStream();
            Assert.Equal(length, stream.Feed(bytes.AsSpan(0, length)));
            Assert.False(stream.IsComplete);
            Assert.Contains("ends", Refusal(stream.Finish), StringComparison.Ordinal);
        }
    }

    public static TheoryData<string, int, byte[], string> DamagedHeaders => new()
    {
        { "marker", 3, [0xfe], "at byte 0, it does not begin with the marker" },
        { "id", 8, "YENF"u8.ToArray(), "the id XENF" },
        { "version 1", 15, [1], "version 1" },
        { "version 4", 15, [4], "version 4" },
        { "endianness", 17, [1], "big-endian" },
        { "type", 24, [3], "of type 3, neither x86 PV nor x86 HVM" },
        { "page size", 28, [13], "2^13 bytes" },
    };

    [Theory]
    [MemberData(nameof(DamagedHeaders))]
    public void Headers_that_libxc_would_not_take_are_refused(string what, int at, byte[] bytes, string why)
    {
        var stream = Pv().ToArray();
        bytes.CopyTo(stream, at);
        Assert.Contains(why, RefusalOf(stream), StringComparison.Ordinal);
        Assert.NotEmpty(what);
    }

    [Fact]
    public void Reserved_fields_and_padding_are_ignored_as_the_format_demands()
    {
        var bytes = Hvm().ToArray();
        bytes[16] = 0xfe;
        bytes[20] = 1;
        bytes[31] = 1;
        new MigrationStream().Feed(bytes);
    }

    [Fact]
    public void A_converted_legacy_image_has_no_Xen_version()
    {
        var bytes = Hvm().ToArray();
        bytes[32] = 0;
        var stream = new MigrationStream();
        stream.Feed(bytes);
        Assert.Null(stream.XenVersion);
    }

    private static readonly byte[] PvInfo = [8, 4, 0, 0, 0, 0, 0, 0];
    private static readonly byte[] OneP2mPage = [.. Words(0, 99), .. Longs(0)];

    /// <summary>Streams with one thing wrong each, and the reason.</summary>
    private static readonly Dictionary<string, StreamSample> Wrong = new()
    {
        ["record END has 8 bytes instead of none"] = Begin(2).Add(MigrationRecord.END, Longs(0)),
        ["record END comes before STATIC_DATA_END"] = Begin(2).Add(MigrationRecord.END, []),
        ["record END comes before HVM_CONTEXT"] = Begin(2).Add(MigrationRecord.STATIC_DATA_END, []).Add(MigrationRecord.END, []),
        ["record END comes before X86_PV_P2M_FRAMES"] = Begin(1).Add(MigrationRecord.STATIC_DATA_END, []).Add(MigrationRecord.END, []),
        ["record END comes before X86_PV_VCPU_BASIC of vCPU 0"] = PvWithP2m().Add(MigrationRecord.X86_PV_VCPU_BASIC, [.. Words(1, 0), .. new byte[5168]]).Add(MigrationRecord.X86_PV_VCPU_BASIC, Words(0, 0)).Add(MigrationRecord.END, []),
        ["record STATIC_DATA_END is there twice"] = Begin(2).Add(MigrationRecord.STATIC_DATA_END, []).Add(MigrationRecord.STATIC_DATA_END, []),
        ["record STATIC_DATA_END is not of version 2"] = Begin(2, 2).Add(MigrationRecord.STATIC_DATA_END, []),
        ["record X86_MSR_POLICY is not of version 2"] = Begin(2, 2).Add(MigrationRecord.X86_MSR_POLICY, new byte[16]),
        ["record X86_CPUID_POLICY comes after STATIC_DATA_END"] = Begin(2).Add(MigrationRecord.STATIC_DATA_END, []).Add(MigrationRecord.X86_CPUID_POLICY, new byte[24]),
        ["record X86_CPUID_POLICY has 25 bytes instead of a multiple of 24"] = Begin(2).Add(MigrationRecord.X86_CPUID_POLICY, new byte[25]),
        ["record X86_CPUID_POLICY has 0 bytes instead of"] = Begin(2).Add(MigrationRecord.X86_CPUID_POLICY, []),
        ["record X86_MSR_POLICY has 65552 bytes instead of"] = Begin(2).Add(MigrationRecord.X86_MSR_POLICY, 65552, []),
        ["record PAGE_DATA comes before STATIC_DATA_END"] = Begin(2).AddPages(0, 1),
        ["record PAGE_DATA comes before X86_PV_P2M_FRAMES"] = Begin(1).Add(MigrationRecord.X86_PV_INFO, PvInfo).Add(MigrationRecord.STATIC_DATA_END, []).AddPages(0, 1),
        ["record PAGE_DATA has 8 bytes instead of"] = PvWithP2m().Add(MigrationRecord.PAGE_DATA, Words(0, 0)),
        ["record PAGE_DATA has 16 bytes for 0 pages"] = PvWithP2m().Add(MigrationRecord.PAGE_DATA, [.. Words(0, 0), .. Longs(0)]),
        ["record PAGE_DATA has 16 bytes for 2 pages"] = PvWithP2m().Add(MigrationRecord.PAGE_DATA, [.. Words(2, 0), .. Longs(0)]),
        ["record PAGE_DATA has 16 bytes for 4294967295 pages"] = PvWithP2m().Add(MigrationRecord.PAGE_DATA, [.. Words(uint.MaxValue, 0), .. Longs(0)]),
        ["record PAGE_DATA has 0 bytes for the contents of 1 pages"] = PvWithP2m().Add(MigrationRecord.PAGE_DATA, [.. Words(1, 0), .. Longs(0)]),
        ["record PAGE_DATA has 4096 bytes for the contents of 0 pages"] = PvWithP2m().Add(MigrationRecord.PAGE_DATA, [.. Words(1, 0), .. Longs(0xfUL << 60), .. new byte[4096]]),
        ["record PAGE_DATA has a page of a type that is not known"] = PvWithP2m().Add(MigrationRecord.PAGE_DATA, [.. Words(1, 0), .. Longs(5UL << 60), .. new byte[4096]]),
        ["record PAGE_DATA has a page table with page frame 100, and this guest has 99 at the most"] = PvWithP2m().AddTable(1, 511, 100UL << 12 | 1),
        ["record PAGE_DATA has a page table with page frame 1099511627775, and"] = PvWithP2m().AddTable(0xc, 0, 0x000f_ffff_ffff_f001),
        ["record 0x80000001 has 1048584 bytes instead of at most 1048576"] = PvWithP2m().Add((MigrationRecord)0x80000001, (1 << 20) + 8, []),
        ["record PAGE_DATA has page frame 100, and this guest has 99 at the most"] = PvWithP2m().AddPages(100, 1),
        ["record PAGE_DATA has page frame 4503599627370495, and"] = Begin(2).Add(MigrationRecord.STATIC_DATA_END, []).Add(MigrationRecord.PAGE_DATA, [.. Words(1, 0), .. Longs((1UL << 52) - 1), .. new byte[4096]]),
        ["record PAGE_DATA has 134217736 bytes, more than 134217728"] = PvWithP2m().Add(MigrationRecord.PAGE_DATA, (128 << 20) + 8, []),
        ["record X86_PV_INFO says that addresses have 8 bytes and page tables 3 levels"] = Begin(1).Add(MigrationRecord.X86_PV_INFO, [8, 3, 0, 0, 0, 0, 0, 0]),
        ["record X86_PV_INFO has 7 bytes instead of 8"] = Begin(1).Add(MigrationRecord.X86_PV_INFO, new byte[7]),
        ["record X86_PV_INFO is there twice"] = Begin(1).Add(MigrationRecord.X86_PV_INFO, PvInfo).Add(MigrationRecord.X86_PV_INFO, PvInfo),
        ["record X86_PV_INFO does not belong into a saved HVM guest"] = Begin(2).Add(MigrationRecord.X86_PV_INFO, PvInfo),
        ["record X86_PV_P2M_FRAMES comes before X86_PV_INFO"] = Begin(1).Add(MigrationRecord.STATIC_DATA_END, []).Add(MigrationRecord.X86_PV_P2M_FRAMES, OneP2mPage),
        ["record X86_PV_P2M_FRAMES comes before STATIC_DATA_END"] = Begin(1).Add(MigrationRecord.X86_PV_INFO, PvInfo).Add(MigrationRecord.X86_PV_P2M_FRAMES, OneP2mPage),
        ["record X86_PV_P2M_FRAMES has page frames from 100 to 99"] = PvWithP2m().Add(MigrationRecord.X86_PV_P2M_FRAMES, [.. Words(100, 99), .. Longs(0)]),
        ["record X86_PV_P2M_FRAMES has 16 bytes instead of 24"] = PvWithP2m().Add(MigrationRecord.X86_PV_P2M_FRAMES, [.. Words(511, 512), .. Longs(0)]),
        ["record X86_PV_P2M_FRAMES has 16 bytes instead of 67108872"] = PvWithP2m().Add(MigrationRecord.X86_PV_P2M_FRAMES, [.. Words(0, uint.MaxValue), .. Longs(0)]),
        ["record SHARED_INFO comes before X86_PV_INFO"] = Begin(1).Add(MigrationRecord.SHARED_INFO, new byte[4096]),
        ["record SHARED_INFO has 4088 bytes instead of 4096"] = PvWithP2m().Add(MigrationRecord.SHARED_INFO, new byte[4088]),
        ["record X86_PV_VCPU_BASIC has 2808 bytes instead of 5176"] = PvWithP2m().Add(MigrationRecord.X86_PV_VCPU_BASIC, new byte[2808]),
        ["record X86_PV_VCPU_BASIC comes before X86_PV_INFO"] = Begin(1).Add(MigrationRecord.X86_PV_VCPU_BASIC, new byte[5176]),
        ["record X86_PV_VCPU_BASIC has 7 bytes instead of"] = PvWithP2m().Add(MigrationRecord.X86_PV_VCPU_BASIC, new byte[7]),
        ["record X86_PV_VCPU_EXTENDED has 137 bytes instead of at most 136"] = PvWithP2m().Add(MigrationRecord.X86_PV_VCPU_EXTENDED, new byte[137]),
        ["record X86_PV_VCPU_XSAVE has 16 bytes instead of at least 24"] = PvWithP2m().Add(MigrationRecord.X86_PV_VCPU_XSAVE, new byte[16]),
        ["record X86_PV_VCPU_XSAVE has 16777217 bytes instead of"] = PvWithP2m().Add(MigrationRecord.X86_PV_VCPU_XSAVE, (16 << 20) + 1, []),
        ["record X86_PV_VCPU_MSRS has 32 bytes instead of 8 and a multiple of 16"] = PvWithP2m().Add(MigrationRecord.X86_PV_VCPU_MSRS, new byte[32]),
        ["record X86_TSC_INFO has 16 bytes instead of 24"] = Begin(2).Add(MigrationRecord.X86_TSC_INFO, new byte[16]),
        ["record HVM_PARAMS has 24 bytes instead of 8 and 16 for each of 2 parameters"] = Begin(2).Add(MigrationRecord.HVM_PARAMS, [.. Words(2, 0), .. Longs(1, 2)]),
        ["record HVM_PARAMS has 4 bytes instead of"] = Begin(2).Add(MigrationRecord.HVM_PARAMS, Words(0)),
        ["record HVM_PARAMS does not belong into a saved PV guest"] = Begin(1).Add(MigrationRecord.HVM_PARAMS, Words(0, 0)),
        ["record HVM_CONTEXT has 0 bytes instead of"] = Begin(2).Add(MigrationRecord.HVM_CONTEXT, []),
        ["record VERIFY has 1 bytes instead of none"] = Begin(2).Add(MigrationRecord.VERIFY, [1]),
        ["record CHECKPOINT does not belong into a saved HVM guest"] = Begin(2).Add(MigrationRecord.CHECKPOINT, []),
        ["record CHECKPOINT_DIRTY_PFN_LIST does not belong into a saved HVM guest"] = Begin(2).Add(MigrationRecord.CHECKPOINT_DIRTY_PFN_LIST, []),
        ["record TOOLSTACK does not belong into a saved PV guest"] = Begin(1).Add(MigrationRecord.TOOLSTACK, [1]),
        ["record 0x00000013 is of a type that is not known"] = Begin(1).Add((MigrationRecord)0x13, []),
        ["record 0x80000000 has 4294967295 bytes, more than"] = Begin(1).Add((MigrationRecord)0x80000000, uint.MaxValue, []),
    };

    public static TheoryData<string> Reasons => new(Wrong.Keys);

    [Theory]
    [MemberData(nameof(Reasons))]
    public void What_libxc_would_refuse_is_refused_with_the_reason_and_the_place(string reason)
    {
        var sample = Wrong[reason];
        Assert.Contains($"at byte {sample.Boundaries[^2]}, {reason}", RefusalOf(sample.ToArray()), StringComparison.Ordinal);
    }

    [Fact]
    public void A_refusal_stays()
    {
        var stream = new MigrationStream();
        var first = Assert.ThrowsAny<LvmException>(() => stream.Feed(new byte[40]));
        Assert.Same(first, Assert.ThrowsAny<LvmException>(() => stream.Feed(Pv().ToArray())));
        Assert.Same(first, Assert.ThrowsAny<LvmException>(stream.Finish));
    }

    [Fact]
    public void Page_frames_beyond_what_the_guest_may_have_are_refused_before_libxc_makes_tables_for_them()
    {
        Assert.Contains("page frames up to 99, and this guest may have 98", RefusalOf(PvWithP2m().ToArray(), 98), StringComparison.Ordinal);
        Assert.Contains("page frame 6, and this guest has 5", RefusalOf(Hvm().ToArray(), 5), StringComparison.Ordinal);
        new MigrationStream(6).Feed(Hvm().ToArray());
    }

    [Fact]
    public void What_is_sent_again_to_be_compared_is_not_counted()
    {
        var stream = new MigrationStream();
        stream.Feed(Begin(2).Add(MigrationRecord.STATIC_DATA_END, []).AddPages(0, 3).AddPages(0, 3).Add(MigrationRecord.VERIFY, []).AddPages(0, 3).ToArray());
        Assert.Equal(4, stream.PageCount);
    }

    /// <summary>Whatever comes: it is taken or refused, never past its end, and costs no more memory than it has bytes.</summary>
    [Fact]
    public void Random_changes_are_taken_or_refused_properly()
    {
        var samples = All.Where(pair => pair.Key != "PV, large").Select(pair => pair.Value).ToArray();
        var change = from near in Gen.Choose(0, 1_000_000)
                     from offset in Gen.Choose(0, 23)
                     from value in Gen.OneOf(Gen.Choose(0, 255), Gen.Elements(0, 1, 2, 0x7f, 0x80, 0xff))
                     select (Near: near, Offset: offset, Value: (byte)value);
        var cases = from sample in Gen.Elements(samples)
                    from changes in Gen.NonEmptyListOf(change)
                    from piece in Gen.Elements(1, 7, 4096, int.MaxValue)
                    select (Sample: sample, Changes: changes.Take(6).ToArray(), Piece: piece);
        var refused = 0;
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(5000), Prop.ForAll(cases.ToArbitrary(), test =>
        {
            var bytes = test.Sample.ToArray();
            // At records' beginnings, where it matters.
            foreach (var (near, offset, value) in test.Changes)
            {
                var at = (near % 3 == 0 ? near % bytes.Length : test.Sample.Boundaries[near % test.Sample.Boundaries.Count]) + offset;
                if (at < bytes.Length) bytes[at] = value;
            }

            var before = GC.GetAllocatedBytesForCurrentThread();
            var isProper = TakenOrRefused(bytes, test.Piece, ref refused);
            return isProper && GC.GetAllocatedBytesForCurrentThread() - before < 100_000 + bytes.Length;
        }));
        Assert.InRange(refused, 1000, 5000);
    }

    [Fact]
    public void Random_bytes_behind_sound_headers_are_taken_or_refused_properly()
    {
        var records = from type in Gen.OneOf(Gen.Choose(0, 0x14), Gen.Elements(unchecked((int)0x80000000), int.MinValue + 5, int.MaxValue))
                      from length in Gen.OneOf(Gen.Choose(0, 64), Gen.Elements(4096, 5176, -1, 128 << 20, int.MaxValue))
                      from body in Gen.ArrayOf(Gen.Choose(0, 255).Select(value => (byte)value))
                      select (Type: (MigrationRecord)type, Length: (uint)length, Body: body);
        var cases = from type in Gen.Choose(1, 2) from version in Gen.Choose(2, 3) from list in Gen.ListOf(records) select (type, version, list);
        var refused = 0;
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(3000), Prop.ForAll(cases.ToArbitrary(), test =>
        {
            var sample = Begin(test.type, test.version);
            foreach (var (type, length, body) in test.list) sample.Add(type, length, body);
            return TakenOrRefused(sample.ToArray(), 11, ref refused);
        }));
        Assert.InRange(refused, 500, 3000);
    }

    private static bool TakenOrRefused(byte[] bytes, int piece, ref int refused)
    {
        var stream = new MigrationStream();
        var at = 0;
        try
        {
            while (at < bytes.Length && !stream.IsComplete)
            {
                var given = Math.Min(piece, bytes.Length - at);
                var taken = stream.Feed(bytes.AsSpan(at, given));
                if (taken > given || (taken < given && !stream.IsComplete)) return false;
                at += taken;
                if (stream.Length != at) return false;
            }

            if (stream.IsComplete) return stream.Feed(bytes) == 0 && BitConverter.ToUInt64(bytes, at - 8) == 0;
            return Assert.ThrowsAny<LvmException>(stream.Finish).ErrorId == ErrorIds.StreamInvalid;
        }
        catch (LvmException refusal)
        {
            refused++;
            return refusal.ErrorId == ErrorIds.StreamInvalid && refusal.Problem.Contains("at byte ", StringComparison.Ordinal);
        }
    }

    private static StreamSample PvWithP2m() =>
        Begin(1).Add(MigrationRecord.X86_PV_INFO, PvInfo).Add(MigrationRecord.STATIC_DATA_END, []).Add(MigrationRecord.X86_PV_P2M_FRAMES, OneP2mPage);

    private static bool IsEnd(StreamSample sample, int at) => at + 8 <= sample.ToArray().Length && BitConverter.ToUInt64(sample.ToArray(), at) == 0;

    private static string RefusalOf(byte[] bytes, uint highestPfn = uint.MaxValue) => Refusal(() => new MigrationStream(highestPfn).Feed(bytes));

    private static string Refusal(Action work)
    {
        var error = Assert.ThrowsAny<LvmException>(work);
        Assert.Equal(ErrorIds.StreamInvalid, error.ErrorId);
        return error.Problem;
    }

    private static (int, GuestType?, string?, int, long, long, long, string, string) Facts(MigrationStream stream) =>
        (stream.Version, stream.Type, stream.XenVersion, stream.AddressSize, stream.PageCount, stream.HighestPfn, stream.Length, Convert.ToHexString(stream.CpuidPolicy.Span), Convert.ToHexString(stream.MsrPolicy.Span));
}
