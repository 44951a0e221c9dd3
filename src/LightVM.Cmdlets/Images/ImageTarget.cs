using LightVM.Domains;
using LightVM.Errors;

namespace LightVM.Cmdlets.Images;

/// <summary>Where domains are saved: a file for one, or a directory with NAME.lightvm for each.</summary>
internal sealed class ImageTarget
{
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);

    /// <summary>The file for the next domain. Errors: ImageExists when this very command has written it.</summary>
    /// <param name="path">What the user named.</param>
    public string FileFor(string path, Domain domain)
    {
        var file = Directory.Exists(path) || path.EndsWith('/') ? Path.Combine(path, $"{(domain.Name.Length > 0 ? domain.Name : domain.Id)}.lightvm") : path;
        return _used.Add(file) ? file : throw new LvmException(ErrorIds.ImageExists, $"'{file}' holds another domain already; name a directory to save several");
    }
}
