using LightVM.Configuration;
using LightVM.Errors;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Images;

/// <summary>
/// Makes a saved image: what precedes the guest's state is written at once, libxc writes the state itself to <see cref="Handle"/>, and
/// <see cref="Complete"/> adds what makes an image of it. One that is disposed of before that leaves nothing.
/// </summary>
public abstract class ImageWriter : IDisposable
{
    /// <summary>
    /// Begins an image in a file: under a temporary name in the same folder, readable by its owner only. What has the name itself stays
    /// as it is until the image is complete. Errors: ImageExists, HostFileFailure.
    /// </summary>
    /// <param name="path">The file. Through a symbolic link, its target is written.</param>
    /// <param name="overwrite">Whether a file of that name may be replaced.</param>
    public static ImageWriter ToFile(string path, DomainConfig config, ImageFacts facts, bool overwrite) => new ImageFileWriter(path, config, facts, overwrite);

    /// <summary>
    /// Begins an image that goes to a stream as it comes: a thread of its own copies it there from a pipe. Errors: HostFileFailure.
    /// </summary>
    /// <param name="output">The stream; it stays open. Whoever gives up while it does not take anything closes it.</param>
    public static ImageWriter ToStream(Stream output, DomainConfig config, ImageFacts facts) => new ImageStreamWriter(output, config, facts);

    /// <summary>Where libxc writes the guest's state, from the position that it has. Nobody else writes there, or closes it.</summary>
    public abstract SafeFileHandle Handle { get; }

    /// <summary>Why libxc cannot write any more, where that is not its own doing.</summary>
    public abstract LvmException? Problem { get; }

    /// <summary>
    /// Completes the image, after libxc has written all: checks that it did, adds the checksums, has all of it written through to the
    /// disk, and only then gives it its name. Errors: StreamInvalid, ImageExists, HostFileFailure, OperationCancelled.
    /// </summary>
    /// <returns>What the image holds. One in a stream has the path "-".</returns>
    public abstract DomainImage Complete(CancellationToken cancellation = default);

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);

    private protected static DomainImage Describe(string path, DomainConfig config, ImageFacts facts, IReadOnlyList<PartChecksum> parts, byte[] trailer) => new()
    {
        Path = path,
        Format = ImageFormat.LightVM,
        FormatVersion = ImageLayout.Version,
        State = ImageState.Whole,
        Length = parts[^1].Offset + parts[^1].Length + ImageLayout.TrailerSize,
        Name = config.Name,
        Uuid = config.Uuid,
        Type = config.Type,
        MemoryMiB = config.MemoryMiB,
        VcpuCount = config.VcpuCount,
        XenVersion = facts.XenVersion,
        SavedTime = facts.SavedTime,
        HostName = facts.HostName,
        DevicesInUse = facts.DevicesInUse,
        Config = config,
        Parts =
        [
            .. ImageLayout.PartNames.Zip(parts, (name, part) => new ImagePart(name, part.Offset, part.Length, ImageLayout.Text(part.Checksum), true)),
            new ImagePart("trailer", parts[^1].Offset + parts[^1].Length, trailer.Length, ImageLayout.Text(ImageLayout.ChecksumOf(trailer)), true),
        ],
    };

    /// <summary>What libxc wrote beyond the end of its stream.</summary>
    private protected static LvmException TooMuch(long count) => new(ErrorIds.StreamInvalid, $"libxc wrote {count} bytes after the end of the guest's state");
}
