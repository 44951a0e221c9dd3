using LightVM.Configuration;
using LightVM.Devices;
using LightVM.Errors;
using LightVM.Images;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Pools;

/// <summary>A saved image in memory, all of which was looked at once, and which can be restored from as often as wanted, by several at once.</summary>
internal sealed class PoolImage : IDisposable
{
    private readonly SafeFileHandle _memory;
    private readonly long _stream;

    private PoolImage(SafeFileHandle memory, long stream, ImageReader image, string stamp)
    {
        Stamp = stamp;
        _memory = memory;
        _stream = stream;
        Config = image.Config;
        InUse = (image.Image.DevicesInUse ?? []).Where(device => device.Kind == DeviceKind.Network).Select(device => device.Id).ToArray();
    }

    public DomainConfig Config { get; }

    /// <summary>Of the file that was read (<see cref="PoolFlavour.Stamp"/>).</summary>
    public string Stamp { get; }

    /// <summary>Numbers of the interfaces that its guest has in use.</summary>
    public IReadOnlyList<int> InUse { get; }

    /// <summary>Reads an image. Errors: ImageNotFound, ImageUnreadable, ImageInvalid, ImageUnsupported.</summary>
    public static PoolImage Load(PoolFlavour flavour)
    {
        var (path, stamp) = (flavour.Image!, flavour.Stamp());
        var memory = MemoryFile.Create("lightvm-pool");
        try
        {
            Copy(path, memory);
            using var image = ImageReader.Open(PathOf(memory));
            const int FromHere = 1;
            return new PoolImage(memory, Libc.Seek((int)image.Handle.DangerousGetHandle(), 0, FromHere), image, stamp);
        }
        catch
        {
            memory.Dispose();
            throw;
        }
    }

    /// <summary>The guest's memory and vCPUs, for one who restores it: with a place in it of its own.</summary>
    public SafeFileHandle OpenStream()
    {
        var descriptor = Libc.Open(PathOf(_memory), Libc.OpenCloseOnExec);
        if (descriptor < 0) throw new LvmException(ErrorIds.ImageUnreadable, "the image in memory cannot be opened", Libc.Failure("open"));
        var stream = new SafeFileHandle(descriptor, ownsHandle: true);
        if (Libc.Seek(descriptor, _stream, Libc.SeekFromBegin) == _stream) return stream;
        stream.Dispose();
        throw new LvmException(ErrorIds.ImageUnreadable, "the image in memory cannot be read", Libc.Failure("lseek"));
    }

    public void Dispose() => _memory.Dispose();

    private static void Copy(string path, SafeFileHandle memory)
    {
        try
        {
            using var image = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            using var copy = new FileStream(new SafeFileHandle(memory.DangerousGetHandle(), ownsHandle: false), FileAccess.Write, bufferSize: 0);
            image.CopyTo(copy, 1 << 20);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new LvmException(ErrorIds.ImageNotFound, $"'{path}' does not exist", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new LvmException(ErrorIds.ImageUnreadable, $"'{path}' cannot be read: {error.Message.TrimEnd('.')}", error);
        }
    }

    private static string PathOf(SafeFileHandle memory) => $"/proc/self/fd/{memory.DangerousGetHandle()}";
}
