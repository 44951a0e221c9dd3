using System.Buffers.Binary;
using LightVM.Configuration;
using LightVM.Hypervisor;

namespace LightVM.Images;

/// <summary>What comes before the libxc stream, in each of the three formats; filled as far as it can be read.</summary>
internal sealed class ImageHead
{
    private const int MaxConfig = DomainConfigJson.MaxFileSize;

    public ImageFormat? Format { get; private set; }

    public int? Version { get; private set; }

    public DomainConfig? Config { get; private set; }

    public ImageFacts? Facts { get; private set; }

    /// <summary>Where the libxc stream begins.</summary>
    public long StreamOffset { get; private set; }

    /// <summary>The parts before the stream, as far as they were found.</summary>
    public List<ImagePart> Parts { get; } = [];

    /// <summary>For our own format: the parts before the stream with the checksums of what was read.</summary>
    public List<PartChecksum> Checksums { get; } = [];

    /// <summary>Reads up to the libxc stream. Throws <see cref="ImageRefusal"/>; what had been read before that stays.</summary>
    public void Read(ImageSource source)
    {
        var start = source.ReadUpTo(8);
        if (start.Length < 8) throw ImageRefusal.Invalid(start.Length == 0 ? "it is empty" : $"it has {start.Length} bytes, too few for an image");
        if (U16(start, 0) == ImageLayout.Magic) ReadChaosKind(start, source);
        else if (start.AsSpan().SequenceEqual(XlLayout.Magic[..8])) ReadXl(start, source);
        else if (BinaryPrimitives.ReadUInt64LittleEndian(start) == ulong.MaxValue) throw ImageRefusal.Unsupported("it is a bare migration stream of libxc, without a domain's configuration");
        else throw ImageRefusal.Invalid("it begins like no image that is known: neither of LightVM, nor of Chaos, nor of xl");
        StreamOffset = source.Position;
    }

    /// <summary>
    /// Takes from the guest's state what other toolstacks' configurations have not got: its type, and the width of its addresses, which of a
    /// domain that xl made our own have not got either. A type that is another than in a configuration of ours is refused.
    /// </summary>
    public void Match(MigrationStream stream)
    {
        if (Config is null || stream.Type is not { } found) return;
        var type = found == GuestType.PV ? GuestType.PV : GuestType.PVH;
        if (Format == ImageFormat.LightVM && Config.Type != type) throw ImageRefusal.Invalid($"its configuration is of a {Config.Type} guest and its memory of a {type} guest");

        var addressSize = stream.AddressSize != 0 ? stream.AddressSize : Config.AddressSize;
        if (Config.Type == type && Config.AddressSize == addressSize) return;
        var draft = Config.ToDraft();
        (draft.Type, draft.AddressSize) = (type, addressSize);
        Config = Valid(() => DomainConfig.From(draft));
    }

    /// <summary>The image as far as it is known.</summary>
    public DomainImage Describe(string path, long length, MigrationStream stream, IEnumerable<ImagePart> parts, ImageRefusal? refusal) => new()
    {
        Path = path,
        Format = Format,
        FormatVersion = Version,
        State = refusal is null ? ImageState.Whole : ImageState.Broken,
        Problem = refusal?.Why,
        ErrorId = refusal?.ErrorId,
        Length = length,
        Name = Config?.Name,
        Uuid = Config?.Uuid,
        Type = Config?.Type,
        MemoryMiB = Config?.MemoryMiB,
        VcpuCount = Config?.VcpuCount,
        XenVersion = Facts?.XenVersion ?? stream.XenVersion,
        SavedTime = Facts?.SavedTime,
        HostName = Facts?.HostName,
        DevicesInUse = Facts?.DevicesInUse,
        Config = Config,
        Parts = [.. parts],
    };

    private void ReadChaosKind(byte[] start, ImageSource source)
    {
        Version = U16(start, 2);
        if (Version == ImageLayout.ChaosVersion) ReadChaos(start, source);
        else if (Version == ImageLayout.Version) ReadOwn(start, source);
        else throw ImageRefusal.Unsupported($"its format has version {Version}, and 1 and 2 are known");
    }

    private void ReadChaos(byte[] start, ImageSource source)
    {
        Format = ImageFormat.Chaos;
        Parts.Add(new ImagePart("header", 0, start.Length, null, null));
        if (U16(start, 4) is var flags and not 0) throw ImageRefusal.Unsupported($"it has flags that are not known (0x{flags:x4})");
        TakeConfig(source.ReadPart(U16(start, 6), "configuration"), start.Length);

        // Files are padded to a multiple of 64, connections are not; the stream begins with ones.
        while (source.Position % ImageLayout.Alignment != 0)
        {
            var next = source.ReadPart(1, "padding");
            if (next[0] == 0) continue;
            source.Unread(next);
            break;
        }
    }

    private void ReadOwn(byte[] start, ImageSource source)
    {
        Format = ImageFormat.LightVM;
        byte[] header = [.. start, .. source.ReadPart(ImageLayout.HeaderSize - start.Length, "header")];
        var isWhole = U64(header, 56) == XxHash64.Of(header.AsSpan(0, 56));
        Add("header", 0, header, isWhole ? null : U64(header, 56));
        if (!isWhole) throw ImageRefusal.Differs("header");
        if (U32(header, 4) != 0 || header.AsSpan(40, 16).ContainsAnyExcept((byte)0)) throw ImageRefusal.Unsupported("its header has fields that are not known");
        var (configLength, infoLength) = (U32(header, 8), U32(header, 12));
        if (configLength > MaxConfig) throw ImageRefusal.Invalid($"its configuration has {configLength} bytes, more than {MaxConfig}");
        if (infoLength > ImageLayout.MaxInfoSize) throw ImageRefusal.Invalid($"its info has {infoLength} bytes, more than {ImageLayout.MaxInfoSize}");
        if (U64(header, 16) != (ulong)ImageLayout.StreamOffset(configLength, infoLength)) throw ImageRefusal.Invalid("its header says that the stream begins where it cannot");

        // Both are judged before either is refused, so that a description tells of both.
        var config = source.ReadPart((int)configLength, "configuration");
        Add("config", ImageLayout.HeaderSize, config, U64(header, 24));
        var info = source.ReadPart((int)infoLength, "info");
        Add("info", ImageLayout.HeaderSize + configLength, info, U64(header, 32));
        if (Parts.Find(part => part.Fits == false) is { } damaged) throw ImageRefusal.Differs(damaged.Name);

        Config = Valid(() => DomainConfigJson.Parse(config, "the configuration", requireKernel: false));
        Facts = ImageLayout.ReadInfo(info) ?? throw ImageRefusal.Invalid("its info is not what it should be");
        var padding = source.ReadPart((int)(ImageLayout.Aligned(source.Position) - source.Position), "padding");
        if (padding.AsSpan().ContainsAnyExcept((byte)0)) throw ImageRefusal.Invalid("the padding before its stream was changed");
    }

    private void Add(string name, long offset, byte[] bytes, ulong? expected)
    {
        var found = XxHash64.Of(bytes);
        Parts.Add(new ImagePart(name, offset, bytes.Length, ImageLayout.Text(expected ?? found), expected is null || found == expected));
        Checksums.Add(new PartChecksum(offset, bytes.Length, found));
    }

    private void ReadXl(byte[] start, ImageSource source)
    {
        if (!source.ReadPart(XlLayout.Magic.Length - start.Length, "header").AsSpan().SequenceEqual(XlLayout.Magic[start.Length..])) throw ImageRefusal.Invalid("it begins nearly like an image of xl, and was damaged");
        Format = ImageFormat.Xl;
        var config = XlLayout.ReadHeader(source, Parts);
        Version = XlLayout.StreamVersion;
        Config = Valid(() => XlConfig.Parse(config));
        XlLayout.ReadToContext(source);
    }

    /// <summary>A configuration of Chaos, perhaps with a C string's end.</summary>
    private void TakeConfig(byte[] config, long offset)
    {
        Parts.Add(new ImagePart("config", offset, config.Length, null, null));
        var text = config.AsMemory(0, config.AsSpan().LastIndexOfAnyExcept((byte)0) + 1);
        Config = Valid(() => DomainConfigJson.Parse(text.Span, "the configuration", requireKernel: false));
    }

    private static DomainConfig Valid(Func<DomainConfig> make)
    {
        try
        {
            return make();
        }
        catch (InvalidConfigException error)
        {
            throw ImageRefusal.Invalid($"its configuration cannot be used: {error.Problem}");
        }
    }

    private static ushort U16(byte[] bytes, int at) => BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(at));

    private static uint U32(byte[] bytes, int at) => BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at));

    private static ulong U64(byte[] bytes, int at) => BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at));
}
