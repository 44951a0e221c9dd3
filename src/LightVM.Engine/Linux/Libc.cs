using System.Runtime.InteropServices;
using LightVM.Errors;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Linux;

/// <summary>The calls of libc that files, terminals and waiting need and .NET does not offer.</summary>
internal static partial class Libc
{
    public const int OpenReadOnly = 0;
    public const int OpenWriteOnly = 1;
    public const int OpenReadWrite = 2;
    public const int OpenCreate = 0x40;
    public const int OpenTruncate = 0x200;
    public const int OpenExclusive = 0x80;
    public const int OpenNoControllingTerminal = 0x100;
    public const int OpenNonBlocking = 0x800;
    public const int OpenCloseOnExec = 0x80000;

    /// <summary>A file without a name; the path is that of a folder (O_TMPFILE, with O_DIRECTORY in it).</summary>
    public const int OpenTemporary = 0x410000;

    /// <summary>Paths begin at the current directory (AT_FDCWD).</summary>
    public const int CurrentDirectory = -100;

    /// <summary>What is linked to is linked, not the link (AT_SYMLINK_FOLLOW).</summary>
    public const int FollowLinks = 0x400;

    public const short PollIn = 1;
    public const short PollOut = 4;
    public const short PollError = 8;
    public const short PollHangUp = 16;

    public const int EINTR = 4;
    public const int EIO = 5;
    public const int EAGAIN = 11;
    public const int EACCES = 13;
    public const int EEXIST = 17;
    public const int ESRCH = 3;
    public const int EPIPE = 32;

    /// <summary>tcsetattr: change when all that was written has been sent.</summary>
    public const int SetWhenDrained = 1;

    /// <summary>As threads begin (SCHED_OTHER).</summary>
    public const int UsualScheduling = 0;

    /// <summary>Threads that do not take the processor from others when they are woken (SCHED_BATCH).</summary>
    public const int BatchScheduling = 3;

    public const uint MemoryFileCloseOnExec = 1;

    public const int SeekFromBegin = 0;

    /// <summary>lseek: to the first byte, from an offset on, that is not in a hole.</summary>
    public const int SeekData = 3;

    /// <summary>fallocate: make a hole, and leave the file as long as it is.</summary>
    public const int KeepSizeAndPunchHole = 1 | 2;

    public const int GetFlags = 3;
    public const int SetFlags = 4;
    public const int DuplicateCloseOnExec = 1030;
    public const int SetPipeSize = 1031;
    public const int GetPipeSize = 1032;

    /// <summary>shutdown: no more is sent.</summary>
    public const int NoMoreSending = 1;

    public const int GetLock = 5;
    public const int SetLock = 6;
    public const short WriteLock = 1;
    public const short Unlock = 2;

    public const uint Modified = 2;
    public const uint AttributesChanged = 4;
    public const uint WriterClosed = 8;
    public const uint MovedOut = 0x40;
    public const uint MovedIn = 0x80;
    public const uint Deleted = 0x200;
    public const uint EventsLost = 0x4000;

    /// <summary>The number that pidfd_open has on every architecture.</summary>
    private const long PidFileCall = 434;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Open(string path, int flags, uint mode = 0);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int process, int signal);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int file);

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static unsafe partial nint Read(int file, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static unsafe partial nint Write(int file, byte* buffer, nuint size);

    /// <summary>As above; the file stays open at least until the call is over, whoever closes it.</summary>
    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static unsafe partial nint Read(SafeFileHandle file, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static unsafe partial nint Write(SafeFileHandle file, byte* buffer, nuint size);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static unsafe partial int DeviceControl(SafeFileHandle file, nuint call, void* argument);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    public static unsafe partial int Poll(PollFile* files, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    public static partial int EventFile(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    public static partial long Seek(int file, long offset, int from);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    public static partial int Allocate(int file, int mode, long offset, long length);

    [LibraryImport("libc", EntryPoint = "fchmod", SetLastError = true)]
    public static partial int ChangeMode(int file, uint mode);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    public static partial int Synchronize(int file);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int FileLock(int file, int operation, ref RecordLock range);

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Control(int file, int operation, int argument);

    [LibraryImport("libc", EntryPoint = "dup3", SetLastError = true)]
    public static partial int DuplicateTo(int file, int number, int flags);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Link(string path, string another);

    [LibraryImport("libc", EntryPoint = "linkat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int LinkAt(int folder, string path, int otherFolder, string another, int flags);

    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Rename(string path, string another);

    [LibraryImport("libc", EntryPoint = "symlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int SymbolicLink(string target, string path);

    [LibraryImport("libc", EntryPoint = "readlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static unsafe partial nint ReadLink(string path, byte* target, nuint size);

    [LibraryImport("libc", EntryPoint = "unlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Unlink(string path);

    /// <summary>Of the calling thread, where <paramref name="who"/> is 0 and <paramref name="which"/> is (PRIO_PROCESS).</summary>
    [LibraryImport("libc", EntryPoint = "setpriority", SetLastError = true)]
    public static partial int SetPriority(int which, uint who, int niceness);

    /// <summary>Of the calling thread, where <paramref name="thread"/> is 0. Negative on failure.</summary>
    [LibraryImport("libc", EntryPoint = "sched_getscheduler", SetLastError = true)]
    public static partial int GetScheduler(int thread);

    /// <summary>Of the calling thread, where <paramref name="thread"/> is 0; <paramref name="parameter"/> is a struct sched_param.</summary>
    [LibraryImport("libc", EntryPoint = "sched_setscheduler", SetLastError = true)]
    public static partial int SetScheduler(int thread, int policy, in int parameter);

    /// <summary>The number of the calling thread.</summary>
    [LibraryImport("libc", EntryPoint = "gettid")]
    public static partial int ThreadNumber();

    [LibraryImport("libc", EntryPoint = "timerfd_create", SetLastError = true)]
    public static partial int NewTimer(int clock, int flags);

    [LibraryImport("libc", EntryPoint = "timerfd_settime", SetLastError = true)]
    public static partial int SetTimer(int file, int flags, in TimerSetting setting, IntPtr former);

    [LibraryImport("libc", EntryPoint = "memfd_create", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int CreateMemoryFile(string name, uint flags);

    /// <param name="ends">Two numbers: the end to read from, the end to write to.</param>
    [LibraryImport("libc", EntryPoint = "pipe2", SetLastError = true)]
    public static unsafe partial int Pipe(int* ends, int flags);

    [LibraryImport("libc", EntryPoint = "shutdown", SetLastError = true)]
    public static partial int Shutdown(int socket, int how);

    [LibraryImport("libc", EntryPoint = "inotify_init1", SetLastError = true)]
    public static partial int NotificationFile(int flags);

    [LibraryImport("libc", EntryPoint = "inotify_add_watch", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int AddWatch(int notifications, string path, uint events);

    [LibraryImport("libc", EntryPoint = "inotify_rm_watch", SetLastError = true)]
    public static partial int RemoveWatch(int notifications, int watch);

    [LibraryImport("libc", EntryPoint = "isatty")]
    public static partial int IsTerminal(int file);

    [LibraryImport("libc", EntryPoint = "tcgetattr", SetLastError = true)]
    public static partial int GetTerminal(int file, ref TerminalSettings settings);

    [LibraryImport("libc", EntryPoint = "tcsetattr", SetLastError = true)]
    public static partial int SetTerminal(int file, int when, ref TerminalSettings settings);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    public static partial void MakeRaw(ref TerminalSettings settings);

    /// <summary>A file that can be read from as soon as a process has ended, and all it held is let go of. Negative on failure.</summary>
    public static int PidFile(int process) => (int)SystemCall(PidFileCall, process, 0);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SystemCall(long number, long first, long second);

    /// <summary>Has what was written to a file, or the names in a folder, on its disk. A pipe has none, and some file systems of the network know nothing of this: there nothing is done.</summary>
    /// <exception cref="IOException">The disk failed.</exception>
    public static void SynchronizeIfItCan(int file)
    {
        if (Synchronize(file) != 0 && Marshal.GetLastPInvokeError() is not (ErrnoText.EINVAL or ErrnoText.EOPNOTSUPP)) throw Failure("fsync");
    }

    /// <summary>"poll: Bad file descriptor", of the call that has just failed.</summary>
    public static IOException Failure(string call)
    {
        var errno = Marshal.GetLastPInvokeError();
        return new IOException($"{call}: {Marshal.GetPInvokeErrorMessage(errno)}");
    }

    /// <summary>struct itimerspec, of a timer that does not repeat.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct TimerSetting
    {
        private readonly long _intervalSeconds;
        private readonly long _intervalNanoseconds;
        public long Seconds;
        public long Nanoseconds;
    }

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct PollFile
    {
        public int File;
        public short Events;
        public short Happened;
    }

    /// <summary>struct flock of a 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct RecordLock
    {
        public short Type;
        public short From;
        public long Start;
        public long Length;
        public int Process;
    }

    /// <summary>struct inotify_event, before the name.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Notification
    {
        public int Watch;
        public uint Events;
        public uint Cookie;
        public uint NameLength;
    }

    /// <summary>struct termios, which nobody here looks into: 60 bytes with glibc and musl on x86-64, and room to spare.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    public struct TerminalSettings;
}
