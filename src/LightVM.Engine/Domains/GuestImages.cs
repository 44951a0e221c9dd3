using LightVM.Errors;
using LightVM.Xen;

namespace LightVM.Domains;

/// <summary>
/// The guests that come with LightVM (src/Native/guests, docs/guests.md), found by their names: NAME.elf in one of a few folders, of which the
/// first that has it counts.
/// </summary>
/// <param name="folders">Where to look, in this order; folders that are not there are passed over.</param>
public sealed class GuestImages(IReadOnlyList<string> folders)
{
    /// <summary>Environment variable with the folder to look in, instead of all others.</summary>
    public const string Override = "LIGHTVM_GUESTS";

    /// <summary>Memory that is enough for each of them, in MiB: the least that Xen's domain builder makes a PV guest with.</summary>
    public const int MemoryMiB = 4;

    private const string Extension = ".elf";

    /// <summary>Those of this installation: the folder <c>guests</c> beside the module or <c>lightvm</c>, then that of a package.</summary>
    public static GuestImages Installed => new(
        Environment.GetEnvironmentVariable(Override) is { Length: > 0 } folder
            ? [folder]
            : new[] { Path.Combine(NativeLibraries.AssemblyDirectory, "guests"), Path.Combine(AppContext.BaseDirectory, "guests"), "/usr/lib/lightvm/guests" }.Distinct().ToArray());

    /// <summary>The names of all guests there are, in their order.</summary>
    public IReadOnlyList<string> Names =>
        folders.Where(Directory.Exists)
            .SelectMany(folder => Directory.EnumerateFiles(folder, "*" + Extension))
            .Select(file => Path.GetFileNameWithoutExtension(file))
            .Distinct()
            .Order(StringComparer.Ordinal)
            .ToArray();

    /// <summary>The image of a guest: an absolute path, as a configuration names a kernel.</summary>
    /// <exception cref="LvmException">GuestNotFound, with the names there are.</exception>
    public string Find(string name)
    {
        // A name, not a path: it comes from whoever may name a guest, and leads to no other file.
        var path = name.Contains('/') ? null : folders.Select(folder => Path.GetFullPath(Path.Combine(folder, name + Extension))).FirstOrDefault(File.Exists);
        if (path is not null) return path;
        var names = Names;
        throw new LvmException(
            ErrorIds.GuestNotFound,
            $"there is no guest '{name}' in {string.Join(", ", folders)}: {(names.Count == 0 ? "no guest at all is there" : $"those there are {string.Join(", ", names)}")}");
    }
}
