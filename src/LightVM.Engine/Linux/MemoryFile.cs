using Microsoft.Win32.SafeHandles;

namespace LightVM.Linux;

/// <summary>A file that is in memory alone, and gone with its last descriptor.</summary>
internal static class MemoryFile
{
    /// <param name="name">Shown in /proc/PID/fd, for whoever wonders.</param>
    public static SafeFileHandle Create(string name)
    {
        var file = Libc.CreateMemoryFile(name, Libc.MemoryFileCloseOnExec);
        return file >= 0 ? new SafeFileHandle(file, ownsHandle: true) : throw Libc.Failure("memfd_create");
    }

    /// <summary>Puts the file's position back to its begin.</summary>
    public static void Rewind(SafeFileHandle file)
    {
        if (Libc.Seek((int)file.DangerousGetHandle(), 0, Libc.SeekFromBegin) < 0) throw Libc.Failure("lseek");
    }
}
