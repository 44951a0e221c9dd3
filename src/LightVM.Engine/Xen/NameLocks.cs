using System.Security.Cryptography;
using System.Text;
using LightVM.Errors;

namespace LightVM.Xen;

/// <summary>
/// Keeps two creations from taking one name, in this process and across all that use this toolstack. Each name locks one byte of one
/// file: nothing needs to be cleaned up, and the kernel frees the locks of a process that dies.
/// </summary>
internal static class NameLocks
{
    private const string File = "/run/lightvm/names.lock";

    // The kernel's record locks belong to the process, and closing any descriptor of the file drops them all:
    // there is one descriptor, it stays open, and the set below speaks for the threads.
    private static readonly object Gate = new();
    private static readonly HashSet<string> Taken = new(StringComparer.Ordinal);
    private static FileStream? _file;

    /// <summary>Errors: DomainNameTaken, HostFileFailure.</summary>
    public static IDisposable Take(string name)
    {
        var position = PositionOf(name);
        lock (Gate)
        {
            if (!Taken.Add(name)) throw BeingTaken(name);
            try
            {
                (_file ??= OpenFile()).Lock(position, 1);
            }
            catch (IOException error)
            {
                Taken.Remove(name);
                throw _file is null ? Unusable(error) : BeingTaken(name);
            }
            catch (UnauthorizedAccessException error)
            {
                Taken.Remove(name);
                throw Unusable(error);
            }
        }

        return new Lock(name, position);
    }

    private static FileStream OpenFile()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return new FileStream(File, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
    }

    /// <summary>62 bits of the name's hash: that two names meet is less likely than a broken disk, and would only make one of them wait.</summary>
    private static long PositionOf(string name) =>
        BitConverter.ToInt64(SHA256.HashData(Encoding.UTF8.GetBytes(name))) & 0x3fff_ffff_ffff_ffff;

    private static LvmException BeingTaken(string name) =>
        new(ErrorIds.DomainNameTaken, $"another domain is just being given the name '{name}'");

    private static LvmException Unusable(Exception error) =>
        new(ErrorIds.HostFileFailure, $"'{File}' cannot be used: {error.Message.TrimEnd('.')}", error);

    private sealed class Lock(string name, long position) : IDisposable
    {
        private bool _released;

        public void Dispose()
        {
            lock (Gate)
            {
                if (_released) return;
                _released = true;
                _file!.Unlock(position, 1);
                Taken.Remove(name);
            }
        }
    }
}
