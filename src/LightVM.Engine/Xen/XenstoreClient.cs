using System.Runtime.InteropServices;
using System.Text;
using LightVM.Errors;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Xen;

/// <summary>
/// One connection to Xenstore, by libxenstore, for all that need not be quick (<see cref="XenstorePipeline"/>). Members may be called
/// from several threads: the library queues them.
/// Every failure is an <see cref="LvmException"/> that names the operation and the path.
/// </summary>
internal sealed partial class XenstoreClient : IDisposable
{
    /// <summary>No transaction.</summary>
    public const uint None = 0;

    /// <summary>Over the daemon's socket only: the kernel's device would wait without end for a daemon that does not run.</summary>
    private const ulong OpenSocketOnly = 1 << 1;

    private readonly Handle _handle;

    private XenstoreClient(Handle handle)
    {
        _handle = handle;
    }

    /// <summary>Opens a connection. Errors: XenLibraryMissing, XenstoreUnavailable, XenNotPrivileged.</summary>
    public static XenstoreClient Open()
    {
        var handle = NativeLibraries.Require(() => OpenStore(OpenSocketOnly));
        if (!handle.IsInvalid) return new XenstoreClient(handle);
        var errno = Marshal.GetLastPInvokeError();
        handle.Dispose();
        var id = errno is ErrnoText.EACCES or ErrnoText.EPERM ? ErrorIds.XenNotPrivileged : ErrorIds.XenstoreUnavailable;
        throw new LvmException(id, "Xenstore cannot be reached") { Errno = errno };
    }

    /// <summary>The value of a node; null when there is no such node.</summary>
    public unsafe string? Read(string path, uint transaction = None)
    {
        var value = Read(_handle, transaction, path, out var length);
        if (value == null)
        {
            var errno = Marshal.GetLastPInvokeError();
            return errno == ErrnoText.ENOENT ? null : throw Failure("read", path, errno);
        }

        try
        {
            return Encoding.UTF8.GetString(value, (int)length);
        }
        finally
        {
            NativeMemory.Free(value);
        }
    }

    /// <summary>The names of a node's children; none when there is no such node.</summary>
    public unsafe IReadOnlyList<string> List(string path, uint transaction = None)
    {
        var entries = ListDirectory(_handle, transaction, path, out var count);
        if (entries == null)
        {
            var errno = Marshal.GetLastPInvokeError();
            return errno == ErrnoText.ENOENT ? [] : throw Failure("list", path, errno);
        }

        var names = new string[count];
        for (var i = 0; i < names.Length; i++) names[i] = Marshal.PtrToStringUTF8((IntPtr)entries[i])!;
        NativeMemory.Free(entries);
        return names;
    }

    /// <summary>Writes a node.</summary>
    public void Write(string path, string value, uint transaction = None)
    {
        var bytes = Encoding.UTF8.GetBytes(value);
        if (!Write(_handle, transaction, path, bytes, (uint)bytes.Length)) throw Failure("write", path, Marshal.GetLastPInvokeError());
    }

    /// <summary>Removes a node and all below it. One that does not exist is no error.</summary>
    public void Remove(string path, uint transaction = None)
    {
        if (Remove(_handle, transaction, path)) return;
        var errno = Marshal.GetLastPInvokeError();
        if (errno != ErrnoText.ENOENT) throw Failure("remove", path, errno);
    }

    /// <summary>Does several writes as one: all of them or none. Done again when somebody else changed the same nodes meanwhile.</summary>
    public void InTransaction(Action<uint> writes)
    {
        const int Tries = 32;
        for (var attempt = 1; ; attempt++)
        {
            var transaction = StartTransaction(_handle);
            if (transaction == None) throw Failure("begin a transaction", null, Marshal.GetLastPInvokeError());
            try
            {
                writes(transaction);
            }
            catch
            {
                EndTransaction(_handle, transaction, abort: true);
                throw;
            }

            if (EndTransaction(_handle, transaction, abort: false)) return;
            var errno = Marshal.GetLastPInvokeError();
            if (errno != ErrnoText.EAGAIN || attempt == Tries) throw Failure("commit a transaction", null, errno);
        }
    }

    /// <summary>Tells the store that a guest runs again which it has seen suspended.</summary>
    public void NoteResumed(uint domain)
    {
        if (!Resume(_handle, domain)) throw Failure($"resume domain {domain}", null, Marshal.GetLastPInvokeError());
    }

    /// <summary>Asks to be told of every change below a path. The changes are read by <see cref="TryReadEvent"/>.</summary>
    public void Watch(string path, string token)
    {
        if (!Watch(_handle, path, token)) throw Failure("watch", path, Marshal.GetLastPInvokeError());
    }

    /// <summary>The path of a change that has arrived; false when none has. Does not wait.</summary>
    public unsafe bool TryReadEvent(out string path)
    {
        var entry = CheckWatch(_handle);
        path = "";
        if (entry == null)
        {
            var errno = Marshal.GetLastPInvokeError();
            return errno == ErrnoText.EAGAIN ? false : throw Failure("read watch events", null, errno);
        }

        path = Marshal.PtrToStringUTF8((IntPtr)entry[0])!;
        NativeMemory.Free(entry);
        return true;
    }

    /// <summary>Waits for a change to arrive; false when none did in time.</summary>
    public bool WaitForEvent(TimeSpan timeout)
    {
        var poll = new PollDescriptor { Descriptor = GetFileNumber(_handle), Events = PollIn };
        return Poll(ref poll, 1, (int)timeout.TotalMilliseconds) > 0;
    }

    public void Dispose() => _handle.Dispose();

    private static LvmException Failure(string operation, string? path, int errno) =>
        new(errno is ErrnoText.EACCES or ErrnoText.EPERM ? ErrorIds.XenNotPrivileged : ErrorIds.StoreFailure,
            path is null ? $"Xenstore refused to {operation}" : $"Xenstore refused to {operation} '{path}'")
        {
            Errno = errno,
        };

    [LibraryImport(NativeLibraries.Store, EntryPoint = "xs_open", SetLastError = true)]
    private static partial Handle OpenStore(ulong flags);

    [LibraryImport(NativeLibraries.Store, EntryPoint = "xs_close")]
    private static partial void CloseStore(IntPtr handle);

    [LibraryImport(NativeLibraries.Store, EntryPoint = "xs_read", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial byte* Read(Handle handle, uint transaction, string path, out uint length);

    [LibraryImport(NativeLibraries.Store, EntryPoint = "xs_directory", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial byte** ListDirectory(Handle handle, uint transaction, string path, out uint count);

    [LibraryImport(NativeLibraries.Store, EntryPoint = "xs_write", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [return: MarshalAs(UnmanagedType.U1)]
    private static partial bool Write(Handle handle, uint transaction, string path, byte[] value, uint length);

    [LibraryImport(NativeLibraries.Store, EntryPoint = "xs_rm", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [return: MarshalAs(UnmanagedType.U1)]
    private static partial bool Remove(Handle handle, uint transaction, string path);

    [LibraryImport(NativeLibraries.Store, EntryPoint = "xs_transaction_start", SetLastError = true)]
    private static partial uint StartTransaction(Handle handle);

    [LibraryImport(NativeLibraries.Store, EntryPoint = "xs_transaction_end", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.U1)]
    private static partial bool EndTransaction(Handle handle, uint transaction, [MarshalAs(UnmanagedType.U1)] bool abort);

    [LibraryImport(NativeLibraries.Store, EntryPoint = "xs_resume_domain", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.U1)]
    private static partial bool Resume(Handle handle, uint domain);

    [LibraryImport(NativeLibraries.Store, EntryPoint = "xs_watch", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [return: MarshalAs(UnmanagedType.U1)]
    private static partial bool Watch(Handle handle, string path, string token);

    [LibraryImport(NativeLibraries.Store, EntryPoint = "xs_check_watch", SetLastError = true)]
    private static unsafe partial byte** CheckWatch(Handle handle);

    [LibraryImport(NativeLibraries.Store, EntryPoint = "xs_fileno")]
    private static partial int GetFileNumber(Handle handle);

    private const short PollIn = 1;

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(ref PollDescriptor descriptors, ulong count, int timeoutMilliseconds);

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }

    private sealed class Handle() : SafeHandleZeroOrMinusOneIsInvalid(ownsHandle: true)
    {
        protected override bool ReleaseHandle()
        {
            CloseStore(handle);
            return true;
        }
    }
}
