using LightVM.Configuration;
using LightVM.Domains;
using LightVM.Errors;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Images;

/// <summary>An image in a file.</summary>
internal sealed class ImageFileWriter : ImageWriter
{
    private readonly string _path;
    private readonly string _target;
    private readonly bool _overwrite;
    private readonly DomainConfig _config;
    private readonly ImageFacts _facts;
    private readonly NewFile _file;
    private readonly PartChecksum[] _parts;
    private readonly long _streamOffset;
    private bool _isNamed;

    public ImageFileWriter(string path, DomainConfig config, ImageFacts facts, bool overwrite)
    {
        (_path, _config, _facts, _overwrite) = (path, config, facts, overwrite);
        var head = ImageLayout.Head(DomainConfigJson.Write(config), facts, out _parts);
        _streamOffset = head.Length;
        NewFile? file = null;
        try
        {
            _target = Target(path, overwrite);
            // A guest's memory is nobody else's business: its owner alone can read it.
            file = new NewFile(_target);
            RandomAccess.Write(file.Handle, head, 0);
            // The descriptor's own position is where libxc begins to write.
            if (Libc.Seek((int)file.Handle.DangerousGetHandle(), _streamOffset, Libc.SeekFromBegin) != _streamOffset) throw Libc.Failure("lseek");
            _file = file;
        }
        catch (Exception error) when (IsOfFiles(error))
        {
            file?.Dispose();
            throw Failure(error);
        }
    }

    public override SafeFileHandle Handle => _file.Handle;

    public override LvmException? Problem => null;

    public override DomainImage Complete(CancellationToken cancellation)
    {
        try
        {
            var end = RandomAccess.GetLength(Handle);
            var stream = new MigrationStream();
            var (checksum, refusal, length) = StreamScan.Checksum(Handle, _streamOffset, end, stream, cancellation);
            if (refusal is not null) throw refusal;
            stream.Finish();
            if (stream.Length != length) throw TooMuch(length - stream.Length);

            PartChecksum[] parts = [.. _parts, new PartChecksum(_streamOffset, length, checksum)];
            var trailer = ImageLayout.Trailer(parts);
            RandomAccess.Write(Handle, trailer, end);
            using (DomainCreation.Activities.StartActivity("save/sync")) RandomAccess.FlushToDisk(Handle);
            _file.Name(_overwrite);
            _isNamed = true;
            SynchronizeFolder();
            return Describe(_path, _config, _facts, parts, trailer);
        }
        catch (OperationCanceledException error)
        {
            throw new LvmException(ErrorIds.OperationCancelled, "the image was given up", error);
        }
        catch (Exception error) when (IsOfFiles(error))
        {
            var failure = Failure(error);
            if (_isNamed) failure.LeftBehind = $"the image '{_path}' is whole, but not yet for sure on its disk, and the domain goes on: do not restore it";
            throw failure;
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (!disposing) return;
        try
        {
            _file.Dispose();
        }
        catch (Exception error) when (IsOfFiles(error))
        {
            // The error that led here is the one to report.
        }
    }

    /// <summary>The file to replace, which is not the symbolic link that leads to it.</summary>
    private static string Target(string path, bool overwrite)
    {
        var target = Path.GetFullPath(path);
        if (new FileInfo(target).LinkTarget is not null && File.ResolveLinkTarget(target, returnFinalTarget: true) is { } link) target = link.FullName;
        if (Directory.Exists(target)) throw new IOException("it is a directory");
        // A rename would put a file in the place of /dev/null; what has a file system of its own there is a folder like any other.
        if ((target.StartsWith("/dev/", StringComparison.Ordinal) && !target.StartsWith("/dev/shm/", StringComparison.Ordinal)) || target.StartsWith("/proc/", StringComparison.Ordinal)) throw new IOException("it is not a regular file");
        if (!overwrite && File.Exists(target)) throw Exists(path);
        return target;
    }

    /// <summary>Has the new name written through to the disk, too.</summary>
    private void SynchronizeFolder()
    {
        var folder = Libc.Open(Path.GetDirectoryName(_target)!, Libc.OpenCloseOnExec);
        if (folder < 0) throw Libc.Failure("open");
        try
        {
            Libc.SynchronizeIfItCan(folder);
        }
        finally
        {
            _ = Libc.Close(folder);
        }
    }

    private LvmException Failure(Exception error) => !_overwrite && !_isNamed && File.Exists(_target) ? Exists(_path)
        : new LvmException(ErrorIds.HostFileFailure, $"'{_path}' cannot be written: {error.Message.TrimEnd('.')}", error);

    private static LvmException Exists(string path) => new(ErrorIds.ImageExists, $"'{path}' exists already");

    /// <summary>Also an empty path, or one with a NUL.</summary>
    private static bool IsOfFiles(Exception error) => error is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException;
}
