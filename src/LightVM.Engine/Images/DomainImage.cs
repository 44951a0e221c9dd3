using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Hypervisor;

namespace LightVM.Images;

/// <summary>Whose format a saved image has.</summary>
public enum ImageFormat
{
    /// <summary>Ours, version 2 of Chaos' (docs/image-format.md).</summary>
    LightVM,

    /// <summary>Chaos': version 1.</summary>
    Chaos,

    /// <summary>That of <c>xl save</c>.</summary>
    Xl,
}

/// <summary>Whether a domain could be restored from a saved image.</summary>
public enum ImageState
{
    /// <summary>All of it is there and as it was written.</summary>
    Whole,

    /// <summary>It is damaged, cut off, or of a kind that is not supported; <see cref="DomainImage.Problem"/> says which.</summary>
    Broken,
}

/// <summary>One part of a saved image.</summary>
/// <param name="Name">"header", "config", "info", "stream" or "trailer".</param>
/// <param name="Offset">Where it begins in the file.</param>
/// <param name="Length">Its bytes; as far as they are there.</param>
/// <param name="Checksum">The checksum that the image has for it (XXH64, hexadecimal); null where it has none.</param>
/// <param name="Fits">Whether the part is as it was written; null where nothing could tell.</param>
public sealed record ImagePart(string Name, long Offset, long Length, string? Checksum, bool? Fits);

/// <summary>What a saved image of a domain holds. In a broken one, what could not be read is null.</summary>
public sealed record DomainImage
{
    /// <summary>The file.</summary>
    public required string Path { get; init; }

    /// <summary>Whose format it is; null when it is nobody's that is known here.</summary>
    public ImageFormat? Format { get; init; }

    public int? FormatVersion { get; init; }

    public ImageState State { get; init; }

    /// <summary>What is wrong with a broken image, a sentence without a full stop; null for a whole one.</summary>
    public string? Problem { get; init; }

    /// <summary>The id of the error that restoring it would give; null for a whole one.</summary>
    public string? ErrorId { get; init; }

    /// <summary>Bytes of the file.</summary>
    public long Length { get; init; }

    /// <summary>The domain's name.</summary>
    public string? Name { get; init; }

    public Guid? Uuid { get; init; }

    public GuestType? Type { get; init; }

    /// <summary>The domain's memory, in MiB.</summary>
    public int? MemoryMiB { get; init; }

    public int? VcpuCount { get; init; }

    /// <summary>The Xen that the domain was saved on, "4.17".</summary>
    public string? XenVersion { get; init; }

    /// <summary>When it was saved; null where the format does not tell.</summary>
    public DateTimeOffset? SavedTime { get; init; }

    /// <summary>The host that it was saved on; null where the format does not tell.</summary>
    public string? HostName { get; init; }

    /// <summary>The devices that the guest had in use when it was saved; null where the format does not tell.</summary>
    public IReadOnlyList<DeviceId>? DevicesInUse { get; init; }

    /// <summary>What the domain is made of, with its devices.</summary>
    public DomainConfig? Config { get; init; }

    /// <summary>The parts of the file, in order.</summary>
    public IReadOnlyList<ImagePart> Parts { get; init; } = [];

    /// <summary>The error that restoring a broken one would give.</summary>
    internal LvmException? Failure => ErrorId is null ? null : new ImageRefusal(ErrorId, Problem!).Of(Path);

    public override string ToString() => Path;
}
