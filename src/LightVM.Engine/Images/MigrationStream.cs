using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Images;

/// <summary>
/// Goes along a libxc migration stream (docs/specs/libxc-migration-stream of Xen; versions 2 and 3, little endian, x86) while it passes
/// by, knows where it ends, and refuses what libxc would refuse or could be harmed by. Pages of memory are counted, not looked at, but for
/// a PV guest's page tables: libxc ends its process where one of them names a page frame that the guest has not.
/// What a stream claims costs nothing: only what has arrived is kept, the two CPU policies and which pages of a record are page tables, of bounded size.
/// </summary>
/// <param name="highestPfn">The highest page frame number that the guest may use, below which libxc's own tables stay within bounds.</param>
public sealed class MigrationStream(uint highestPfn = uint.MaxValue)
{
    private const int ImageHeaderSize = 24;
    private const int DomainHeaderSize = 16;
    private const int RecordHeaderSize = 8;
    private const int PageSize = 4096;

    /// <summary>The two headers at the beginning of each stream, after which <see cref="Type"/> is known.</summary>
    internal const int HeaderSize = ImageHeaderSize + DomainHeaderSize;

    /// <summary>libxc's limit for any record (REC_LENGTH_MAX).</summary>
    private const uint MaxRecord = 128 << 20;

    /// <summary>Our limit for records that have none: many times what Xen makes of 128 vCPUs.</summary>
    private const uint MaxContext = 16 << 20;
    private const uint MaxPolicy = 64 << 10;

    /// <summary>Our limit for records that libxc may pass over, and takes the memory for all the same. It makes none itself.</summary>
    private const uint MaxOptional = 1 << 20;

    // Sizes of Xen's structures in records.
    private const int CpuidLeafSize = 24;
    private const int MsrEntrySize = 16;
    private const uint VcpuHeaderSize = 8;
    private const uint VcpuContext64Size = 5168;
    private const uint VcpuContext32Size = 2800;
    private const uint ExtendedContextMaxSize = 128;
    private const uint XsaveHeaderSize = 16;

    private const uint OptionalRecord = 0x80000000;

    // Bits 60 to 63 of an entry: the type of a page, XEN_DOMCTL_PFINFO_* of public/domctl.h; each bit here stands for a type.
    private const int PageTypeShift = 60;
    private const ulong PfnMask = (1UL << 52) - 1;
    private const int UnknownPageTypes = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 8;
    private const int PageTypesWithoutData = 1 << 0xd | 1 << 0xe | 1 << 0xf;

    /// <summary>Page tables of the four levels, and the same pinned.</summary>
    private const int PageTables = 0b1111 << 1 | 0b1111 << 9;

    // An entry of a page table, which is eight bytes long in 32-bit guests as well.
    private const ulong PresentBit = 1;
    private const ulong FrameMask = 0x000f_ffff_ffff_f000;
    private const int FrameShift = 12;

    private readonly byte[] _gathered = new byte[ImageHeaderSize];
    private readonly ArrayBufferWriter<byte> _cpuidPolicy = new();
    private readonly ArrayBufferWriter<byte> _msrPolicy = new();
    private Step _step = Step.ImageHeader;
    private int _gatheredLength;
    private int _wanted = ImageHeaderSize;
    private LvmException? _refusal;

    private MigrationRecord _record;
    private long _recordOffset;
    private uint _recordLength;

    /// <summary>What is left of the record, padding included, beyond the bytes that are gathered.</summary>
    private uint _rest;
    private uint _entries;
    private uint _pages;

    /// <summary>Which of the record's pages are page tables, counted among those that it has the contents of.</summary>
    private readonly List<uint> _tables = [];
    private int _nextTable;

    /// <summary>What will be left of the record where that is done which is done with it now.</summary>
    private uint _restAfter;

    private bool _hasStaticData;
    private bool _hasP2m;
    private bool _hasFirstVcpu;
    private bool _hasContext;
    private bool _isVerifying;
    private ulong _highestP2m;

    private enum Step
    {
        ImageHeader,
        DomainHeader,
        RecordHeader,
        RecordStart,
        PageEntries,
        PageTable,
        Policy,
        Skip,
        End,
    }

    /// <summary>Whether the stream has come to its end: nothing that follows belongs to it.</summary>
    public bool IsComplete => _step == Step.End;

    /// <summary>Whether it is between two records.</summary>
    public bool IsBetweenRecords => _step == Step.RecordHeader && _gatheredLength == 0;

    /// <summary>Bytes so far.</summary>
    public long Length { get; private set; }

    /// <summary>The version of the format, 2 or 3; 0 until it is known.</summary>
    public int Version { get; private set; }

    /// <summary>PV, or HVM, which PVH is as well; null until it is known.</summary>
    public GuestType? Type { get; private set; }

    /// <summary>The Xen that the guest came from, "4.17"; null until it is known, and where a legacy image was converted.</summary>
    public string? XenVersion { get; private set; }

    /// <summary>Width of a PV guest's addresses, 32 or 64; 0 until it is known, and for other guests.</summary>
    public int AddressSize { get; private set; }

    /// <summary>Pages of memory so far; one that was sent again is counted again.</summary>
    public long PageCount { get; private set; }

    /// <summary>The highest page frame number so far.</summary>
    public long HighestPfn { get; private set; }

    /// <summary>The guest's CPUID policy: Xen's xen_cpuid_leaf_t of 24 bytes each. Empty where the stream has none.</summary>
    public ReadOnlyMemory<byte> CpuidPolicy => _cpuidPolicy.WrittenMemory;

    /// <summary>The guest's MSR policy: Xen's xen_msr_entry_t of 16 bytes each. Empty where the stream has none.</summary>
    public ReadOnlyMemory<byte> MsrPolicy => _msrPolicy.WrittenMemory;

    /// <summary>Takes the next bytes, as many as there happen to be. Errors: StreamInvalid, with the place and the reason.</summary>
    /// <returns>How many of them belong to the stream: all, unless it has come to its end.</returns>
    public int Feed(ReadOnlySpan<byte> bytes)
    {
        if (_refusal is not null) throw _refusal;
        var start = bytes.Length;
        while (!bytes.IsEmpty && _step != Step.End)
        {
            var taken = _step switch
            {
                Step.Skip => PassOver(bytes.Length),
                Step.PageEntries when _gatheredLength == 0 && bytes.Length >= 8 => TakeEntries(bytes),
                Step.PageTable when _gatheredLength == 0 && bytes.Length >= 8 => TakeTable(bytes),
                Step.Policy => TakePolicy(bytes),
                _ => Gather(bytes),
            };
            Length += taken;
            bytes = bytes[taken..];
            if (_gatheredLength == _wanted && _wanted > 0) Understand();
        }

        return start - bytes.Length;
    }

    /// <summary>Says that nothing more comes. Errors: StreamInvalid when the stream has not come to its end.</summary>
    public void Finish()
    {
        if (_refusal is not null) throw _refusal;
        if (_step == Step.End) return;
        throw Refuse(_step switch
        {
            Step.ImageHeader or Step.DomainHeader => "it ends within its headers",
            Step.RecordHeader => "it ends without an END record",
            _ => $"it ends within record {Name}",
        }, Length);
    }

    private int Gather(ReadOnlySpan<byte> bytes)
    {
        var count = Math.Min(_wanted - _gatheredLength, bytes.Length);
        bytes[..count].CopyTo(_gathered.AsSpan(_gatheredLength));
        _gatheredLength += count;
        return count;
    }

    private void Want(Step step, int bytes) => (_step, _wanted, _gatheredLength) = (step, bytes, 0);

    private void Understand()
    {
        ReadOnlySpan<byte> bytes = _gathered.AsSpan(0, _wanted);
        _gatheredLength = 0;
        switch (_step)
        {
            case Step.ImageHeader:
                ReadImageHeader(bytes);
                Want(Step.DomainHeader, DomainHeaderSize);
                break;
            case Step.DomainHeader:
                ReadDomainHeader(bytes);
                Want(Step.RecordHeader, RecordHeaderSize);
                break;
            case Step.RecordHeader:
                _recordOffset = Length - RecordHeaderSize;
                BeginRecord(U32(bytes, 0), U32(bytes, 4));
                break;
            case Step.RecordStart:
                ReadRecordStart(bytes);
                break;
            case Step.PageEntries:
                CheckEntries(MemoryMarshal.Cast<byte, ulong>(bytes));
                break;
            case Step.PageTable:
                CheckTable(MemoryMarshal.Cast<byte, ulong>(bytes));
                break;
        }
    }

    private void ReadImageHeader(ReadOnlySpan<byte> header)
    {
        if (BinaryPrimitives.ReadUInt64BigEndian(header) != ulong.MaxValue) throw Refuse("it does not begin with the marker of one", 0);
        if (BinaryPrimitives.ReadUInt32BigEndian(header[8..]) != 0x58454E46) throw Refuse("it does not bear the id XENF", 8);
        var version = BinaryPrimitives.ReadUInt32BigEndian(header[12..]);
        if (version is not (2 or 3)) throw Refuse($"it has version {version}, and 2 and 3 are known", 12);
        if ((BinaryPrimitives.ReadUInt16BigEndian(header[16..]) & 1) != 0) throw Refuse("it is big-endian", 16);
        Version = (int)version;
    }

    private void ReadDomainHeader(ReadOnlySpan<byte> header)
    {
        Type = U32(header, 0) switch
        {
            1 => GuestType.PV,
            2 => GuestType.HVM,
            var other => throw Refuse($"its guest is of type {other}, neither x86 PV nor x86 HVM", ImageHeaderSize),
        };
        var pageShift = BinaryPrimitives.ReadUInt16LittleEndian(header[4..]);
        if (pageShift != 12) throw Refuse($"its pages are of 2^{pageShift} bytes instead of 4096", ImageHeaderSize + 4);
        var major = U32(header, 8);
        XenVersion = major == 0 ? null : $"{major}.{U32(header, 12)}";
    }

    private void BeginRecord(uint type, uint length)
    {
        _record = (MigrationRecord)type;
        _recordLength = length;
        if (length > MaxRecord) throw Wrong($"has {length} bytes, more than {MaxRecord}");
        var start = CheckRecord();
        if (_record == MigrationRecord.END)
        {
            CheckEnd();
            _step = Step.End;
            return;
        }

        // Records are padded to a multiple of eight bytes.
        _rest = ((length + 7) & ~7u) - (uint)start;
        if (start > 0) Want(Step.RecordStart, start);
        else if (_record is MigrationRecord.X86_CPUID_POLICY or MigrationRecord.X86_MSR_POLICY) Want(Step.Policy, 0);
        else Skip();
    }

    /// <summary>Whether a record may be here, and may have its length.</summary>
    /// <returns>How many bytes at its start are to be looked at.</returns>
    private int CheckRecord()
    {
        switch (_record)
        {
            case MigrationRecord.END:
            case MigrationRecord.VERIFY:
                RequireLength(_recordLength == 0, "none");
                _isVerifying |= _record == MigrationRecord.VERIFY;
                return 0;
            case MigrationRecord.STATIC_DATA_END:
                RequireLength(_recordLength == 0, "none");
                if (Version < 3) throw Wrong("is not of version 2");
                if (_hasStaticData) throw Wrong("is there twice");
                _hasStaticData = true;
                return 0;
            case MigrationRecord.X86_CPUID_POLICY:
                BeginPolicy(_cpuidPolicy, CpuidLeafSize);
                return 0;
            case MigrationRecord.X86_MSR_POLICY:
                BeginPolicy(_msrPolicy, MsrEntrySize);
                return 0;
            case MigrationRecord.PAGE_DATA:
                if (Type == GuestType.PV && !_hasP2m) throw Wrong($"comes before {MigrationRecord.X86_PV_P2M_FRAMES}");
                RequireStaticData();
                RequireLength(_recordLength >= 16 && _recordLength % 8 == 0, "a multiple of 8, at least 16");
                return 8;
            case MigrationRecord.X86_TSC_INFO:
                RequireLength(_recordLength == 24, "24");
                return 0;
            case MigrationRecord.X86_PV_INFO when Type == GuestType.PV:
                if (AddressSize != 0) throw Wrong("is there twice");
                RequireLength(_recordLength == 8, "8");
                return 8;
            case MigrationRecord.X86_PV_P2M_FRAMES when Type == GuestType.PV:
                RequirePvInfo();
                RequireStaticData();
                RequireLength(_recordLength >= 16 && _recordLength % 8 == 0, "a multiple of 8, at least 16");
                return 8;
            case MigrationRecord.SHARED_INFO when Type == GuestType.PV:
                RequirePvInfo();
                RequireLength(_recordLength == PageSize, "4096");
                return 0;
            case MigrationRecord.X86_PV_VCPU_BASIC or MigrationRecord.X86_PV_VCPU_EXTENDED or MigrationRecord.X86_PV_VCPU_XSAVE or MigrationRecord.X86_PV_VCPU_MSRS when Type == GuestType.PV:
                RequirePvInfo();
                CheckVcpuLength();
                return (int)VcpuHeaderSize;
            case MigrationRecord.HVM_CONTEXT when Type == GuestType.HVM:
                RequireLength(_recordLength is > 0 and <= MaxContext, $"1 to {MaxContext}");
                _hasContext = true;
                return 0;
            case MigrationRecord.HVM_PARAMS when Type == GuestType.HVM:
                RequireLength(_recordLength is >= 8 and <= MaxPolicy, $"8 to {MaxPolicy}");
                return 8;
            case var optional when ((uint)optional & OptionalRecord) != 0:
                RequireLength(_recordLength <= MaxOptional, $"at most {MaxOptional}");
                return 0;
            case var known when Enum.IsDefined(known):
                throw Wrong($"does not belong into a saved {(Type == GuestType.PV ? "PV" : "HVM")} guest");
            default:
                throw Wrong("is of a type that is not known and must not be passed over");
        }
    }

    private void CheckVcpuLength()
    {
        // Empty ones have been made by Xen 4.6 to 4.8, and mean nothing.
        if (_recordLength == VcpuHeaderSize) return;
        RequireLength(_recordLength is > VcpuHeaderSize and <= MaxContext, $"{VcpuHeaderSize} to {MaxContext}");
        var size = _recordLength - VcpuHeaderSize;
        switch (_record)
        {
            case MigrationRecord.X86_PV_VCPU_BASIC:
                var context = AddressSize == 64 ? VcpuContext64Size : VcpuContext32Size;
                RequireLength(size == context, $"{VcpuHeaderSize + context}");
                break;
            case MigrationRecord.X86_PV_VCPU_EXTENDED:
                RequireLength(size <= ExtendedContextMaxSize, $"at most {VcpuHeaderSize + ExtendedContextMaxSize}");
                break;
            case MigrationRecord.X86_PV_VCPU_XSAVE:
                RequireLength(size >= XsaveHeaderSize, $"at least {VcpuHeaderSize + XsaveHeaderSize}");
                break;
            default:
                RequireLength(size % MsrEntrySize == 0, $"{VcpuHeaderSize} and a multiple of {MsrEntrySize}");
                break;
        }
    }

    private void ReadRecordStart(ReadOnlySpan<byte> start)
    {
        switch (_record)
        {
            case MigrationRecord.PAGE_DATA:
                _entries = U32(start, 0);
                _pages = 0;
                _tables.Clear();
                _nextTable = 0;
                if (_entries == 0 || _entries > (_recordLength - 8) / 8) throw Wrong($"has {_recordLength} bytes for {_entries} pages");
                _rest -= _entries * 8;
                Want(Step.PageEntries, 8);
                return;
            case MigrationRecord.X86_PV_INFO:
                AddressSize = (start[0], start[1]) switch
                {
                    (4, 3) => 32,
                    (8, 4) => 64,
                    var (width, levels) => throw Wrong($"says that addresses have {width} bytes and page tables {levels} levels"),
                };
                break;
            case MigrationRecord.X86_PV_P2M_FRAMES:
                CheckP2m(U32(start, 0), U32(start, 4));
                break;
            case MigrationRecord.HVM_PARAMS:
                var count = U32(start, 0);
                RequireLength(_recordLength == 8 + count * 16UL, $"8 and 16 for each of {count} parameters");
                break;
            default:
                if (_record == MigrationRecord.X86_PV_VCPU_BASIC && U32(start, 0) == 0 && _recordLength > VcpuHeaderSize) _hasFirstVcpu = true;
                break;
        }

        Skip();
    }

    private void CheckP2m(uint first, uint last)
    {
        if (first > last) throw Wrong($"has page frames from {first} to {last}");
        if (last > highestPfn) throw Wrong($"has page frames up to {last}, and this guest may have {highestPfn}");
        var framesInPage = (uint)(PageSize * 8 / AddressSize);
        var pages = last / framesInPage - first / framesInPage + 1;
        RequireLength(_recordLength == 8 + pages * 8UL, $"{8 + pages * 8UL}");
        _hasP2m = true;
        _highestP2m = Math.Max(_highestP2m, last);
    }

    /// <summary>As many entries as there are in the bytes at hand.</summary>
    private int TakeEntries(ReadOnlySpan<byte> bytes)
    {
        var count = (int)Math.Min(_entries, (uint)bytes.Length / 8);
        CheckEntries(MemoryMarshal.Cast<byte, ulong>(bytes[..(count * 8)]));
        return count * 8;
    }

    private void CheckEntries(ReadOnlySpan<ulong> entries)
    {
        var (pages, types, highest) = (0u, 0, 0UL);
        foreach (var entry in entries)
        {
            var type = 1 << (int)(entry >> PageTypeShift);
            types |= type;
            if ((type & PageTables) != 0 && Type == GuestType.PV) _tables.Add(_pages + pages);
            if ((type & PageTypesWithoutData) == 0) pages++;
            highest = Math.Max(highest, entry & PfnMask);
        }

        if ((types & UnknownPageTypes) != 0) throw Wrong("has a page of a type that is not known");
        var most = Type == GuestType.PV ? _highestP2m : highestPfn;
        if (highest > most) throw Wrong($"has page frame {highest}, and this guest has {most} at the most");
        HighestPfn = Math.Max(HighestPfn, (long)highest);
        _pages += pages;
        _entries -= (uint)entries.Length;
        if (_entries > 0) return;

        if (_rest != _pages * (ulong)PageSize) throw Wrong($"has {_rest} bytes for the contents of {_pages} pages");
        // After VERIFY comes what has been sent already.
        if (!_isVerifying) PageCount += _pages;
        GoThroughPages();
    }

    /// <summary>To the next page table, or to the record's end where there is none.</summary>
    private void GoThroughPages()
    {
        if (_nextTable == _tables.Count)
        {
            Skip();
            return;
        }

        var table = (_pages - _tables[_nextTable]) * PageSize;
        if (_rest > table)
        {
            Skip(table);
            return;
        }

        _nextTable++;
        _restAfter = _rest - PageSize;
        Want(Step.PageTable, 8);
    }

    private int TakeTable(ReadOnlySpan<byte> bytes)
    {
        var size = (int)Math.Min(_rest - _restAfter, (uint)bytes.Length) / 8 * 8;
        CheckTable(MemoryMarshal.Cast<byte, ulong>(bytes[..size]));
        return size;
    }

    private void CheckTable(ReadOnlySpan<ulong> entries)
    {
        foreach (var entry in entries)
        {
            var frame = (entry & FrameMask) >> FrameShift;
            if ((entry & PresentBit) != 0 && frame > _highestP2m) throw Wrong($"has a page table with page frame {frame}, and this guest has {_highestP2m} at the most");
        }

        _rest -= (uint)entries.Length * 8;
        if (_rest == _restAfter) GoThroughPages();
    }

    private void BeginPolicy(ArrayBufferWriter<byte> policy, int entrySize)
    {
        if (Version < 3) throw Wrong("is not of version 2");
        if (_hasStaticData) throw Wrong($"comes after {MigrationRecord.STATIC_DATA_END}");
        RequireLength(_recordLength is > 0 and <= MaxPolicy && _recordLength % entrySize == 0, $"a multiple of {entrySize}, up to {MaxPolicy}");
        policy.ResetWrittenCount();
    }

    /// <summary>Both kinds of entries fill eight bytes each: a policy has no padding.</summary>
    private int TakePolicy(ReadOnlySpan<byte> bytes)
    {
        var count = (int)Math.Min(_rest, (uint)bytes.Length);
        (_record == MigrationRecord.X86_CPUID_POLICY ? _cpuidPolicy : _msrPolicy).Write(bytes[..count]);
        _rest -= (uint)count;
        if (_rest == 0) Want(Step.RecordHeader, RecordHeaderSize);
        return count;
    }

    /// <summary>Passes over the record, but for so much of its end.</summary>
    private void Skip(uint rest = 0)
    {
        _restAfter = rest;
        if (_rest == 0) Want(Step.RecordHeader, RecordHeaderSize);
        else Want(Step.Skip, 0);
    }

    private int PassOver(int available)
    {
        var count = (int)Math.Min(_rest - _restAfter, (uint)available);
        _rest -= (uint)count;
        if (_rest == 0) Want(Step.RecordHeader, RecordHeaderSize);
        else if (_rest == _restAfter) GoThroughPages();
        return count;
    }

    private void CheckEnd()
    {
        if (Version >= 3 && !_hasStaticData) throw Wrong($"comes before {MigrationRecord.STATIC_DATA_END}");
        if (Type == GuestType.PV && !_hasP2m) throw Wrong($"comes before {MigrationRecord.X86_PV_P2M_FRAMES}");
        if (Type == GuestType.PV && !_hasFirstVcpu) throw Wrong($"comes before {MigrationRecord.X86_PV_VCPU_BASIC} of vCPU 0");
        if (Type == GuestType.HVM && !_hasContext) throw Wrong($"comes before {MigrationRecord.HVM_CONTEXT}");
    }

    private void RequireStaticData()
    {
        // A stream of version 2 does not say where it ends; libxc infers it.
        if (!_hasStaticData && Version >= 3) throw Wrong($"comes before {MigrationRecord.STATIC_DATA_END}");
    }

    private void RequirePvInfo()
    {
        if (AddressSize == 0) throw Wrong($"comes before {MigrationRecord.X86_PV_INFO}");
    }

    private void RequireLength(bool isRight, string expected)
    {
        if (!isRight) throw Wrong($"has {_recordLength} bytes instead of {expected}");
    }

    /// <summary>"PAGE_DATA", or a number.</summary>
    private string Name => Enum.IsDefined(_record) ? _record.ToString() : $"0x{(uint)_record:x8}";

    private LvmException Wrong(string why) => Refuse($"record {Name} {why}", _recordOffset);

    private LvmException Refuse(string why, long offset) =>
        _refusal ??= new LvmException(ErrorIds.StreamInvalid, $"this is no migration stream that libxc could restore: at byte {offset}, {why}");

    private static uint U32(ReadOnlySpan<byte> bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);
}
