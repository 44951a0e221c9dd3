using LightVM.Configuration;
using LightVM.Errors;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Images;

/// <summary>An image in a file, all of which was found to be whole.</summary>
internal sealed class ImageFileReader : ImageReader
{
    public ImageFileReader(SafeFileHandle file, string path, ImageInspection inspection)
    {
        Handle = file;
        Image = inspection.Describe(path);
        Stream = inspection.Stream;
        if (Libc.Seek((int)file.DangerousGetHandle(), inspection.Head.StreamOffset, Libc.SeekFromBegin) < 0) throw Libc.Failure("lseek");
    }

    public override DomainImage Image { get; }

    public override DomainConfig Config => Image.Config!;

    public override MigrationStream Stream { get; }

    public override SafeFileHandle Handle { get; }

    public override LvmException? Problem => null;

    public override void Complete()
    {
        // It was, before it was opened.
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) Handle.Dispose();
    }
}
