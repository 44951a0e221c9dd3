using System.Runtime.InteropServices;
using LightVM.Errors;
using Microsoft.Win32.SafeHandles;

namespace LightVM.Linux;

/// <summary>
/// A file that gets its name when all of it is there. Until then it has none, and whoever writes it may be killed: nothing is left. Where
/// the file system has no files without names, it has a temporary one beside the one that it shall have.
/// </summary>
internal sealed class NewFile : IDisposable
{
    private const uint OwnerOnly = 0x180; // rw-------

    private readonly string _path;
    private string? _temporary;

    /// <summary>Begins a file that its owner alone may read.</summary>
    /// <param name="path">What it shall be called.</param>
    /// <exception cref="IOException">It cannot be.</exception>
    public NewFile(string path)
    {
        _path = path;
        var folder = Path.GetDirectoryName(path)!;
        var descriptor = Libc.Open(folder, Libc.OpenTemporary | Libc.OpenReadWrite | Libc.OpenCloseOnExec, OwnerOnly);
        if (descriptor < 0 && Marshal.GetLastPInvokeError() is ErrnoText.EOPNOTSUPP or ErrnoText.EISDIR or ErrnoText.EINVAL)
        {
            _temporary = TemporaryIn(folder);
            descriptor = Libc.Open(_temporary, Libc.OpenCreate | Libc.OpenExclusive | Libc.OpenReadWrite | Libc.OpenCloseOnExec, OwnerOnly);
        }

        if (descriptor < 0)
        {
            _temporary = null;
            throw Libc.Failure("open");
        }

        Handle = new SafeFileHandle(descriptor, ownsHandle: true);
    }

    public SafeFileHandle Handle { get; }

    /// <summary>Gives it its name, at once for everybody who looks.</summary>
    /// <param name="overwrite">Whether a file of that name is replaced.</param>
    /// <exception cref="IOException">There is a file of that name, or it cannot be.</exception>
    public void Name(bool overwrite)
    {
        if (_temporary is null)
        {
            if (!overwrite)
            {
                Link(_path);
                return;
            }

            // Only what has a name can take the place of another.
            var name = TemporaryIn(Path.GetDirectoryName(_path)!);
            Link(name);
            _temporary = name;
        }

        Name(_temporary, _path, overwrite);
        _temporary = null;
    }

    /// <summary>Renames a file within its folder, at once for everybody who looks.</summary>
    /// <param name="overwrite">Whether a file of that name is replaced. Where not, of many who do this one succeeds, which .NET's own move leaves open.</param>
    /// <exception cref="IOException">There is a file of that name, or it cannot be.</exception>
    public static void Name(string temporary, string path, bool overwrite)
    {
        if (!overwrite)
        {
            if (Libc.Link(temporary, path) == 0)
            {
                File.Delete(temporary);
                return;
            }

            // Some file systems have no links: then there is only the other way.
            if (Marshal.GetLastPInvokeError() is Libc.EEXIST) throw new IOException($"'{path}' exists already");
        }

        File.Move(temporary, path, overwrite);
    }

    /// <summary>Closes it; one without its name is gone.</summary>
    public void Dispose()
    {
        Handle.Dispose();
        if (_temporary is not null) File.Delete(_temporary);
    }

    /// <summary>Short, for the name that it shall have may be as long as names can be.</summary>
    private static string TemporaryIn(string folder) => Path.Combine(folder, $".lightvm-{Path.GetRandomFileName()}");

    private void Link(string path)
    {
        // By way of /proc, which takes no privilege (open(2), O_TMPFILE).
        if (Libc.LinkAt(Libc.CurrentDirectory, $"/proc/self/fd/{Handle.DangerousGetHandle()}", Libc.CurrentDirectory, path, Libc.FollowLinks) == 0) return;
        if (Marshal.GetLastPInvokeError() is Libc.EEXIST) throw new IOException($"'{path}' exists already");
        throw Libc.Failure("linkat");
    }
}
