using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Linux;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Consoles;

/// <summary>
/// What a guest has written, as far as it is kept: a file to which one process appends, and which all read. Offsets only grow. What is
/// too old becomes a hole, so that the file takes no more than its limit.
/// </summary>
/// <remarks>
/// One descriptor for all: the lock, which is the process's and not the descriptor's, goes with the first descriptor of the file that is
/// closed. So a process has one object of a file at a time.
/// </remarks>
internal sealed class SpoolFile : IDisposable
{
    /// <summary>What is kept of a console, bytes: as much as xenconsoled keeps.</summary>
    public const int DefaultLimit = 1 << 20;

    /// <summary>How much is given up at a time, bytes: whole blocks of any file system.</summary>
    public const int DefaultGrain = 1 << 16;

    private const uint OnlyOwner = 0x180; // rw-------

    private readonly string _path;
    private readonly long _limit;
    private readonly long _grain;
    private readonly SafeFileHandle _file;
    private long _start;

    private SpoolFile(string path, SafeFileHandle file, long limit, long grain)
    {
        _path = path;
        _file = file;
        _limit = limit;
        _grain = grain;
        Measure();
    }

    /// <summary>The offset behind the last byte, as of the last call.</summary>
    public long End { get; private set; }

    /// <summary>A path that leads to this very file, even when it has no name any more.</summary>
    public string DescriptorPath => $"/proc/self/fd/{Descriptor}";

    /// <summary>Whether the file was removed: the domain it belongs to has ended.</summary>
    public bool IsRemoved => File.ResolveLinkTarget(DescriptorPath, returnFinalTarget: false)?.Name.EndsWith(" (deleted)", StringComparison.Ordinal) == true;

    private int Descriptor => (int)_file.DangerousGetHandle();

    /// <summary>Opens a spool, and makes it where there is none. Errors: HostFileFailure.</summary>
    public static SpoolFile Open(string path, long limit = DefaultLimit, long grain = DefaultGrain)
    {
        var file = Libc.Open(path, Libc.OpenReadWrite | Libc.OpenCreate | Libc.OpenCloseOnExec, OnlyOwner);
        if (file < 0) throw new LvmException(ErrorIds.HostFileFailure, $"'{path}' cannot be opened") { Errno = Marshal.GetLastPInvokeError() };
        return new SpoolFile(path, new SafeFileHandle(file, ownsHandle: true), limit, grain);
    }

    /// <summary>Reads from an offset on, and moves it: over what is gone, and behind what was read. 0 at the end. Waits for nothing.</summary>
    public int Read(ref long offset, Span<byte> buffer)
    {
        while (true)
        {
            var count = RandomAccess.Read(_file, buffer, offset);
            if (count == 0) return 0;
            // Holes grow from the front: what is still there now was there when it was read, and so was all behind it.
            if (FirstData(offset) is not { } data) return 0; // all of it is gone, and what follows is not there yet
            if (data == offset)
            {
                offset += count;
                return count;
            }

            offset = data;
        }
    }

    /// <summary>Appends. Only for whoever has the lock. Errors: HostFileFailure.</summary>
    public void Append(ReadOnlySpan<byte> bytes)
    {
        try
        {
            MakeRoom(bytes.Length);
            RandomAccess.Write(_file, bytes, End);
            End += bytes.Length;
        }
        catch (IOException error)
        {
            throw new LvmException(ErrorIds.HostFileFailure, $"'{_path}' cannot be written: {error.Message.TrimEnd('.')}", error);
        }
    }

    /// <summary>Makes this process the one that appends; false when another is.</summary>
    public bool TryLock()
    {
        var range = new Libc.RecordLock { Type = Libc.WriteLock };
        if (Libc.FileLock(Descriptor, Libc.SetLock, ref range) != 0)
        {
            if (Marshal.GetLastPInvokeError() is Libc.EAGAIN or Libc.EACCES) return false;
            throw new LvmException(ErrorIds.HostFileFailure, $"'{_path}' cannot be locked") { Errno = Marshal.GetLastPInvokeError() };
        }

        Measure();
        return true;
    }

    /// <summary>Lets go of the lock, and tells all who watch the file, by a change of its attributes that changes nothing.</summary>
    public void Unlock()
    {
        var range = new Libc.RecordLock { Type = Libc.Unlock };
        _ = Libc.FileLock(Descriptor, Libc.SetLock, ref range);
        _ = Libc.ChangeMode(Descriptor, OnlyOwner);
    }

    /// <summary>The process that has the lock; null when none has, 0 when it is one that cannot be seen from here.</summary>
    public int? FindLocker()
    {
        var range = new Libc.RecordLock { Type = Libc.WriteLock };
        return Libc.FileLock(Descriptor, Libc.GetLock, ref range) != 0 || range.Type == Libc.Unlock ? null : Math.Max(range.Process, 0);
    }

    /// <summary>Removes the file's name. Those who have it open read it to its end.</summary>
    public void Remove()
    {
        if (!IsRemoved) File.Delete(_path);
    }

    public void Dispose() => _file.Dispose();

    private void MakeRoom(int count)
    {
        var excess = End + count - _start - _limit;
        if (excess <= 0) return;
        var start = Math.Min((_start + excess + _grain - 1) / _grain * _grain, End / _grain * _grain);
        if (start <= _start) return;
        if (Libc.Allocate(Descriptor, Libc.KeepSizeAndPunchHole, _start, start - _start) != 0) throw Libc.Failure("fallocate");
        _start = start;
    }

    private void Measure()
    {
        End = RandomAccess.GetLength(_file);
        _start = FirstData(0) ?? End;
    }

    /// <summary>The first offset from here on that is in no hole; null when there is none up to the end.</summary>
    private long? FirstData(long offset) => Libc.Seek(Descriptor, offset, Libc.SeekData) is >= 0 and var data ? data : null;
}
