using System.Runtime.InteropServices;
using LightVM.Configuration;
using LightVM.Hypervisor;
using LightVM.Images;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Unit.Images;

/// <summary>A folder of images, gone when it is disposed of, and a libxc that writes and reads as the real one does: by descriptor, from where that stands.</summary>
internal sealed partial class ImageFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("lightvm-images-");

    public static DomainConfig Config { get; } = DomainConfig.From(new DomainConfigDraft
    {
        Name = "web1",
        MemoryMiB = 4,
        VcpuCount = 1,
        Uuid = new Guid("6b29fc40-ca47-4067-831d-00dd010662da"),
        Vifs = [new NetworkConfig("10.0.0.2", "00:16:3e:00:00:01", "xenbr0")],
        Vbds = [new DiskConfig("/dev/vg/web1", DiskType.Phy, "xvda", DiskAccess.ReadWrite)],
    });

    public static DomainConfig Pvh { get; } = DomainConfig.From(new DomainConfigDraft { Name = "pvh1", MemoryMiB = 4, VcpuCount = 1, Type = GuestType.PVH });

    public static ImageFacts Facts { get; } = new(new DateTimeOffset(2026, 3, 4, 5, 6, 7, 89, TimeSpan.Zero), "4.17.4", "host1");

    public string Path => _folder.FullName;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public DomainImage Save(string name, byte[] stream, DomainConfig? config = null, ImageFacts? facts = null)
    {
        using var writer = ImageWriter.ToFile(this[name], config ?? Config, facts ?? Facts, overwrite: true);
        WriteAsLibxc(writer.Handle, stream);
        return writer.Complete();
    }

    public static ImageReader Open(string path) => ImageReader.Open(path, TestContext.Current.CancellationToken);

    public static DomainImage Describe(string path) => ImageReader.Describe(path, TestContext.Current.CancellationToken);

    public static unsafe void WriteAsLibxc(SafeFileHandle file, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            for (nint at = 0; at < bytes.Length;)
            {
                var count = Write(file, start + at, (nuint)(bytes.Length - at));
                if (count < 0) throw new IOException(Marshal.GetLastPInvokeErrorMessage());
                at += count;
            }
        }
    }

    /// <summary>So many bytes, or all until the end.</summary>
    public static unsafe byte[] ReadAsLibxc(SafeFileHandle file, int most)
    {
        var bytes = new MemoryStream();
        var buffer = new byte[100_000];
        fixed (byte* start = buffer)
        {
            while (bytes.Length < most)
            {
                var count = Read(file, start, (nuint)Math.Min(buffer.Length, most - bytes.Length));
                if (count < 0) throw new IOException(Marshal.GetLastPInvokeErrorMessage());
                if (count == 0) break;
                bytes.Write(buffer, 0, (int)count);
            }
        }

        return bytes.ToArray();
    }

    public void Dispose() => _folder.Delete(recursive: true);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    private static unsafe partial nint Read(SafeFileHandle file, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static unsafe partial nint Write(SafeFileHandle file, byte* buffer, nuint size);
}

internal static partial class NamedPipes
{
    [LibraryImport("libc", EntryPoint = "mkfifo", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Make(string path, uint mode);
}
