using System.Runtime.InteropServices;
using System.Text;
using LightVM.Errors;

namespace LightVM.Linux;

/// <summary>One thing that happened in a folder.</summary>
/// <param name="Name">The file's; null where so much happened that some of it is not known any more: then the folder has to be looked at.</param>
/// <param name="IsThere">Whether it came by being renamed, or else went.</param>
internal readonly record struct FolderChange(string? Name, bool IsThere);

/// <summary>Tells which files come into a folder by being renamed, and which go (inotify(7)). For one thread at a time.</summary>
internal sealed unsafe class FolderWatch : IDisposable
{
    private const int NameOffset = 16; // struct inotify_event: watch, mask, cookie, length, name
    private readonly byte[] _buffer = new byte[16 * 1024];
    private readonly List<FolderChange> _changes = [];
    private int _file;

    /// <summary>Begins. Errors: HostFileFailure.</summary>
    /// <param name="isOfArrivals">Whether it tells only of files that come.</param>
    public FolderWatch(string folder, bool isOfArrivals = false)
    {
        _file = Libc.NotificationFile(Libc.OpenNonBlocking | Libc.OpenCloseOnExec);
        if (_file >= 0 && Libc.AddWatch(_file, folder, Libc.MovedIn | (isOfArrivals ? 0 : Libc.MovedOut | Libc.Deleted)) >= 0) return;
        var errno = Marshal.GetLastPInvokeError();
        Dispose();
        throw new LvmException(ErrorIds.HostFileFailure, $"the folder '{folder}' cannot be watched") { Errno = errno };
    }

    /// <summary>Waits until something has happened; false when nothing has in time.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public bool Wait(TimeSpan timeout, CancellationToken cancellation) => Readiness.Await(_file, timeout, cancellation);

    /// <summary>Waits until something has happened, for who does so again and again.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Wait(Readiness readiness) => readiness.Await(_file);

    /// <summary>What has happened since it was asked last, in its order; valid until the next call. Does not wait.</summary>
    public IReadOnlyList<FolderChange> Take()
    {
        _changes.Clear();
        fixed (byte* buffer = _buffer)
        {
            while (Libc.Read(_file, buffer, (nuint)_buffer.Length) is > 0 and var length) Parse(_buffer.AsSpan(0, (int)length));
        }

        return _changes;
    }

    public void Dispose()
    {
        if (_file >= 0) _ = Libc.Close(_file);
        _file = -1;
    }

    private void Parse(ReadOnlySpan<byte> events)
    {
        while (events.Length >= NameOffset)
        {
            var mask = MemoryMarshal.Read<uint>(events[4..]);
            var length = MemoryMarshal.Read<int>(events[12..]);
            if ((mask & Libc.EventsLost) != 0) _changes.Add(new FolderChange(null, false));
            else if (length > 0) _changes.Add(new FolderChange(Encoding.UTF8.GetString(events.Slice(NameOffset, length).TrimEnd((byte)0)), (mask & Libc.MovedIn) != 0));
            events = events[(NameOffset + length)..];
        }
    }
}
