using System.Runtime.InteropServices;

namespace LightVM.Host.Devices;

/// <summary>Memory of devices, and waiting for many files at once.</summary>
internal static unsafe partial class SystemCalls
{
    public const int ProtectRead = 1;
    public const int ProtectWrite = 2;
    public const int MapShared = 1;

    public const int EventAdd = 1;
    public const int EventRemove = 2;
    public const int EventChange = 3;
    public const uint EventReadable = 1;
    public const uint EventBroken = 8 | 16;

    public static readonly IntPtr MapFailed = -1;

    /// <summary>The number that pidfd_send_signal has on every architecture.</summary>
    private const long SendSignalCall = 424;

    /// <summary>The number that pidfd_getfd has on every architecture.</summary>
    private const long TakeFileCall = 438;

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    public static partial IntPtr Map(IntPtr address, nuint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    public static partial int Unmap(IntPtr address, nuint length);

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    public static partial int NewEventSet(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    public static partial int ChangeEventSet(int set, int operation, int file, in FileEvent wanted);

    [LibraryImport("libc", EntryPoint = "epoll_wait", SetLastError = true)]
    public static partial int AwaitEvents(int set, FileEvent* events, int most, int milliseconds);

    [LibraryImport("libc", EntryPoint = "mkfifo", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int NewFifo(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Control(int file, nuint request, void* argument);

    /// <summary>A file of another process's, opened here as well; negative on failure.</summary>
    public static int TakeFile(int pidFile, int number) => (int)SystemCall(TakeFileCall, pidFile, number, 0, 0);

    /// <summary>Sends a signal to the process that is meant, even if its number is in use again; negative on failure.</summary>
    public static int SendSignal(int pidFile, int signal) => (int)SystemCall(SendSignalCall, pidFile, signal, 0, 0);

    [LibraryImport("libc", EntryPoint = "syscall", SetLastError = true)]
    private static partial long SystemCall(long call, long first, long second, long third, long fourth);

    /// <summary>struct epoll_event of x86-64.</summary>
    [StructLayout(LayoutKind.Sequential, Pack = 1)]
    public struct FileEvent
    {
        public uint Events;
        public ulong Data;
    }
}
