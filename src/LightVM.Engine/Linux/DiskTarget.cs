using System.Runtime.InteropServices;
using LightVM.Configuration;

namespace LightVM.Linux;

/// <summary>What stands behind the path of a disk.</summary>
public static partial class DiskTarget
{
    // linux/stat.h: struct statx is the same on all machines.
    private const int CurrentDirectory = -100;
    private const uint WantsType = 1;
    private const int ModeAt = 28;
    private const int StatusSize = 256;
    private const int TypeMask = 0xf000;
    private const int BlockDevice = 0x6000;

    /// <summary>The type of disk that a path is meant as where nothing is said: a block device is one, and all else is an image file, also what is not there.</summary>
    public static DiskType TypeOf(string path)
    {
        Span<byte> status = stackalloc byte[StatusSize];
        var answer = Statx(CurrentDirectory, path, 0, WantsType, ref MemoryMarshal.GetReference(status));
        return answer == 0 && (MemoryMarshal.Read<ushort>(status[ModeAt..]) & TypeMask) == BlockDevice ? DiskType.Phy : DiskType.File;
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int directory, string path, int flags, uint mask, ref byte status);
}
