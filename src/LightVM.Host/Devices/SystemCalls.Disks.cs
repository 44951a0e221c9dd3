using System.Runtime.InteropServices;
using LightVM.Configuration;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Host.Devices;

/// <summary>Disks: their locks, and reading and writing them from several threads.</summary>
internal static unsafe partial class SystemCalls
{
    public const int OpenDirect = 0x4000;

    private const int SharedLock = 1;
    private const int ExclusiveLock = 2;
    private const int WithoutWaiting = 4;
    private const int LockTries = 10;
    private static readonly TimeSpan LockPause = TimeSpan.FromMilliseconds(20);

    /// <summary>
    /// Says by a lock (flock(2)) that a disk is in use, by one alone or by several who only read; it goes with the file. False where that does
    /// not go together with what others have said. A device manager has locks for moments: those are waited for.
    /// </summary>
    public static bool TryLockDisk(SafeFileHandle disk, DiskAccess access)
    {
        for (var tries = 1; Lock(disk, (access == DiskAccess.ReadWrite ? ExclusiveLock : SharedLock) | WithoutWaiting) != 0; tries++)
        {
            // What cannot be locked at all, as on some file systems of other hosts, is not.
            if (Marshal.GetLastPInvokeError() != LightVM.Linux.Libc.EAGAIN) return true;
            if (tries == LockTries) return false;
            Thread.Sleep(LockPause);
        }

        return true;
    }

    [LibraryImport("libc", EntryPoint = "preadv", SetLastError = true)]
    public static partial nint ReadAt(SafeFileHandle file, Piece* pieces, int count, long offset);

    [LibraryImport("libc", EntryPoint = "pwritev", SetLastError = true)]
    public static partial nint WriteAt(SafeFileHandle file, Piece* pieces, int count, long offset);

    [LibraryImport("libc", EntryPoint = "fdatasync", SetLastError = true)]
    public static partial int SynchronizeData(SafeFileHandle file);

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    public static partial int Allocate(SafeFileHandle file, int mode, long offset, long length);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int Lock(SafeFileHandle file, int operation);

    /// <summary>struct iovec.</summary>
    public struct Piece
    {
        public byte* Start;
        public nuint Length;
    }
}
