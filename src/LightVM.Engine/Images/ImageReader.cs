using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Images;

/// <summary>
/// A saved image that is about to become a domain: of ours, of Chaos or of <c>xl save</c>. Nothing in it is believed before it was
/// looked at: of a file, all of it when it is opened; of a stream, each piece before libxc gets it.
/// </summary>
public abstract class ImageReader : IDisposable
{
    /// <summary>
    /// Opens an image in a file and goes through all of it. Errors: ImageNotFound, ImageUnreadable, ImageInvalid, ImageUnsupported,
    /// OperationCancelled.
    /// </summary>
    public static ImageReader Open(string path, CancellationToken cancellation = default)
    {
        var file = OpenFile(path);
        try
        {
            var inspection = Guarded(path, () => ImageInspection.Of(file, cancellation));
            if (inspection.Refusal is { } refusal) throw refusal.Of(path);
            return new ImageFileReader(file, path, inspection);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Begins to read an image that comes by a stream: its configuration at once, the guest's state while libxc takes it. Whether all of it
    /// was whole is known only in the end: see <see cref="Complete"/>. Errors: ImageInvalid, ImageUnsupported, ImageUnreadable, HostFileFailure.
    /// </summary>
    /// <param name="source">The stream; it stays open. Whoever gives up while nothing comes closes it.</param>
    /// <param name="name">What to call it in messages.</param>
    public static ImageReader FromStream(Stream source, string name = "-") => Guarded(name, () => new ImageStreamReader(source, name));

    /// <summary>
    /// What an image in a file holds, with all of it checked; a broken one is described, as far as it goes, and no error. Errors:
    /// ImageNotFound, ImageUnreadable, OperationCancelled.
    /// </summary>
    public static DomainImage Describe(string path, CancellationToken cancellation = default)
    {
        using var file = OpenFile(path);
        return Guarded(path, () => ImageInspection.Of(file, cancellation).Describe(path));
    }

    /// <summary>What the image holds. While it comes by a stream, no more of it than has come.</summary>
    public abstract DomainImage Image { get; }

    /// <summary>What the domain is to be made of.</summary>
    public abstract DomainConfig Config { get; }

    /// <summary>What is known of the guest's state: all of it for a file; for a stream, <see cref="MigrationStream.Type"/> and what follows as it comes.</summary>
    public abstract MigrationStream Stream { get; }

    /// <summary>Where libxc reads the guest's state, from the position that it has. Nobody else reads there, or closes it.</summary>
    public abstract SafeFileHandle Handle { get; }

    /// <summary>What is wrong with an image that comes by a stream, as soon as that is known: then libxc finds its input ended.</summary>
    public abstract LvmException? Problem { get; }

    /// <summary>
    /// To be called after libxc has read all: whether the image was whole. What was made of one that was not has to be destroyed. Errors:
    /// ImageInvalid, ImageUnreadable.
    /// </summary>
    public abstract void Complete();

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);

    /// <summary>Opens a regular file, and waits for nobody: a pipe without a writer would make .NET wait.</summary>
    private static SafeFileHandle OpenFile(string path)
    {
        if (path.Length == 0 || path.Contains('\0')) throw new LvmException(ErrorIds.ImageNotFound, "there is no image without a name");
        if (Directory.Exists(path)) throw new LvmException(ErrorIds.ImageUnreadable, $"'{path}' is a directory");
        var descriptor = Libc.Open(path, Libc.OpenCloseOnExec | Libc.OpenNonBlocking);
        if (descriptor < 0)
        {
            var errno = System.Runtime.InteropServices.Marshal.GetLastPInvokeError();
            if (errno is ErrnoText.ENOENT or ErrnoText.ENOTDIR) throw new LvmException(ErrorIds.ImageNotFound, $"'{path}' does not exist");
            throw new LvmException(ErrorIds.ImageUnreadable, $"'{path}' cannot be read") { Errno = errno };
        }

        var file = new SafeFileHandle(descriptor, ownsHandle: true);
        if (Libc.Seek(descriptor, 0, Libc.SeekFromBegin) == 0) return file;
        file.Dispose();
        throw new LvmException(ErrorIds.ImageUnreadable, $"'{path}' is not a file");
    }

    private static T Guarded<T>(string path, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (ImageRefusal refusal)
        {
            throw refusal.Of(path);
        }
        catch (OperationCanceledException error)
        {
            throw new LvmException(ErrorIds.OperationCancelled, $"'{path}' was not read to its end", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or NotSupportedException or ObjectDisposedException)
        {
            throw new LvmException(ErrorIds.ImageUnreadable, $"'{path}' cannot be read: {error.Message.TrimEnd('.')}", error);
        }
    }
}
