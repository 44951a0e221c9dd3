namespace LightVM.Linux;

/// <summary>Where this toolstack keeps what lasts as long as the machine runs: root's alone.</summary>
internal static class RunFolder
{
    /// <summary>"/run/lightvm", or what LIGHTVM_RUN says.</summary>
    public static string Path { get; } = Environment.GetEnvironmentVariable("LIGHTVM_RUN") is { Length: > 0 } path ? path : "/run/lightvm";

    /// <summary>The path of a file in it; the folders above it are made.</summary>
    public static string FileIn(params string[] parts)
    {
        var path = System.IO.Path.Combine([Path, .. parts]);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return path;
    }
}
