using System.Buffers.Text;
using System.Runtime.InteropServices;
using LightVM.Errors;
using LightVM.Linux;

namespace LightVM.Domains;

/// <summary>
/// By what a record in /run is found that is named by a uuid: a folder of symbolic links, each named by what only one domain can have, and leading to a
/// uuid. Such a link is made in one call, and by one of several at once.
/// </summary>
/// <param name="folder">Below <see cref="RunFolder"/>.</param>
/// <param name="fileOf">The name of the link for a key.</param>
internal sealed class RunIndex(string folder, Func<string, string> fileOf)
{
    private const int UuidLength = 36;

    private readonly string _folder = Path.Combine(RunFolder.Path, folder);

    /// <summary>Whose it is; null for nobody's. The domain may be no more.</summary>
    public unsafe Guid? Find(string key)
    {
        var target = stackalloc byte[UuidLength + 1];
        var length = Libc.ReadLink(PathOf(key), target, UuidLength + 1);
        return length == UuidLength && Utf8Parser.TryParse(new ReadOnlySpan<byte>(target, UuidLength), out Guid uuid, out _) ? uuid : null;
    }

    /// <summary>Makes it a domain's; false where it is another's already, which may be no more. Errors: HostFileFailure.</summary>
    public bool TryAdd(string key, Guid uuid)
    {
        var errno = Link(PathOf(key), uuid);
        if (errno == ErrnoText.ENOENT)
        {
            RunFolder.FileIn(folder, "."); // the first of its kind
            errno = Link(PathOf(key), uuid);
        }

        return errno switch
        {
            0 => true,
            ErrnoText.EEXIST => Find(key) == uuid,
            _ => throw Failure(errno),
        };
    }

    /// <summary>Makes it a domain's, whosever it was. Errors: HostFileFailure.</summary>
    public void Set(string key, Guid uuid)
    {
        if (TryAdd(key, uuid)) return;
        var path = PathOf(key);
        var temporary = $"{path}.{uuid}";
        if (Link(temporary, uuid) is not (0 or ErrnoText.EEXIST) and var errno) throw Failure(errno);
        if (Libc.Rename(temporary, path) != 0) throw Failure(Marshal.GetLastPInvokeError());
    }

    /// <summary>Makes it nobody's, if it is this domain's.</summary>
    public void Remove(string key, Guid uuid)
    {
        if (Find(key) == uuid) _ = Libc.Unlink(PathOf(key));
    }

    private static int Link(string path, Guid uuid) => Libc.SymbolicLink(uuid.ToString(), path) == 0 ? 0 : Marshal.GetLastPInvokeError();

    private string PathOf(string key) => Path.Combine(_folder, fileOf(key));

    private LvmException Failure(int errno) => new(ErrorIds.HostFileFailure, $"what belongs to the domain cannot be kept in '{_folder}'") { Errno = errno };
}
