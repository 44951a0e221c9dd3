using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Host.Devices;

/// <summary>The calls of libc that the daemon needs and .NET does not offer.</summary>
internal static partial class SystemCalls
{
    public const int OpenReadOnly = 0;
    public const int OpenReadWrite = 2;
    public const int OpenExclusive = 0x80;
    public const int OpenNonBlocking = 0x800;
    public const int OpenCloseOnExec = 0x80000;

    private const int CurrentFolder = -100;
    private const int EmptyPath = 0x1000;
    private const uint StatBasic = 0x7ff;
    private const int ResourceFiles = 7;

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial SafeFileHandle Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int Control(SafeHandle file, nuint request, nint argument);

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static unsafe partial int Control(SafeHandle file, nuint request, void* argument);

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    public static partial SafeFileHandle NewSocket(int family, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "chown", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int ChangeOwner(string path, int user, uint group);

    /// <summary>What a path leads to; false with an errno where it leads nowhere.</summary>
    public static bool TryStat(string path, out FileStatus status) => Stat(CurrentFolder, path, 0, StatBasic, out status) == 0;

    /// <summary>What an open file is.</summary>
    public static FileStatus Stat(SafeFileHandle file)
    {
        var added = false;
        try
        {
            file.DangerousAddRef(ref added);
            return Stat((int)file.DangerousGetHandle(), "", EmptyPath, StatBasic, out var status) == 0
                ? status
                : throw new IOException(Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError()));
        }
        finally
        {
            if (added) file.DangerousRelease();
        }
    }

    /// <summary>Allows this process as many open files as the system lets it have.</summary>
    public static void RaiseFileLimit()
    {
        if (GetLimit(ResourceFiles, out var limit) != 0) return;
        limit.Soft = limit.Hard;
        _ = SetLimit(ResourceFiles, limit);
    }

    /// <summary>The id of a group; null where there is none of this name.</summary>
    public static unsafe uint? GroupId(string name)
    {
        var group = GetGroup(name);
        return group == null ? null : group->Id;
    }

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Stat(int folder, string path, int flags, uint mask, out FileStatus status);

    [LibraryImport("libc", EntryPoint = "getrlimit")]
    private static partial int GetLimit(int resource, out ResourceLimit limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimit(int resource, in ResourceLimit limit);

    [LibraryImport("libc", EntryPoint = "getgrnam", StringMarshalling = StringMarshalling.Utf8)]
    private static unsafe partial Group* GetGroup(string name);

    /// <summary>struct statx (linux/stat.h): the same on all machines.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct FileStatus
    {
        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(40)]
        public ulong Size;

        /// <summary>Of a device node: which device.</summary>
        [FieldOffset(128)]
        public uint DeviceMajor;

        [FieldOffset(132)]
        public uint DeviceMinor;

        /// <summary>Of a file: the file system it is on.</summary>
        [FieldOffset(136)]
        public uint FileSystemMajor;

        [FieldOffset(140)]
        public uint FileSystemMinor;

        public readonly bool IsBlockDevice => (Mode & 0xf000) == 0x6000;

        public readonly bool IsRegularFile => (Mode & 0xf000) == 0x8000;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ResourceLimit
    {
        public ulong Soft;
        public ulong Hard;
    }

    /// <summary>struct group.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct Group
    {
        public IntPtr Name;
        public IntPtr Password;
        public uint Id;
        public IntPtr Members;
    }
}
